"""Whole tables: the CPU that a restore takes here, against what the server's backend takes for the same COPY.

By COPY binary and by COPY text; and how long `psql \\copy` of the same text takes beside the restore that goes as text.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from benchmarks.backend import load_cost
from benchmarks.measuring import load_seconds, measure
from benchmarks.tables import FILL_LINEITEM, FILL_TWELVE_COLUMNS, LINEITEM, TWELVE_COLUMNS
from dbrestore.export.rows import read_batches
from dbrestore.memory import use_little_memory
from dbrestore.planning.columns import match_columns
from dbrestore.target.catalog import read_catalog
from dbrestore.testing.databases import Database, create_database
from dbrestore.testing.postgres import PostgresServer
from dbrestore.wire.registry import CopyFormat, stream_encoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbrestore.wire.registry import StreamEncoder

SERVER_SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "8GB", "checkpoint_timeout": "1h"}
DBRESTORE = str(Path(sys.executable).with_name("dbrestore"))
TABLES = {"events": (TWELVE_COLUMNS, FILL_TWELVE_COLUMNS), "lineitem": (LINEITEM, FILL_LINEITEM)}


def main() -> None:
    """Print a line for each table and format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    use_little_memory()
    with PostgresServer.start(SERVER_SETTINGS) as server:
        for name, (schema, fill) in TABLES.items():
            with tempfile.TemporaryDirectory() as folder:
                database = create_database(server)
                database.execute(schema + ";" + fill.format(rows=options.rows))
                dsn = ["--dsn", database.dsn]
                subprocess.run([DBRESTORE, "simulate", folder, "--export-id", "share", *dsn], check=True)
                files = sorted(Path(folder).glob(f"share/*/public.{name}/*/*.parquet"))
                asyncio.run(_shares(database, name, files, options.runs))
                _compare_text(database, name, Path(folder), options.runs)


async def _shares(database: Database, name: str, files: Sequence[Path], runs: int) -> None:
    async with database.connect() as connection:
        [table] = (await read_catalog(connection)).tables
        columns = match_columns(table, pq.read_schema(files[0])).columns
        names = [column.name for column in columns]
        encoders = {copy_format: stream_encoder(columns, copy_format) for copy_format in CopyFormat}
        # Before there is anything in memory that a restore has not.
        decoded = median(_client_seconds(files, names) for _ in range(runs))
        clients = {
            copy_format: median(_client_seconds(files, names, encoder) for _ in range(runs))
            for copy_format, encoder in encoders.items()
        }
        batches = [batch for file in files for batch in read_batches(file, file.name, names)]
        for copy_format, encoder in encoders.items():
            server = (await load_cost(connection, name, batches, encoder, runs)).server
            client = clients[copy_format]
            print(
                f"{name:10} {copy_format.value:7} decode {decoded:.2f} s, encode {client - decoded:.2f} s, "
                f"backend {server:.2f} s: client / backend {client / server:.2f}",
                flush=True,
            )


def _client_seconds(files: Sequence[Path], names: Sequence[str], encoder: StreamEncoder | None = None) -> float:
    """Of decoding, and encoding each batch while it is in the processor's cache, as a restore does."""
    started = time.process_time()
    for file in files:
        for batch in read_batches(file, file.name, names):
            for _ in encoder.encode(batch) if encoder else ():
                pass
    return time.process_time() - started


def _compare_text(database: Database, name: str, folder: Path, runs: int) -> None:
    """A restore whose table is made to go as text, and psql with the same lines, in turns."""
    database.execute(f"ALTER TABLE {name} ADD forces_text point")
    subprocess.run([DBRESTORE, "simulate", str(folder), "--export-id", "text", "--dsn", database.dsn], check=True)
    lines = folder / "lines"
    database.execute(f"\\copy {name} to '{lines}'")
    psql = [str(database.server.tool("psql")), "-qX", "-d", database.dsn, "-c", f"\\copy {name} from '{lines}'"]
    report = folder / "report.json"
    restore = [DBRESTORE, "restore", str(folder / "text"), "--dsn", database.dsn]
    restore += ["--jobs", "1", "--report", str(report)]
    limits, wholes, loads = [], [], []
    for _ in range(runs):
        database.execute(f"TRUNCATE {name}; CHECKPOINT")
        limits.append(measure(psql).seconds)
        database.execute(f"TRUNCATE {name}; CHECKPOINT")
        wholes.append(measure(restore).seconds)
        loads.append(load_seconds(report))
    limit, whole, load = map(median, (limits, wholes, loads))
    print(
        f"{name:10} text: psql {limit:.2f} s, dbrestore's load {load:.2f} s: ratio {load / limit:.2f}; "
        f"the whole restore {whole:.2f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
