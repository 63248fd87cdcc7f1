"""Each type by COPY binary and by COPY text: what it costs here, and in the server's backend.

The registry's choice between the two formats follows this table.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

import pyarrow as pa

from benchmarks.backend import Cost, load_cost
from dbrestore.export.rows import BATCH_ROWS
from dbrestore.planning.columns import match_columns
from dbrestore.target.catalog import read_catalog
from dbrestore.testing.databases import Database, create_database
from dbrestore.testing.postgres import PostgresServer
from dbrestore.wire.registry import CopyFormat, WireColumn, find_encoder, stream_encoder
from dbrestore.wire.text import TextColumn, TextEncoder

if TYPE_CHECKING:
    import asyncpg

NANOSECONDS = 10**9
EXTENSIONS = ("citext", "hstore", "ltree")
VALUES = {
    "smallint": ("i % 30000", pa.int16()),
    "integer": ("i", pa.int32()),
    "bigint": ("i * 1000003::bigint", pa.int64()),
    "real": ("sqrt(i)::real", pa.float32()),
    "double precision": ("sqrt(i)", pa.float64()),
    "boolean": ("i % 3 = 0", pa.bool_()),
    "numeric(12,2)": ("(i::bigint * 7919 % 100000000) / 100.0 - 300000", pa.string()),
    "numeric(38,18)": ("i * 12345678901.123456789012345678", pa.string()),
    "text": ("md5(i::text)", pa.string()),
    "varchar(40)": ("md5(i::text)", pa.string()),
    "char(40)": ("md5(i::text)", pa.string()),
    "citext": ("md5(i::text)", pa.string()),
    "json": ("json_build_object('id', i, 'tags', json_build_array('a', i % 10, NULL))", pa.string()),
    "jsonb": ("jsonb_build_object('id', i, 'tags', jsonb_build_array('a', i % 10, NULL))", pa.string()),
    "uuid": ("md5(i::text)::uuid", pa.string()),
    "date": ("date '2020-01-01' + i % 2000", pa.string()),
    "timestamp": ("timestamp '2023-06-01' + i * interval '13.123457 seconds'", pa.string()),
    "timestamptz": ("timestamptz '2023-06-01' + i * interval '13.123457 seconds'", pa.string()),
    "time": ("time '00:00' + i * interval '1.234567 seconds'", pa.string()),
    "timetz": ("timetz '00:00+02' + i * interval '1.234567 seconds'", pa.string()),
    "interval": ("make_interval(0, i % 20, 0, i % 40, i % 24, 0, i % 60)", pa.string()),
    "inet": ("inet '10.0.0.0' + i", pa.string()),
    "inet (IPv6)": ("inet '2001:db8::' + i * 65537::bigint", pa.string()),
    "cidr": ("set_masklen(inet '10.0.0.0' + i, 32)::cidr", pa.string()),
    "macaddr": ("substr(md5(i::text), 1, 12)::macaddr", pa.string()),
    "bit(16)": ("(i % 65536)::bit(16)", pa.string()),
    "varbit": ("substr((i % 65536)::bit(16)::text, 1, 1 + i % 16)::varbit", pa.string()),
    "hstore": ("hstore(array['id', i::text, 'colour', 'red', 'note', NULL])", pa.string()),
    "ltree": ("('top.branch' || i % 100 || '.leaf' || i)::ltree", pa.string()),
    "integer[]": ("array[i, i % 10, NULL, -i]", pa.string()),
    "text[]": ("array['tag ' || i % 17, 'plain', 'a,b']", pa.string()),
    "text[] (backslashes)": ("array['tag ' || i % 17, E'a\\\\b']", pa.string()),
    "uuid[]": ("array[md5(i::text)::uuid, md5(i::text || 'x')::uuid]", pa.string()),
    "numeric[]": ("array[i / 100.0, 0.5, i]", pa.string()),
    "timestamptz[]": ("array[timestamptz '2023-06-01' + i * interval '13 seconds', NULL]", pa.string()),
}
"""An expression of i for the values of each type, and the Arrow type that a part has for it."""


def main() -> None:
    """Print a line for each type."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with PostgresServer.start({"shared_buffers": "256MB", "max_wal_size": "8GB"}) as server:
        asyncio.run(_compare(create_database(server), options.rows, options.runs))


async def _compare(database: Database, rows: int, runs: int) -> None:
    print(f"{rows:,} values, ns of CPU for each, medians of {runs} runs")
    print(f"{'':22} {'binary: client':>14} {'server':>7}   {'text: client':>12} {'server':>7}   binary / text")
    async with database.connect() as connection:
        await connection.execute("".join(f"CREATE EXTENSION IF NOT EXISTS {name};" for name in EXTENSIONS))
        for name, (expression, source) in VALUES.items():
            columns, batches = await _prepare(connection, name.partition(" (")[0], expression, source, rows)
            text = await load_cost(connection, "t", batches, TextEncoder([TextColumn("v")]), runs)
            binary = await load_cost(connection, "t", batches, stream_encoder(columns, CopyFormat.BINARY), runs)
            _show(name, binary, text, rows)


async def _prepare(
    connection: asyncpg.Connection, kind: str, expression: str, source: pa.DataType, rows: int
) -> tuple[tuple[WireColumn, ...], list[pa.RecordBatch]]:
    await connection.execute(f"DROP TABLE IF EXISTS t; CREATE TABLE t (v {kind})")
    value = f"({expression})::{kind}" if source != pa.string() else f"({expression})::{kind}::text"
    found = await connection.fetch(f"SELECT {value} AS v FROM generate_series(1, {rows}) AS i")
    batch = pa.record_batch({"v": pa.array([row["v"] for row in found], source)})
    [table] = (await read_catalog(connection)).tables
    columns = match_columns(table, batch.schema).columns
    assert find_encoder(source, columns[0].target), f"{kind} has no encoder"
    return columns, [batch.slice(start, BATCH_ROWS) for start in range(0, rows, BATCH_ROWS)]


def _show(name: str, binary: Cost, text: Cost, rows: int) -> None:
    figures = [seconds / rows * NANOSECONDS for seconds in (binary.client, binary.server, text.client, text.server)]
    print(
        f"{name:22} {figures[0]:14,.0f} {figures[1]:7,.0f}   {figures[2]:12,.0f} {figures[3]:7,.0f}"
        f"   {binary.both / text.both:13.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
