"""Payloads of integers, floats, booleans and everything whose wire form is its text or its bytes.

Wire forms: the ``*recv`` functions of PostgreSQL (src/backend/utils/adt).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from dbrestore.wire.fields import (
    Array,
    FixedField,
    UnencodableError,
    VariableField,
    fixed_field,
    primitive_values,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def integer_encoder(width: int) -> Callable[[pa.Array], FixedField]:
    """An encoder of integer arrays into ``width`` bytes: int2recv, int4recv, int8recv.

    It raises UnencodableError for a value outside the range of that width.
    """
    limits = np.iinfo(f"i{width}")
    dtype = np.dtype(f">i{width}")

    def parse(array: pa.Array) -> Array:
        values = primitive_values(array)
        source = np.iinfo(values.dtype)
        least, most = max(source.min, limits.min), min(source.max, limits.max)
        if (least, most) != (source.min, source.max):
            outside = np.flatnonzero((values < least) | (values > most))
            if len(outside):
                row = int(outside[0])
                raise UnencodableError(row, int(values[row]), f"is not within {limits.min} and {limits.max}")
        return values.astype(dtype)

    return lambda array: fixed_field(array, parse)


def float_encoder(width: int) -> Callable[[pa.Array], FixedField]:
    """An encoder of float arrays into ``width`` bytes: float4recv, float8recv. Keeps NaN, infinities and -0.0."""
    dtype = np.dtype(f">f{width}")
    return lambda array: fixed_field(array, lambda values: primitive_values(values).astype(dtype))


def encode_boolean(array: pa.Array) -> FixedField:
    """boolrecv: one byte, 1 or 0."""
    return fixed_field(array, lambda values: primitive_values(values.cast(pa.uint8())))


def encode_plain(array: pa.Array) -> VariableField:
    """textrecv, bytearecv, enum_recv, json_recv …: the bytes as they are."""
    return VariableField(array)


def encode_jsonb(array: pa.Array) -> VariableField:
    """jsonb_recv: version 1, then the text."""
    return VariableField(array, prefix=b"\x01")
