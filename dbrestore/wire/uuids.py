"""uuid_recv: 16 bytes, from the 36 characters of uuid_out, eight characters to a machine word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dbrestore.wire.fields import Array, FixedField, UnencodableError, fixed_field, string_buffers

if TYPE_CHECKING:
    import pyarrow as pa

TEXT_LENGTH = 36
TEXT = np.dtype(
    [
        ("time_low", "<u8"),
        ("dash1", "u1"),
        ("time_mid", "<u4"),
        ("dash2", "u1"),
        ("time_high", "<u4"),
        ("dash3", "u1"),
        ("clock", "<u4"),
        ("dash4", "u1"),
        ("node_high", "<u8"),
        ("node_low", "<u4"),
    ]
)
"""The groups of hexadecimal digits as little-endian words, so that the first digit is the lowest byte."""


def _each_byte(value: int) -> np.uint64:
    return np.uint64(value * 0x0101_0101_0101_0101)


def encode_uuid(array: pa.Array) -> FixedField:
    """Raises UnencodableError for anything but 8-4-4-4-12 hexadecimal digits."""
    return fixed_field(array, _parse)


def _parse(array: pa.Array) -> Array:
    offsets, data = string_buffers(array)
    _refuse_first(array, np.diff(offsets) != TEXT_LENGTH)
    text = data.view(TEXT)
    dashes = text["dash1"] & text["dash2"] & text["dash3"] & text["dash4"]
    dashes |= (text["dash1"] | text["dash2"] | text["dash3"] | text["dash4"]) ^ dashes
    words = _digit_words(text)
    nibbles = _nibbles(words)
    _refuse_first(array, (dashes != ord("-")) | ~_are_digits(words, nibbles).all(axis=1))
    return _packed(nibbles)


def _refuse_first(array: pa.Array, bad: Array) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise UnencodableError(row, array[row].as_py(), "is not a uuid")


def _digit_words(text: Array) -> Array:
    """Four words of eight digits each, in the order of the text."""
    half = np.uint64(32)
    words = np.empty((len(text), 4), np.uint64)
    words[:, 0] = text["time_low"]
    words[:, 1] = text["time_mid"] | (text["time_high"].astype(np.uint64) << half)
    words[:, 2] = text["clock"] | (text["node_high"] << half)
    words[:, 3] = (text["node_high"] >> half) | (text["node_low"].astype(np.uint64) << half)
    return words


def _nibbles(words: Array) -> Array:
    """The value of each digit in its byte: a letter has bit 6 set and a low nibble that is 9 too small."""
    return (words & _each_byte(0x0F)) + ((words >> np.uint64(6)) & _each_byte(1)) * np.uint64(9)


def _are_digits(words: Array, nibbles: Array) -> Array:
    """Whether the digits written anew from their values are those that were read, but for case."""
    letters = ((nibbles + _each_byte(6)) >> np.uint64(4)) & _each_byte(1)
    written = nibbles + _each_byte(ord("0")) + letters * np.uint64(ord("a") - ord("0") - 10)
    case = _each_byte(0x20)
    are_digits: Array = (written == (words | case)) & (((words | (words >> np.uint64(1))) & case) == case)
    return are_digits


def _packed(nibbles: Array) -> Array:
    """Two digits to a byte, four bytes to a word, 16 bytes to an item."""
    pairs = ((nibbles << np.uint64(4)) | (nibbles >> np.uint64(8))) & np.uint64(0x00FF_00FF_00FF_00FF)
    pairs = (pairs | (pairs >> np.uint64(8))) & np.uint64(0x0000_FFFF_0000_FFFF)
    pairs |= pairs >> np.uint64(16)
    return pairs.astype("<u4").view("V16")[:, 0]
