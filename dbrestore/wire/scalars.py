"""Payloads of integers, floats, booleans and everything whose wire form is its text or its bytes.

Wire forms: the ``*recv`` functions of PostgreSQL (src/backend/utils/adt).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbrestore.wire.fields import (
    Array,
    FixedField,
    UnencodableError,
    VariableField,
    fixed_field,
    primitive_values,
    refuse_first,
    string_buffers,
    text_at,
)

if TYPE_CHECKING:
    from collections.abc import Callable


INTEGER_PATTERN = re.compile(r"-?[0-9]{1,19}", re.ASCII)
"""Of all numbers that 64 bits hold; int64 holds most of them."""
NO_INTEGER = "is not an integer of 64 bits"
ZERO, MINUS = b"0-"
FLOAT_PATTERN = r"^-?(?:[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?|Infinity)$|^NaN$"
ZERO_PATTERN = r"^-?[0.]+(?:e|$)"
TRUE, FALSE = ("t", "true", "1"), ("f", "false", "0")
VERSION_1 = np.array(1, "u1")
VARCHAR_HEADER = 4
"""What a typmod is more than the number of characters (VARHDRSZ)."""
REAL_WIDTH = 4
UUID_BYTES = 16


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


def integer_text_encoder(width: int) -> Callable[[pa.Array], FixedField]:
    """An encoder of the text of int2out, int4out, int8out."""
    encode = integer_encoder(width)

    def parse(texts: pa.Array) -> Array:
        _, data = string_buffers(texts)
        try:
            if ((data - ZERO > 9) & (data != MINUS)).any():
                raise pa.ArrowInvalid("Arrow reads hexadecimal digits as well")
            values = texts.cast(pa.int64())
        except pa.ArrowInvalid:
            refuse_first(texts, np.array([not _is_int64(texts, row) for row in range(len(texts))]), NO_INTEGER)
            raise
        return encode(values).values

    return lambda array: fixed_field(array, parse)


def _is_int64(texts: pa.Array, row: int) -> bool:
    text = text_at(texts, row)
    return INTEGER_PATTERN.fullmatch(text) is not None and -(2**63) <= int(text) < 2**63


def float_encoder(width: int) -> Callable[[pa.Array], FixedField]:
    """An encoder of floats or integers into ``width`` bytes: float4recv, float8recv. Keeps NaN, infinities and -0.0.

    It raises UnencodableError for a value that would be rounded.
    """
    dtype = np.dtype(f">f{width}")

    def parse(array: pa.Array) -> Array:
        values = primitive_values(array)
        if values.dtype.newbyteorder(">") == dtype:
            return values.astype(dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            narrowed = values.astype(dtype)
            is_rounded = (narrowed.astype(values.dtype) != values) & ~np.isnan(values)
        refuse_first(array, is_rounded, f"would be rounded to a float of {width} bytes")
        return narrowed

    return lambda array: fixed_field(array, parse)


def float_text_encoder(width: int) -> Callable[[pa.Array], FixedField]:
    """An encoder of the text of float4out, float8out."""
    dtype = np.dtype(f">f{width}")

    def parse(texts: pa.Array) -> Array:
        matches = pc.match_substring_regex(texts, FLOAT_PATTERN)
        refuse_first(texts, ~np.asarray(matches), "is not a number")
        values = primitive_values(texts.cast(pa.float32() if width == REAL_WIDTH else pa.float64()))
        for far, pattern in ((np.isinf(values), "Infinity"), (values == 0, ZERO_PATTERN)):
            if far.any():
                meant = np.asarray(pc.match_substring_regex(texts, pattern))
                refuse_first(texts, far & ~meant, "is out of range")
        return values.astype(dtype)

    return lambda array: fixed_field(array, parse)


def encode_boolean(array: pa.Array) -> FixedField:
    """boolrecv: one byte, 1 or 0."""
    return fixed_field(array, lambda values: primitive_values(values.cast(pa.uint8())))


def encode_boolean_text(array: pa.Array) -> FixedField:
    """boolrecv, from the text of boolout, of a cast to text, or of a bit."""

    def parse(texts: pa.Array) -> Array:
        is_true = np.asarray(pc.is_in(texts, pa.array(TRUE)))
        refuse_first(texts, ~(is_true | np.asarray(pc.is_in(texts, pa.array(FALSE)))), "is not a boolean")
        return is_true.astype(np.uint8)

    return fixed_field(array, parse)


def encode_plain(array: pa.Array) -> VariableField:
    """textrecv, bytearecv, enum_recv, json_recv …: the bytes as they are."""
    return VariableField(array)


def varchar_encoder(typmod: int) -> Callable[[pa.Array], VariableField]:
    """An encoder for varcharrecv, which takes the text.

    It raises UnencodableError for all that is too long; the server would cut off blanks without a word.
    """
    if typmod < VARCHAR_HEADER:
        return encode_plain
    limit = typmod - VARCHAR_HEADER

    def encode(array: pa.Array) -> VariableField:
        if (pc.max(pc.binary_length(array)).as_py() or 0) > limit:
            too_long = pc.greater(pc.utf8_length(array), limit).fill_null(False)
            refuse_first(array, np.asarray(too_long), f"is longer than {limit} characters")
        return VariableField(array)

    return encode


def encode_version_1(array: pa.Array) -> VariableField:
    """jsonb_recv, jsonpath_recv, ltree_recv: the version of the form, 1, then the text."""
    return VariableField(array, prefix=VERSION_1)


def encode_uuid_bytes(array: pa.Array) -> VariableField:
    """uuid_recv, from Parquet's UUID: 16 bytes."""
    wrong = pc.not_equal(pc.binary_length(array), UUID_BYTES).fill_null(False)
    refuse_first(array, np.asarray(wrong), f"is not {UUID_BYTES} bytes")
    return VariableField(array)
