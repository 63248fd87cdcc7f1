"""Columns of strings, as an export has them, in the Arrow types of the target's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMN_TYPES = """
    SELECT attname::text, format_type(atttypid, NULL), atttypmod FROM pg_attribute
    WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped
"""
"""Name, type and modifier of each column of a table."""

_ARROW_TYPES = {
    "date": pa.date32(),
    "timestamp without time zone": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
}


def typed(table: pa.Table, types: Mapping[str, tuple[str, int]]) -> pa.Table:
    """``table`` with its strings cast, by the type and the modifier of each column."""
    columns = [_cast(table[name], *types[name]) for name in table.column_names]
    return pa.table(columns, names=table.column_names)


def _cast(column: pa.ChunkedArray, name: str, modifier: int) -> pa.ChunkedArray:
    if name == "numeric":
        # numeric_typmod_precision and _scale of src/backend/utils/adt/numeric.c
        precision, scale = (modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0x7FF
        return pc.cast(column, pa.decimal128(precision, scale))
    return pc.cast(column, _ARROW_TYPES[name]) if name in _ARROW_TYPES else column
