"""What an encoder makes of one column of a batch: the payloads of its non-NULL values.

The wire form of a field (PostgreSQL documentation, COPY, "Binary Format", Tuples) is an int32 length, -1 for
NULL, followed by as many bytes of payload. Encoders give payloads only; ``joining.join_rows`` adds the lengths.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbrestore.wire.sources import plain_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Array: TypeAlias = np.ndarray[Any, Any]

WIDEST_ITEM = 64
"""Bytes up to which texts of one length are handled as numpy's items, which is faster; wider ones gain nothing."""


@dataclass(frozen=True, slots=True)
class FixedField:
    """Payloads that all have the same number of bytes."""

    values: Array
    """One for each row that is not NULL, in order; ``values.dtype.itemsize`` is the payload's width."""
    valid: Array | None
    """A boolean for each row, False where NULL; None if no row is NULL."""


@dataclass(frozen=True, slots=True)
class VariableField:
    """Payloads of any length."""

    values: pa.Array
    """binary or string, one for each row; null is NULL."""
    prefix: Array | None = None
    """What comes before the payload: one item for all, or one for each row that is not NULL."""


Field: TypeAlias = FixedField | VariableField


class UnencodableError(ValueError):
    """A value that the target's type cannot hold, or that is not in a form we know."""

    def __init__(self, row: int, value: object, reason: str) -> None:
        super().__init__(reason)
        self.row = row
        """Index of the row in the array (later: in the batch) that was given, from 0."""
        self.value = value
        self.reason = reason
        self.column: str | None = None


def validity(array: pa.Array) -> Array | None:
    """A boolean for each value, False where null; None if there is no null."""
    if array.null_count == 0:
        return None
    mask: Array = array.is_valid().to_numpy(zero_copy_only=False)
    return mask


@contextmanager
def rows_at(rows: Array) -> Iterator[None]:
    """Inside, an UnencodableError counts rows that were chosen; outside, those they were chosen from."""
    try:
        yield
    except UnencodableError as error:
        error.row = int(rows[error.row])
        raise


@contextmanager
def rows_of(valid: Array | None) -> Iterator[None]:
    """Inside, an UnencodableError counts values that are not null; outside, rows of the array."""
    try:
        yield
    except UnencodableError as error:
        if valid is not None:
            error.row = int(np.flatnonzero(valid)[error.row])
        raise


@contextmanager
def named(column: str) -> Iterator[None]:
    """An UnencodableError from inside is about ``column``."""
    try:
        yield
    except UnencodableError as error:
        error.column = column
        raise


@contextmanager
def rows_after(count: int) -> Iterator[None]:
    """Inside, an UnencodableError counts from row ``count``; outside, from the first."""
    try:
        yield
    except UnencodableError as error:
        error.row += count
        raise


def fixed_field(array: pa.Array, parse: Callable[[pa.Array], Array]) -> FixedField:
    """Apply ``parse`` to the values that are not null."""
    valid = validity(array)
    with rows_of(valid):
        return FixedField(parse(array if valid is None else array.drop_null()), valid)


def primitive_values(array: pa.Array) -> Array:
    """The values of a null-free array of integers or floats, without a copy."""
    values: Array = array.to_numpy(zero_copy_only=True)
    return values


def text_at(array: pa.Array, row: int) -> str:
    """One text, with escapes for what is not UTF-8."""
    content: bytes = array[row].as_buffer().to_pybytes()
    return content.decode(errors="backslashreplace")


def shown_value(array: pa.Array, row: int = 0) -> object:
    """One value as errors show it, whatever Python could make of it: text that is no UTF-8, years past 9999 …"""
    if not array[row].is_valid:
        return None
    if pa.types.is_date(array.type) or pa.types.is_timestamp(array.type):
        return _shown_moment(array.slice(row, 1))
    if pa.types.is_temporal(array.type):
        return array.slice(row, 1).cast(pa.string())[0].as_py()
    plain = plain_source(array.slice(row, 1))
    return text_at(plain, 0) if pa.types.is_string(plain.type) else plain[0].as_py()


def refuse_first(array: pa.Array, bad: Array, reason: str) -> None:
    """Raise UnencodableError with the first element of ``array`` that is ``bad``, if any is."""
    if bad.any():
        row = int(np.argmax(bad))
        raise UnencodableError(row, shown_value(array, row), reason)


def _shown_moment(array: pa.Array) -> str:
    """By numpy: Python's years end at 9999, Arrow's at 32767."""
    zone = "+00" if pa.types.is_timestamp(array.type) and array.type.tz else ""
    return str(array.to_numpy(zero_copy_only=False)[0]).replace("T", " ") + zone


def parsed_text(array: pa.Array, row: int) -> str:
    """One text that is going to be encoded anew. Raises UnencodableError where it is not UTF-8."""
    content: bytes = array[row].as_buffer().to_pybytes()
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise UnencodableError(row, text_at(array, row), "is not UTF-8") from None


def string_buffers(array: pa.Array) -> tuple[Array, Array]:
    """Offsets (int32, one more than values, from 0) and bytes (uint8) of a null-free string or binary array."""
    _, offsets_buffer, data_buffer = array.buffers()
    if len(array) == 0 or offsets_buffer is None:
        return np.zeros(1, np.int32), np.empty(0, np.uint8)
    offsets = np.frombuffer(offsets_buffer, np.int32)[array.offset : array.offset + len(array) + 1]
    if data_buffer is None:
        return offsets - offsets[0], np.empty(0, np.uint8)
    data = np.frombuffer(data_buffer, np.uint8)[offsets[0] : offsets[-1]]
    return offsets - offsets[0], data


def same_length(array: pa.Array) -> Array | None:
    """The elements of a null-free string or binary array as items, if all have the same 1 to WIDEST_ITEM bytes."""
    offsets, data = string_buffers(array)
    width = int(offsets[1]) if len(array) else 0
    if not 0 < width <= WIDEST_ITEM or len(data) != width * len(array) or (np.diff(offsets) != width).any():
        return None
    return data.view(f"V{width}")


def from_rows(values: Array) -> pa.Array:
    """A binary array whose elements are the items of a numpy array."""
    width = values.dtype.itemsize
    offsets = np.arange(0, (len(values) + 1) * width, width, dtype=np.int32)
    data = np.ascontiguousarray(values).view(np.uint8)
    return pa.Array.from_buffers(pa.binary(), len(values), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def merge(chosen: pa.Array, others: pa.Array, is_chosen: Array, valid: Array | None) -> pa.Array:
    """The elements of two arrays in their rows: from ``chosen`` where ``is_chosen``, and null where not valid."""
    order = np.empty(len(is_chosen), np.int64)
    order[is_chosen] = np.arange(len(chosen))
    order[~is_chosen] = np.arange(len(chosen), len(order))
    return spread(pa.concat_arrays([chosen, others]).take(pa.array(order)), valid)


def spread(values: pa.Array, valid: Array | None) -> pa.Array:
    """The elements of ``values`` in the valid rows, null in the others."""
    if valid is None:
        return values
    indices = np.cumsum(valid) - 1
    return values.take(pa.array(indices, mask=~valid))


def where_valid(values: Array, valid: Array) -> pa.Array:
    """A binary array with the next item of ``values`` in each valid row and no bytes in the others."""
    offsets = np.zeros(len(valid) + 1, np.int32)
    np.cumsum(valid, out=offsets[1:])
    offsets *= values.dtype.itemsize
    data = np.ascontiguousarray(values).view(np.uint8)
    return pa.Array.from_buffers(pa.binary(), len(valid), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def slices(pieces: pa.Array, starts: Array) -> pa.Array:
    """Binaries, each made of the neighbours ``pieces[starts[row]:starts[row + 1]]``. None is null."""
    offsets, data = string_buffers(pieces)
    bounds = np.ascontiguousarray(offsets[starts], np.int32)
    return pa.Array.from_buffers(pa.binary(), len(starts) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(data)])


def payloads(field: Field) -> pa.Array:
    """The payload of each row as binary or string, null where it is NULL."""
    if isinstance(field, FixedField):
        return _with_nulls(field.values, field.valid)
    if field.prefix is None:
        return field.values
    valid = validity(field.values)
    prefixes = np.broadcast_to(field.prefix, len(field.values) if valid is None else int(valid.sum()))
    return pc.binary_join_element_wise(
        _with_nulls(prefixes, valid), field.values.cast(pa.binary()), pa.scalar(b"", pa.binary())
    )


def _with_nulls(values: Array, valid: Array | None) -> pa.Array:
    if valid is None:
        return from_rows(values)
    _, offsets, data = where_valid(values, valid).buffers()
    bits = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(pa.binary(), len(valid), [bits, offsets, data])
