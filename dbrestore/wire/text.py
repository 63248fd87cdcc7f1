"""Rows of COPY's text format: for any type that has a text input function.

Format: PostgreSQL documentation, COPY, "Text Format": tab between fields, newline after rows, ``\\N`` for NULL, and
a backslash before a backslash, tab, newline or carriage return.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbrestore.wire.fields import spread, string_buffers, validity

if TYPE_CHECKING:
    from collections.abc import Iterator

ESCAPES = ((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n"), (b"\r", b"\\r"))
"""The backslash first: the others add backslashes."""
NULL = b"\\N"
HEX_PAIRS = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), "V2").view(np.uint16)
JOIN_LIMIT = 2**29
"""Bytes of a batch above which it is split: escaping may double them, and a joined row must stay below 2 GiB."""


class TextEncoder:
    """Turns record batches into the stream of ``COPY … FROM STDIN (FORMAT text)``."""

    header = b""
    trailer = b""

    def encode(self, batch: pa.RecordBatch) -> Iterator[pa.Buffer]:
        """The rows of ``batch``, whose columns are in the order of the COPY's column list."""
        if batch.nbytes > JOIN_LIMIT and batch.num_rows > 1:
            half = batch.num_rows // 2
            yield from self.encode(batch.slice(0, half))
            yield from self.encode(batch.slice(half))
        elif batch.num_rows:
            kind = pa.large_binary() if batch.nbytes > JOIN_LIMIT else pa.binary()
            fields = [_text_field(array, kind) for array in batch.columns]
            joined = pc.binary_join_element_wise(
                *fields[:-1],
                pc.binary_join_element_wise(fields[-1].fill_null(NULL), pa.scalar(b"\n", kind), pa.scalar(b"", kind)),
                pa.scalar(b"\t", kind),
                null_handling="replace",
                null_replacement=NULL,
            )
            yield joined.buffers()[2]


def _text_field(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
        return _hex(array.cast(pa.binary())).cast(kind)
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return _escaped(array.cast(pa.binary())).cast(kind)
    return as_text(array).cast(kind)


def as_text(array: pa.Array) -> pa.Array:
    """Typed values in a form that PostgreSQL's input functions read."""
    if pa.types.is_decimal(array.type):
        return pa.array([None if value is None else f"{value:f}" for value in array.to_pylist()], pa.string())
    return array.cast(pa.string())


def _escaped(array: pa.Array) -> pa.Array:
    data = array.buffers()[2]
    content = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    for character, escape in ESCAPES:
        if (content == character[0]).any():
            array = pc.replace_substring(array, character, escape)
    return array


def _hex(array: pa.Array) -> pa.Array:
    """byteain's hexadecimal form, its backslash escaped."""
    valid = validity(array)
    offsets, data = string_buffers(array if valid is None else array.drop_null())
    digits = pa.Array.from_buffers(
        pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets * 2), pa.py_buffer(HEX_PAIRS[data])]
    )
    return spread(pc.binary_join_element_wise(b"\\\\x", digits, b""), valid)
