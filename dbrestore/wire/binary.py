"""Rows of COPY's binary format, assembled a batch at a time.

Format: PostgreSQL documentation, COPY, "Binary Format". Neighbouring fields of fixed width share one record
array (length prefixes included), and ``binary_join_element_wise`` interleaves these with the fields of variable
width: its output buffer is the stream. Measured at about 0.1 µs a row of 12 columns, without the GIL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbrestore.wire.fields import FixedField, from_rows, named, rows_after, validity, where_valid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dbrestore.wire.fields import Array, Field, VariableField

SIGNATURE = b"PGCOPY\n\xff\r\n\0"
HEADER = SIGNATURE + bytes(4) + bytes(4)
"""Signature, flags (no oids), length of the header's extension."""
TRAILER = b"\xff\xff"
"""A row with -1 fields."""
NULL_LENGTH = -1
JOIN_LIMIT = 2**30
"""Bytes of a batch above which it is split: the joined rows must stay below the 2 GiB of int32 offsets."""


class BinaryEncoder:
    """Turns record batches into the stream of ``COPY … FROM STDIN (FORMAT binary)``."""

    header = HEADER
    trailer = TRAILER

    def __init__(self, columns: Sequence[tuple[str, Callable[[pa.Array], Field]]]) -> None:
        """``columns`` are names with their encoders, in the order of the COPY's column list."""
        self._columns = tuple(columns)

    def encode(self, batch: pa.RecordBatch) -> Iterator[pa.Buffer]:
        """The rows of ``batch``, whose columns are in the order of the encoder's.

        Raises UnencodableError naming row and column.
        """
        if batch.nbytes > JOIN_LIMIT and batch.num_rows > 1:
            half = batch.num_rows // 2
            yield from self.encode(batch.slice(0, half))
            with rows_after(half):
                yield from self.encode(batch.slice(half))
        elif batch.num_rows:
            fields = [
                _encode_column(name, encode, array)
                for (name, encode), array in zip(self._columns, batch.columns, strict=True)
            ]
            yield join_rows(fields, batch.num_rows, large=batch.nbytes > JOIN_LIMIT)


def _encode_column(name: str, encode: Callable[[pa.Array], Field], array: pa.Array) -> Field:
    with named(name):
        return encode(array)


def join_rows(fields: Sequence[Field], rows: int, *, large: bool = False) -> pa.Buffer:
    """The wire bytes of ``rows`` rows; ``large`` where they may need more than 2 GiB."""
    pieces = _Pieces(rows)
    pieces.constant(">i2", len(fields))
    for field in fields:
        if isinstance(field, FixedField):
            _add_fixed(pieces, field)
        else:
            _add_variable(pieces, field)
    kind = pa.large_binary() if large else pa.binary()
    joined = pc.binary_join_element_wise(
        *(piece.cast(kind) for piece in pieces.finish()),
        pa.scalar(b"", kind),
        null_handling="replace",
        null_replacement="",
    )
    return joined.buffers()[2]


class _Pieces:
    """The arguments of the join: arrays whose elements, one after the other, make up each row."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._arrays: list[pa.Array] = []
        self._formats: list[Any] = []
        self._values: list[Array | int] = []

    def constant(self, dtype: str, value: int) -> None:
        self.fixed(np.dtype(dtype), value)

    def fixed(self, dtype: np.dtype[Any], values: Array | int) -> None:
        """Bytes of one width, joined to the fixed ones before them."""
        self._formats.append(dtype)
        self._values.append(values)

    def variable(self, array: pa.Array) -> None:
        self._flush()
        self._arrays.append(array)

    def finish(self) -> list[pa.Array]:
        self._flush()
        return self._arrays

    def _flush(self) -> None:
        if not self._formats:
            return
        dtype = np.dtype([(f"f{index}", form) for index, form in enumerate(self._formats)])
        records = np.empty(self._rows, dtype)
        for name, values in zip(dtype.names or (), self._values, strict=True):
            records[name] = values
        self._arrays.append(from_rows(records))
        self._formats, self._values = [], []


def _add_fixed(pieces: _Pieces, field: FixedField) -> None:
    width = field.values.dtype.itemsize
    if field.valid is None:
        pieces.constant(">i4", width)
        pieces.fixed(field.values.dtype, field.values)
    else:
        pieces.fixed(np.dtype(">i4"), np.where(field.valid, width, NULL_LENGTH))
        pieces.variable(where_valid(field.values, field.valid))


def _add_variable(pieces: _Pieces, field: VariableField) -> None:
    lengths = pc.binary_length(field.values)
    valid = validity(field.values)
    if valid is None:
        pieces.fixed(np.dtype(">i4"), lengths.to_numpy(zero_copy_only=False) + len(field.prefix))
        for byte in field.prefix:
            pieces.constant("u1", byte)
    else:
        wire_lengths = lengths.fill_null(NULL_LENGTH - len(field.prefix)).to_numpy() + len(field.prefix)
        pieces.fixed(np.dtype(">i4"), wire_lengths)
        if field.prefix:
            prefixes = np.full(int(valid.sum()), np.void(field.prefix))
            pieces.variable(where_valid(prefixes, valid))
    pieces.variable(field.values)
