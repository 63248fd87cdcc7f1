"""ADBC: pyarrow reads a part, and ``adbc_ingest`` appends it by binary COPY.

ADBC sends what an Arrow type looks like in the wire, whatever the column's type, so that strings are cast before; a
uuid goes as its 16 bytes, and jsonb as its text behind the number of its format (jsonb_recv, utils/adt/jsonb.c).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.suite.loaders.parts import in_threads, read_order
from benchmarks.suite.loaders.typing_columns import COLUMN_TYPES, typed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.suite.loaders.parts import Part

UUID_BYTES = 16
JSONB_FORMAT = b"\x01"


def main() -> None:
    """Load what the command line says."""
    dbapi: Any = import_module("adbc_driver_postgresql.dbapi")
    order = read_order()

    def load(parts: Sequence[Part]) -> None:
        with dbapi.connect(order.dsn) as connection, connection.cursor() as cursor:
            for part in parts:
                cursor.execute(COLUMN_TYPES.format(table=part.table))
                types = {name: (kind, modifier) for name, kind, modifier in cursor.fetchall()}
                rows = in_wire_types(typed(pq.ParquetFile(part.path).read(), types), types)
                cursor.adbc_ingest(part.table, rows, mode="append")
                connection.commit()

    in_threads(order, load)


def in_wire_types(table: pa.Table, types: Mapping[str, tuple[str, int]]) -> pa.Table:
    """``table`` with uuid and jsonb as the bytes that the server receives."""
    columns = [_received(table[name], types[name][0]) for name in table.column_names]
    return pa.table(columns, names=table.column_names)


def _received(column: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
    if kind == "jsonb":
        text = pc.cast(column, pa.binary())
        return pc.binary_join_element_wise(pa.scalar(JSONB_FORMAT), text, pa.scalar(b""))
    if kind == "uuid":
        return pa.chunked_array([_uuid_bytes(chunk) for chunk in column.chunks], pa.binary(UUID_BYTES))
    return column


def _uuid_bytes(texts: pa.Array) -> pa.Array:
    """Of texts none of which is null, as in all data sets."""
    digits = "".join(texts.to_pylist()).replace("-", "")
    return pa.Array.from_buffers(pa.binary(UUID_BYTES), len(texts), [None, pa.py_buffer(bytes.fromhex(digits))])


if __name__ == "__main__":
    main()
