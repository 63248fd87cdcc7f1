"""Rows of COPY's formats by ``_rows``, which writes all columns of a batch in one pass, without the GIL.

It takes a third of the time that arrays of numpy and Arrow take, of text up to two thirds; see docs/performance.md.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pyarrow as pa

from dbrestore.wire.cells import PAYLOAD
from dbrestore.wire.distinct import DistinctEncoder
from dbrestore.wire.fields import named, payloads
from dbrestore.wire.sources import plain_source

try:
    from dbrestore.wire._rows import encode_lines, encode_rows
except ImportError:
    encode_rows = encode_lines = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbrestore.wire.cells import Cell
    from dbrestore.wire.fields import Field

IS_THERE = encode_rows is not None
"""It was compiled when dbrestore was installed."""


class CompiledColumn:
    """One column of the batches of a stream."""

    def __init__(self, name: str, encode: Callable[[pa.Array], Field], cell: Cell | None) -> None:
        """``encode`` is for what ``cell`` does not say how to write."""
        self._name = name
        self._encode = encode
        self._cell = cell
        self._distinct = DistinctEncoder(lambda values: payloads(encode(values)))

    def prepare(self, array: pa.Array) -> tuple[pa.Array, Cell]:
        """An array that can be written, and how. Raises UnencodableError."""
        distinct = self._distinct.encode(array)
        if distinct is not None:
            return with_values(array, distinct), PAYLOAD
        return self.by_python(array) if self._cell is None else (plain_source(array), self._cell)

    def by_python(self, array: pa.Array) -> tuple[pa.Array, Cell]:
        """The same for an array with values that only Python knows. Raises UnencodableError."""
        with named(self._name):
            return payloads(self._encode(array)), PAYLOAD


def join_columns(columns: Sequence[CompiledColumn], batch: pa.RecordBatch) -> pa.Buffer:
    """The wire bytes of a batch that has a column. Raises UnencodableError naming row and column."""
    prepared = [column.prepare(array) for column, array in zip(columns, batch.columns, strict=True)]
    while True:
        made = encode_rows(_capsules([array for array, _ in prepared]), _kinds([cell for _, cell in prepared]))
        if not isinstance(made, int):
            return _in_use(*made)
        prepared[made] = columns[made].by_python(batch.column(made))


def join_lines(texts: Sequence[pa.Array]) -> pa.Buffer:
    """The lines of the text format of one or more columns: texts, integers, dictionaries of texts."""
    return _in_use(*encode_lines(_capsules(texts)))


def with_values(array: pa.DictionaryArray, values: pa.Array) -> pa.DictionaryArray:
    """``array`` with other values in its dictionary."""
    indices = array.indices if array.indices.type == pa.int32() else array.indices.cast(pa.int32())
    return pa.DictionaryArray.from_arrays(indices, values, safe=False)


def _in_use(content: bytes, size: int) -> pa.Buffer:
    return pa.py_buffer(content).slice(0, size)


def _capsules(arrays: Sequence[pa.Array]) -> tuple[object, object]:
    batch = pa.RecordBatch.from_arrays(arrays, [str(place) for place in range(len(arrays))])
    capsules: tuple[object, object] = batch.__arrow_c_array__()
    return capsules


def _kinds(cells: Sequence[Cell]) -> bytes:
    numbers = [number for cell in cells for number in (cell.kind, cell.parameter)]
    return struct.pack(f"={len(numbers)}i", *numbers)
