"""Types whose text is hexadecimal digits, two to a byte: uuid, macaddr, PostGIS.

uuid_recv, macaddr_recv and macaddr8_recv take 16, 6 and 8 bytes; geometry_recv and geography_recv take EWKB, which
PostGIS prints in hexadecimal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from dbrestore.wire.fields import (
    Array,
    FixedField,
    VariableField,
    fixed_field,
    refuse_first,
    rows_of,
    spread,
    string_buffers,
    validity,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

DIGITS = b"0123456789abcdefABCDEF"
NO_BYTE = 256
NO_HEXADECIMAL = "is not in hexadecimal form"


def _bytes_by_digits() -> Array:
    table = np.full(2**16, NO_BYTE, np.uint16)
    for high in DIGITS:
        for low in DIGITS:
            table[high | low << 8] = int(chr(high) + chr(low), 16)
    return table


BYTES_BY_DIGITS = _bytes_by_digits()
"""The byte that two digits stand for, by their characters as a little-endian word."""


class DigitGroups:
    """A text of fixed length, made of groups of digits with one separator between them."""

    def __init__(self, type_name: str, groups: Sequence[int], separator: str) -> None:
        """``groups`` are the numbers of bytes in each group."""
        self._reason = f"is not a {type_name}"
        self._separator = ord(separator)
        self._names = [f"group{index}" for index in range(len(groups))]
        formats = [f"V{2 * group}" for group in groups]
        starts = [2 * sum(groups[:index]) + index for index in range(len(groups))]
        self._separators = [f"separator{start}" for start in starts[1:]]
        self._length = 2 * sum(groups) + len(groups) - 1
        self._bytes = sum(groups)
        self._text = np.dtype(
            {
                "names": [*self._names, *self._separators],
                "formats": [*formats, *("u1" for _ in self._separators)],
                "offsets": [*starts, *(start - 1 for start in starts[1:])],
                "itemsize": self._length,
            }
        )
        self._digits = np.dtype(list(zip(self._names, formats, strict=True)))

    def encode(self, array: pa.Array) -> FixedField:
        """Raises UnencodableError for a text of another form."""
        return fixed_field(array, self._parse)

    def _parse(self, array: pa.Array) -> Array:
        offsets, data = string_buffers(array)
        refuse_first(array, np.diff(offsets) != self._length, self._reason)
        text = data.view(self._text)
        digits = np.empty(len(text), self._digits)
        for name in self._names:
            digits[name] = text[name]
        values = BYTES_BY_DIGITS.take(digits.view("<u2")).reshape(-1, self._bytes)
        if values.max(initial=0) == NO_BYTE:
            refuse_first(array, (values == NO_BYTE).any(axis=1), self._reason)
        wrong = [text[separator] != self._separator for separator in self._separators]
        refuse_first(array, np.logical_or.reduce(wrong), self._reason)
        return values.astype(np.uint8).view(f"V{self._bytes}")[:, 0]


UUID = DigitGroups("uuid", (4, 2, 2, 2, 6), "-")
MACADDR = DigitGroups("macaddr", (1,) * 6, ":")
MACADDR8 = DigitGroups("macaddr8", (1,) * 8, ":")


def encode_hexadecimal(array: pa.Array) -> VariableField:
    """Digits without a separator, any even number of them."""
    valid = validity(array)
    texts = array if valid is None else array.drop_null()
    offsets, data = string_buffers(texts)
    with rows_of(valid):
        refuse_first(texts, (np.diff(offsets) & 1).astype(bool), NO_HEXADECIMAL)
        values = BYTES_BY_DIGITS.take(data.view("<u2"))
        if values.max(initial=0) == NO_BYTE:
            bad_rows = np.searchsorted(offsets, np.flatnonzero(values == NO_BYTE) * 2, side="right") - 1
            bad = np.zeros(len(texts), bool)
            bad[bad_rows] = True
            refuse_first(texts, bad, NO_HEXADECIMAL)
    decoded = pa.Array.from_buffers(
        pa.binary(), len(texts), [None, pa.py_buffer(offsets >> 1), pa.py_buffer(values.astype(np.uint8))]
    )
    return VariableField(spread(decoded, valid))
