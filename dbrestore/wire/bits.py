"""bit_recv, varbit_recv: int32 number of bits, then the bits, the first one highest.

Source: src/backend/utils/adt/varbit.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from dbrestore.wire.fields import (
    Array,
    UnencodableError,
    VariableField,
    from_rows,
    rows_of,
    spread,
    string_buffers,
    text_at,
    validity,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ZERO = ord("0")


def encode_bits(array: pa.Array) -> VariableField:
    """From the text of bit_out: zeros and ones. Raises UnencodableError for any other text."""
    valid = validity(array)
    texts = array if valid is None else array.drop_null()
    if len(texts) == 0:
        return VariableField(spread(pa.array([], pa.binary()), valid))
    with rows_of(valid):
        groups = list(_by_length(texts))
    rows = np.concatenate([rows for rows, _ in groups])
    order = np.empty(len(rows), np.int64)
    order[rows] = np.arange(len(rows))
    payloads = pa.concat_arrays([payloads for _, payloads in groups]).take(pa.array(order))
    return VariableField(spread(payloads, valid))


def _by_length(texts: pa.Array) -> Iterator[tuple[Array, pa.Array]]:
    """Rows whose texts have the same length, with their payloads."""
    offsets, data = string_buffers(texts)
    lengths = np.diff(offsets)
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        bits = data[offsets[rows][:, None] + np.arange(length)] - ZERO
        if (bits > 1).any():
            row = int(rows[np.argmax((bits > 1).any(axis=1))])
            raise UnencodableError(row, text_at(texts, row), "is not a string of bits")
        yield rows, _payloads(bits, length)


def _payloads(bits: Array, length: int) -> pa.Array:
    packed = np.packbits(bits, axis=1)
    payloads = np.empty((len(bits), 4 + packed.shape[1]), np.uint8)
    payloads[:, :4] = np.frombuffer(np.array(length, ">i4").tobytes(), np.uint8)
    payloads[:, 4:] = packed
    return from_rows(payloads.view(f"V{payloads.shape[1]}")[:, 0])
