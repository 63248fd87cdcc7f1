"""numeric_recv: base-10000 digits with weight, sign and display scale.

Payload (src/backend/utils/adt/numeric.c): int16 number of digits, weight of the first digit, sign, display scale,
then the digits. numeric_recv itself strips leading and trailing zero digits (make_result), so that all values of a
batch can have the same number of digits, and numerics are a field of fixed width.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.lib.stride_tricks import sliding_window_view

from dbrestore.wire.fields import (
    Array,
    FixedField,
    UnencodableError,
    VariableField,
    fixed_field,
    from_rows,
    merge,
    primitive_values,
    refuse_first,
    rows_at,
    rows_of,
    string_buffers,
    text_at,
    validity,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbrestore.wire.fields import Field

DIGIT_DECIMALS = 4
"""Decimal digits in one base-10000 digit."""
BASE = 10**DIGIT_DECIMALS
POWERS_OF_TEN = np.array([10**exponent for exponent in range(DIGIT_DECIMALS)], np.uint64)
NEGATIVE = 0x4000
SPECIAL_SIGNS = {"NaN": 0xC000, "Infinity": 0xD000, "-Infinity": 0xF000}
MAX_SCALE = 0x3FFF
MAX_WEIGHT = 0x7FFF

TYPMOD_HEADER = 4
PLAIN_PATTERN = r"^-?[0-9]+(\.[0-9]+)?$"
LONGEST = 200
"""Characters of a text up to which the matrices do not get too wide."""
INT64_DECIMALS, UINT64_DECIMALS = 18, 19
"""Decimals that surely fit."""
TEXT_PATTERN = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,6}))?", re.ASCII)
DOT, ZERO, MINUS = b".0-"


def numeric_text_encoder(typmod: int) -> Callable[[pa.Array], Field]:
    """An encoder of the text of numeric_out: decimal digits with an optional sign and point, NaN or ±Infinity.

    It raises UnencodableError for any other text, and for a value that the typmod's scale would round.
    """
    max_scale = typmod_scale(typmod)

    def encode(array: pa.Array) -> Field:
        valid = validity(array)
        texts = array if valid is None else array.drop_null()
        with rows_of(valid):
            decimals = _scan(texts)
            if decimals is None:
                return _encode_mixed(texts, valid, max_scale)
            if decimals.scales.max(initial=0) > max_scale or max_scale < 0:
                _refuse_rounded(texts, max_scale)
            return FixedField(_parse(decimals), valid)

    return encode


def numeric_decimal_encoder(typmod: int) -> Callable[[pa.Array], Field]:
    """An encoder of Parquet's DECIMAL; the scale of the type becomes the display scale."""
    encode_text = numeric_text_encoder(typmod)

    def encode(array: pa.Array) -> Field:
        precision, scale = array.type.precision, array.type.scale
        if precision > INT64_DECIMALS - DIGIT_DECIMALS or not 0 <= scale <= typmod_scale(typmod):
            texts = [None if value is None else f"{value:f}" for value in array.to_pylist()]
            return encode_text(pa.array(texts, pa.string()))
        return fixed_field(array.cast(pa.decimal128(precision, scale)), _parse_decimals)

    return encode


def numeric_integer_encoder(typmod: int) -> Callable[[pa.Array], Field]:
    """An encoder of integers of any width."""
    encode_text = numeric_text_encoder(typmod)
    return lambda array: encode_text(array.cast(pa.string()))


def typmod_scale(typmod: int) -> int:
    """numerictypmod_scale: eleven bits, negative from PostgreSQL 15 on; MAX_SCALE where there is no typmod."""
    return MAX_SCALE if typmod < TYPMOD_HEADER else ((typmod - TYPMOD_HEADER & 0x7FF) ^ 0x400) - 0x400


def _refuse_rounded(texts: pa.Array, scale: int) -> None:
    """Raise if a value has digits that are not zero behind the last one that ``scale`` keeps."""
    lost = rf"\.[0-9]{{{scale}}}[0-9]*[1-9]" if scale >= 0 else rf"[1-9][0-9]{{0,{-scale - 1}}}(\.|$)|\.[0-9]*[1-9]"
    rounded = np.asarray(pc.match_substring_regex(texts, lost))
    refuse_first(texts, rounded, _rounded_to(scale))


def _rounded_to(scale: int) -> str:
    return f"would be rounded to a scale of {scale}"


def _parse_decimals(values: pa.Array) -> Array:
    low_words = np.frombuffer(values.buffers()[1], "<i8")[::2]
    unscaled = low_words[values.offset : values.offset + len(values)]
    return _numerics(unscaled, np.array(values.type.scale))


@dataclass(frozen=True, slots=True)
class _Decimals:
    """Texts that are decimal digits with an optional sign and point; where these are."""

    offsets: Array
    data: Array
    is_negative: Array
    dots: Array
    """Where the points are that are written."""
    points: Array
    """Where each text has its point, or its end."""
    scales: Array
    """Decimals behind the point; without a dimension where all texts have the same."""

    @property
    def wholes(self) -> Array:
        """Decimals before the point."""
        return self.points - self.offsets[:-1] - self.is_negative


def _scan(texts: pa.Array) -> _Decimals | None:
    """None if there is a text of another form, or one longer than LONGEST."""
    offsets, data = string_buffers(texts)
    if len(texts) == 0:
        return _Decimals(offsets, data, *(np.zeros(0, np.int64) for _ in range(4)))
    lengths = np.diff(offsets)
    if lengths.min() == 0 or lengths.max() > LONGEST:
        return None
    is_negative = data[offsets[:-1]] == MINUS
    others = len(data) - int(np.count_nonzero(data - ZERO <= 9))
    return _scan_alike(offsets, data, is_negative, others) or _scan_each(offsets, data, is_negative, others)


def _scan_alike(offsets: Array, data: Array, is_negative: Array, others: int) -> _Decimals | None:
    """Texts that all have a point with as many decimals behind it; ``others`` is the number of all that is no digit."""
    scale = bytes(data[: offsets[1]])[::-1].find(DOT)
    points = offsets[1:] - (scale + 1)
    if scale <= 0 or others != len(points) + np.count_nonzero(is_negative):
        return None
    decimals = _Decimals(offsets, data, is_negative, points, points, np.array(scale))
    return decimals if decimals.wholes.min() > 0 and (data[points] == DOT).all() else None


def _scan_each(offsets: Array, data: Array, is_negative: Array, others: int) -> _Decimals | None:
    texts = len(is_negative)
    dots = np.flatnonzero(data == DOT)
    rows = np.arange(texts) if len(dots) == texts else np.searchsorted(offsets, dots, side="right") - 1
    points = offsets[1:].copy()
    points[rows] = dots
    decimals = _Decimals(offsets, data, is_negative, dots, points, np.maximum(offsets[1:] - points - 1, 0))
    is_plain = others == len(dots) + np.count_nonzero(is_negative) and (dots >= offsets[rows]).all()
    is_plain = is_plain and (dots < offsets[rows + 1]).all() and (np.diff(rows) > 0).all()
    return decimals if is_plain and (decimals.wholes > 0).all() else None


def _parse(decimals: _Decimals) -> Array:
    """The payloads: by way of 64-bit integers, if these can hold all values."""
    wholes, scales = decimals.wholes, decimals.scales
    if (wholes + scales).max(initial=0) > INT64_DECIMALS or (wholes + scales + -scales % DIGIT_DECIMALS).max(
        initial=0
    ) > UINT64_DECIMALS:
        return _parse_long(decimals)
    offsets = decimals.offsets - _dots_before(decimals)
    digits = decimals.data[decimals.data != DOT]
    texts = pa.StringArray.from_buffers(len(wholes), pa.py_buffer(offsets), pa.py_buffer(digits))
    return _numerics(primitive_values(texts.cast(pa.int64())), scales)


def _dots_before(decimals: _Decimals) -> Array:
    """The points before each text and before the end, as int32."""
    if not decimals.scales.ndim:
        return np.arange(len(decimals.offsets), dtype=np.int32)
    before = np.zeros(len(decimals.offsets), np.int32)
    np.cumsum(decimals.points < decimals.offsets[1:], out=before[1:])
    return before


def _numerics(unscaled: Array, scales: Array) -> Array:
    """Payloads of ``unscaled / 10**scales``, which 64 bits hold also when filled up to whole base-10000 digits."""
    fractions = -(-scales // DIGIT_DECIMALS)
    magnitudes = np.abs(unscaled).astype(np.uint64) * POWERS_OF_TEN[fractions * DIGIT_DECIMALS - scales]
    count = _digit_count(int(magnitudes.max(initial=0)))
    payloads = _payloads(count, count - 1 - fractions, unscaled < 0, scales)
    for column in reversed(range(count)):
        rest = magnitudes // np.uint64(BASE)
        payloads["digits"][:, column] = magnitudes - rest * np.uint64(BASE)
        magnitudes = rest
    return payloads


def _parse_long(decimals: _Decimals) -> Array:
    """The payloads, by matrices of the decimals before and behind the point."""
    data, points, wholes = decimals.data, decimals.points, decimals.wholes
    scales = np.broadcast_to(decimals.scales, wholes.shape)
    before, behind = (_whole_digits(int(lengths.max(initial=1))) for lengths in (wholes, scales))
    padded = np.full(before + len(data) + behind + 1, ZERO, np.uint8)
    padded[before : before + len(data)] = data
    left = sliding_window_view(padded, before)[points] - ZERO
    left *= np.arange(before) >= (before - wholes)[:, None]
    right = sliding_window_view(padded, behind)[points + before + 1] - ZERO
    right *= np.arange(behind) < scales[:, None]
    count = (before + behind) // DIGIT_DECIMALS
    payloads = _payloads(count, before // DIGIT_DECIMALS - 1, decimals.is_negative, scales)
    payloads["digits"] = _join_decimals(np.hstack([left, right]))
    return payloads


def _whole_digits(decimals: int) -> int:
    """``decimals``, filled up to whole base-10000 digits."""
    return -(-decimals // DIGIT_DECIMALS) * DIGIT_DECIMALS


def _join_decimals(decimals: Array) -> Array:
    """Base-10000 digits of a matrix of decimals, four to a word, by two multiplications for all four."""
    pairs = (decimals.view("<u4") * np.uint32(10 * 256 + 1) >> np.uint32(8)) & np.uint32(0x00FF_00FF)
    digits: Array = pairs * np.uint32(100 * 65536 + 1) >> np.uint32(16)
    return digits


def _payloads(count: int, weights: Array | int, is_negative: Array, scales: Array) -> Array:
    """Payloads of ``count`` digits each, which are still to be set."""
    heads = [("count", ">u2"), ("weight", ">i2"), ("sign", ">u2"), ("scale", ">u2")]
    payloads = np.empty(len(is_negative), np.dtype([*heads, ("digits", ">u2", (count,))]))
    payloads["count"] = count
    payloads["weight"] = weights
    payloads["sign"] = is_negative * np.uint16(NEGATIVE)
    payloads["scale"] = scales
    return payloads


def _digit_count(magnitude: int) -> int:
    return max(1, -(-len(str(magnitude)) // DIGIT_DECIMALS))


def _encode_mixed(texts: pa.Array, valid: Array | None, max_scale: int) -> VariableField:
    """Plain texts as arrays, the others one by one."""
    is_plain = np.asarray(pc.match_substring_regex(texts, PLAIN_PATTERN))
    is_plain &= np.asarray(pc.binary_length(texts)) <= LONGEST
    plain = texts.filter(pa.array(is_plain))
    if max_scale < MAX_SCALE:
        with rows_at(np.flatnonzero(is_plain)):
            _refuse_rounded(plain, max_scale)
    decimals = _scan(plain)
    assert decimals is not None
    others = [_payload(text_at(texts, row), row, max_scale) for row in np.flatnonzero(~is_plain).tolist()]
    return VariableField(merge(from_rows(_parse(decimals)), pa.array(others, pa.binary()), is_plain, valid))


def _payload(text: str, row: int, max_scale: int) -> bytes:
    if text in SPECIAL_SIGNS:
        return struct.pack(">HhHH", 0, 0, SPECIAL_SIGNS[text], 0)
    match = TEXT_PATTERN.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        raise UnencodableError(row, text, "is not a number")
    sign, whole, fraction, exponent = match.groups(default="")
    decimals, scale = whole.lstrip("0") + fraction, len(fraction) - int(exponent or 0)
    decimals, scale = (decimals + "0" * -scale, 0) if scale < 0 else (decimals.rjust(scale, "0"), scale)
    digits, weight = _digits(decimals[: len(decimals) - scale], decimals[len(decimals) - scale :])
    if scale > max_scale and decimals[max_scale - scale :].strip("0"):
        raise UnencodableError(row, text, _rounded_to(max_scale))
    if scale > MAX_SCALE or weight > MAX_WEIGHT:
        raise UnencodableError(row, text, "has more digits than a numeric can hold")
    return struct.pack(f">HhHH{len(digits)}H", len(digits), weight, NEGATIVE * (sign == "-"), scale, *digits)


def _digits(whole: str, fraction: str) -> tuple[list[int], int]:
    """Base-10000 digits, and the weight of the first."""
    aligned = whole.rjust(-(-len(whole) // DIGIT_DECIMALS) * DIGIT_DECIMALS, "0")
    aligned += fraction.ljust(-(-len(fraction) // DIGIT_DECIMALS) * DIGIT_DECIMALS, "0")
    digits = [int(aligned[at : at + DIGIT_DECIMALS]) for at in range(0, len(aligned), DIGIT_DECIMALS)]
    return digits, -(-len(whole) // DIGIT_DECIMALS) - 1
