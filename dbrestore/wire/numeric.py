"""numeric_recv: base-10000 digits with weight, sign and display scale.

Payload (src/backend/utils/adt/numeric.c): int16 number of digits, weight of the first digit, sign, display scale,
then the digits. numeric_recv itself strips leading and trailing zero digits (make_result), so that all values of a
batch can have the same number of digits, and numerics are a field of fixed width.
"""

from __future__ import annotations

import re
import struct
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
    from_rows,
    merge,
    primitive_values,
    rows_of,
    string_buffers,
    text_at,
    validity,
)

if TYPE_CHECKING:
    from dbrestore.wire.fields import Field

DIGIT_DECIMALS = 4
"""Decimal digits in one base-10000 digit."""
BASE = 10**DIGIT_DECIMALS
POWERS_OF_TEN = np.array([10**exponent for exponent in range(DIGIT_DECIMALS)], np.uint64)
MAX_MAGNITUDE = (2**64 - 1) // 10 ** (DIGIT_DECIMALS - 1)
"""Above it a magnitude could overflow 64 bits when its last digit is filled up with zeros."""
NEGATIVE = 0x4000
SPECIAL_SIGNS = {"NaN": 0xC000, "Infinity": 0xD000, "-Infinity": 0xF000}
MAX_SCALE = 0x3FFF
MAX_WEIGHT = 0x7FFF

PLAIN_PATTERN = r"^-?[0-9]+(\.[0-9]+)?$"
PLAIN_LENGTH = 16
"""Characters of a text that surely fits MAX_MAGNITUDE."""
TEXT_PATTERN = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,6}))?", re.ASCII)
DOT, ZERO, MINUS = b".0-"


def encode_numeric_text(array: pa.Array) -> Field:
    """From the text of numeric_out: decimal digits with an optional sign and point, NaN or ±Infinity.

    Raises UnencodableError for any other text.
    """
    valid = validity(array)
    texts = array if valid is None else array.drop_null()
    values = _parse_plain(texts)
    if values is not None:
        return FixedField(values, valid)
    with rows_of(valid):
        return _encode_mixed(texts, valid)


def encode_numeric_decimal(array: pa.Array) -> Field:
    """From Parquet's DECIMAL; the scale of the type becomes the display scale."""
    precision, scale = array.type.precision, array.type.scale
    if 10**precision > MAX_MAGNITUDE or scale < 0:
        texts = [None if value is None else f"{value:f}" for value in array.to_pylist()]
        return encode_numeric_text(pa.array(texts, pa.string()))

    def parse(values: pa.Array) -> Array:
        low_words = np.frombuffer(values.buffers()[1], "<i8")[::2]
        unscaled = low_words[values.offset : values.offset + len(values)]
        return _numerics(unscaled, np.full(len(values), scale))

    return fixed_field(array.cast(pa.decimal128(precision, scale)), parse)


def encode_numeric_integer(array: pa.Array) -> Field:
    """From integers of any width."""
    return encode_numeric_text(array.cast(pa.string()))


def _parse_plain(texts: pa.Array) -> Array | None:
    """The payloads, or None if there is a text that is not plain digits or is too long for 64 bits."""
    offsets, data = string_buffers(texts)
    dots = np.flatnonzero(data == DOT)
    rows_with_dot = np.searchsorted(offsets, dots, side="right") - 1
    if (np.diff(rows_with_dot) == 0).any() or (data[1:][dots[dots < len(data) - 1]] == MINUS).any():
        return None
    scales = np.zeros(len(texts), np.int64)
    scales[rows_with_dot] = offsets[rows_with_dot + 1] - dots - 1
    unscaled = _parse_integers(*_without(dots, rows_with_dot, offsets, data))
    if unscaled is None or scales.max(initial=0) > MAX_SCALE:
        return None
    if max(int(unscaled.max(initial=0)), -int(unscaled.min(initial=0))) > MAX_MAGNITUDE:
        return None
    return _numerics(unscaled, scales)


def _without(dots: Array, rows_with_dot: Array, offsets: Array, data: Array) -> tuple[Array, Array]:
    """Offsets and bytes of the texts after their decimal points are taken out."""
    has_dot = np.zeros(len(offsets), np.int32)
    has_dot[rows_with_dot + 1] = 1
    return (offsets - np.cumsum(has_dot, dtype=np.int32)), np.delete(data, dots)


def _parse_integers(offsets: Array, digits: Array) -> Array | None:
    if ((digits - ZERO > 9) & (digits != MINUS)).any():
        return None
    texts = pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(digits))
    try:
        return primitive_values(texts.cast(pa.int64()))
    except pa.ArrowInvalid:
        return None


def _numerics(unscaled: Array, scales: Array) -> Array:
    """Payloads of ``unscaled / 10**scales``; no magnitude is above MAX_MAGNITUDE."""
    whole_scales = -(-scales // DIGIT_DECIMALS)
    fill = POWERS_OF_TEN[whole_scales * DIGIT_DECIMALS - scales]
    magnitudes = np.abs(unscaled).astype(np.uint64) * fill
    count = _digit_count(int(magnitudes.max(initial=0)))
    names = [f"digit{index}" for index in range(count)]
    payloads = np.empty(
        len(unscaled), np.dtype([(name, ">u2") for name in ("count", "weight", "sign", "scale", *names)])
    )
    payloads["count"] = count
    payloads["weight"] = (count - 1 - whole_scales).astype(np.int16).view(np.uint16)
    payloads["sign"] = (unscaled < 0) * NEGATIVE
    payloads["scale"] = scales
    for name in reversed(names):
        rest = magnitudes // np.uint64(BASE)
        payloads[name] = magnitudes - rest * np.uint64(BASE)
        magnitudes = rest
    return payloads


def _digit_count(magnitude: int) -> int:
    return max(1, -(-len(str(magnitude)) // DIGIT_DECIMALS))


def _encode_mixed(texts: pa.Array, valid: Array | None) -> VariableField:
    """Plain texts as arrays, the others one by one."""
    plain = pc.and_(
        pc.match_substring_regex(texts, PLAIN_PATTERN),
        pc.less_equal(pc.binary_length(texts), PLAIN_LENGTH),
    ).to_numpy(zero_copy_only=False)
    values = _parse_plain(texts.filter(plain))
    assert values is not None
    others = np.flatnonzero(~plain)
    payloads = [_payload(text_at(texts, row), row) for row in others.tolist()]
    return VariableField(merge(from_rows(values), pa.array(payloads, pa.binary()), plain, valid))


def _payload(text: str, row: int) -> bytes:
    if text in SPECIAL_SIGNS:
        return struct.pack(">HhHH", 0, 0, SPECIAL_SIGNS[text], 0)
    match = TEXT_PATTERN.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        raise UnencodableError(row, text, "is not a number")
    sign, whole, fraction, exponent = match.groups(default="")
    decimals, scale = whole.lstrip("0") + fraction, len(fraction) - int(exponent or 0)
    decimals, scale = (decimals + "0" * -scale, 0) if scale < 0 else (decimals.rjust(scale, "0"), scale)
    digits, weight = _digits(decimals[: len(decimals) - scale], decimals[len(decimals) - scale :])
    if scale > MAX_SCALE or weight > MAX_WEIGHT:
        raise UnencodableError(row, text, "has more digits than a numeric can hold")
    return struct.pack(f">HhHH{len(digits)}H", len(digits), weight, NEGATIVE * (sign == "-"), scale, *digits)


def _digits(whole: str, fraction: str) -> tuple[list[int], int]:
    """Base-10000 digits, and the weight of the first."""
    aligned = whole.rjust(-(-len(whole) // DIGIT_DECIMALS) * DIGIT_DECIMALS, "0")
    aligned += fraction.ljust(-(-len(fraction) // DIGIT_DECIMALS) * DIGIT_DECIMALS, "0")
    digits = [int(aligned[at : at + DIGIT_DECIMALS]) for at in range(0, len(aligned), DIGIT_DECIMALS)]
    return digits, -(-len(whole) // DIGIT_DECIMALS) - 1
