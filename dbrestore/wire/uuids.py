"""uuid_recv: 16 bytes, from the 36 characters of uuid_out, two digits at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dbrestore.wire.fields import Array, FixedField, UnencodableError, fixed_field, string_buffers, text_at

if TYPE_CHECKING:
    import pyarrow as pa

TEXT_LENGTH = 36
DIGITS = b"0123456789abcdefABCDEF"
GROUPS = ("time_low", "time_mid", "time_high", "clock", "node_high", "node_low")
GROUP_FORMATS = ("<u8", "<u4", "<u4", "<u4", "<u8", "<u4")
DASHES = ("dash1", "dash2", "dash3", "dash4")
TEXT = np.dtype(
    {
        "names": [*GROUPS, *DASHES],
        "formats": [*GROUP_FORMATS, "u1", "u1", "u1", "u1"],
        "offsets": [0, 9, 14, 19, 24, 32, 8, 13, 18, 23],
        "itemsize": TEXT_LENGTH,
    }
)
"""A uuid as text; eight digits to a word of eight bytes."""
WITHOUT_DASHES = np.dtype(list(zip(GROUPS, GROUP_FORMATS, strict=True)))
NO_BYTE = 256


def _bytes_by_digits() -> Array:
    table = np.full(2**16, NO_BYTE, np.uint16)
    for high in DIGITS:
        for low in DIGITS:
            table[high | low << 8] = int(chr(high) + chr(low), 16)
    return table


BYTES_BY_DIGITS = _bytes_by_digits()
"""The byte that two digits stand for, by their characters as a little-endian word."""


def encode_uuid(array: pa.Array) -> FixedField:
    """Raises UnencodableError for anything but 8-4-4-4-12 hexadecimal digits."""
    return fixed_field(array, _parse)


def _parse(array: pa.Array) -> Array:
    offsets, data = string_buffers(array)
    _refuse_first(array, np.diff(offsets) != TEXT_LENGTH)
    text = data.view(TEXT)
    digits = np.empty(len(text), WITHOUT_DASHES)
    for group in GROUPS:
        digits[group] = text[group]
    values = BYTES_BY_DIGITS.take(digits.view("<u2")).reshape(-1, TEXT_LENGTH - len(DASHES) >> 1)
    if values.max(initial=0) == NO_BYTE:
        _refuse_first(array, (values == NO_BYTE).any(axis=1))
    _refuse_first(array, np.logical_or.reduce([text[dash] != ord("-") for dash in DASHES]))
    return values.astype(np.uint8).view("V16")[:, 0]


def _refuse_first(array: pa.Array, bad: Array) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise UnencodableError(row, text_at(array, row), "is not a uuid")
