"""date_recv, timestamp_recv, timestamptz_recv: days or microseconds since 2000-01-01.

Texts are those of DateStyle ISO in a session at UTC, as RDS writes them. What Arrow's own parser cannot take
(infinities, BC, years past 9999, offsets with seconds) is parsed one by one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbrestore.wire.fields import (
    Array,
    FixedField,
    UnencodableError,
    fixed_field,
    primitive_values,
    refuse_first,
    shown_value,
    text_at,
)

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH_DAYS = 10_957
"""Days from Arrow's epoch, 1970-01-01, to PostgreSQL's, 2000-01-01."""
DAY_MICROSECONDS = 86_400 * 10**6
EPOCH_JULIAN_DAY = 2_451_545
MIN_DAY, END_DAY = -EPOCH_JULIAN_DAY, 2_147_483_494 - EPOCH_JULIAN_DAY
"""From 4713 BC to 5874897, IS_VALID_DATE; all days since 2000-01-01."""
MIN_MICROSECOND, END_MICROSECOND = MIN_DAY * DAY_MICROSECONDS, 9_223_371_331_200_000_000
"""From 4713 BC to 294276, IS_VALID_TIMESTAMP (src/include/datatype/timestamp.h)."""
YEAR_ONE_DAY = -730_119
"""0001-01-01, the first day whose year Arrow and PostgreSQL write alike: Arrow has a year 0."""
MICROSECOND_DECIMALS = 6
INFINITIES = {"infinity": 1, "-infinity": -1}
INFINITE_MICROSECONDS = (-(2**63), 2**63 - 1)

TIME = r"([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,6}))?"
ZONE = r"([+-])([01]\d|2[0-3])(?::?([0-5]\d)(?:(?<=:..):([0-5]\d))?)?"
SCALAR_PATTERN = re.compile(rf"(\d{{4,7}})-(\d\d)-(\d\d)(?:[ T]{TIME}(?:{ZONE}|Z)?)?( BC)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Form:
    """How the texts of one type are read."""

    pattern: str
    """Of the texts that surely go through Arrow's parser."""
    shortest: int
    """Characters of the shortest of them; what is shorter lacks fields, which Arrow would take for zero."""
    arrow: pa.DataType
    ticks: pa.DataType
    """The integers that ``arrow`` is made of."""
    ticks_in_day: int
    parse_one: Callable[[str], int | None]
    """The value since 2000-01-01 of a text of any form."""
    dtype: str
    """Of the payloads."""


def encode_date_text(array: pa.Array) -> FixedField:
    """From the text of date_out."""
    return fixed_field(array, lambda texts: _parse(texts, DATE))


def timestamp_text_encoder(typmod: int) -> Callable[[pa.Array], FixedField]:
    """An encoder of the text of timestamp_out or date_out; a text with an offset is taken at UTC."""
    return lambda array: fixed_field(array, lambda texts: refuse_finer(texts, _parse(texts, TIMESTAMP), typmod))


def timestamptz_text_encoder(typmod: int) -> Callable[[pa.Array], FixedField]:
    """An encoder of the text of timestamptz_out; a text without an offset is at UTC."""
    return lambda array: fixed_field(array, lambda texts: refuse_finer(texts, _parse(texts, TIMESTAMPTZ), typmod))


def encode_date(array: pa.Array) -> FixedField:
    """From Parquet's DATE. Raises UnencodableError for a day that PostgreSQL does not have."""

    def parse(days: pa.Array) -> Array:
        since_1970 = primitive_values(days.cast(pa.int32())).astype(np.int64)
        _refuse_outside(days, since_1970, MIN_DAY + EPOCH_DAYS, END_DAY + EPOCH_DAYS)
        return (since_1970 - EPOCH_DAYS).astype(">i4")

    return fixed_field(array, parse)


def timestamp_encoder(typmod: int) -> Callable[[pa.Array], FixedField]:
    """An encoder of Parquet's TIMESTAMP of any unit; nanoseconds that are not whole microseconds are an error."""

    def parse(values: pa.Array) -> Array:
        microseconds = to_microseconds(values)
        since_1970 = primitive_values(_ticks(microseconds))
        epoch = EPOCH_DAYS * DAY_MICROSECONDS
        # Arrow's last microsecond, in 294247, comes before PostgreSQL's.
        _refuse_outside(microseconds, since_1970, MIN_MICROSECOND + epoch, 2**63)
        return refuse_finer(microseconds, (since_1970 - epoch).astype(">i8"), typmod)

    return lambda array: fixed_field(array, parse)


def refuse_finer(shown: pa.Array, microseconds: Array, precision: int) -> Array:
    """``microseconds``, unless there are more decimals of a second than ``precision``, a typmod, keeps.

    Raises UnencodableError with the element of ``shown``.
    """
    if 0 <= precision < MICROSECOND_DECIMALS:
        is_finite = ~np.isin(microseconds, INFINITE_MICROSECONDS)
        finer = (microseconds % 10 ** (MICROSECOND_DECIMALS - precision) != 0) & is_finite
        refuse_first(shown, finer, f"would be rounded to {precision} decimals of a second")
    return microseconds


def to_microseconds(array: pa.Array) -> pa.Array:
    """Times, or timestamps at UTC and without a zone, in microseconds.

    Raises UnencodableError for a value that is not whole microseconds, or too many of them for 64 bits.
    """
    is_time = pa.types.is_time(array.type)
    kind = pa.time64("us") if is_time else pa.timestamp("us")
    try:
        return array.cast(kind)
    except pa.ArrowInvalid:
        zoneless = array if is_time else array.cast(pa.timestamp(array.type.unit))
    back = zoneless.cast(kind, safe=False).cast(zoneless.type, safe=False)
    changed = pc.not_equal(_ticks(back), _ticks(zoneless)).fill_null(False)
    row = int(np.argmax(changed.to_numpy(zero_copy_only=False)))
    raise UnencodableError(row, shown_value(zoneless, row), "is finer than a microsecond or out of range")


def _refuse_outside(shown: pa.Array, values: Array, first: int, end: int) -> None:
    refuse_first(shown, (values < first) | (values > end - 1), "is out of range")


def _ticks(values: pa.Array) -> pa.Array:
    return values.cast(pa.int64())


def _parse(texts: pa.Array, form: _Form) -> Array:
    """All texts as an array if that takes them, else those that fit the pattern, and the rest one by one."""
    parsed = _parse_array(texts, form)
    if parsed is not None:
        return parsed
    values = np.empty(len(texts), form.dtype)
    fits = pc.match_substring_regex(texts, form.pattern).to_numpy(zero_copy_only=False)
    parsed = _parse_array(texts.filter(fits), form)
    if parsed is None:
        fits = np.zeros(len(texts), bool)
    else:
        values[fits] = parsed
    for row in np.flatnonzero(~fits).tolist():
        text = text_at(texts, row)
        value = form.parse_one(text)
        if value is None:
            raise UnencodableError(row, text, "is not a date or time of PostgreSQL's ISO form")
        values[row] = value
    return values


def _parse_array(texts: pa.Array, form: _Form) -> Array | None:
    """None if there is a text that Arrow's parser does not take, or not as PostgreSQL does."""
    if (pc.min(pc.binary_length(texts)).as_py() or 0) < form.shortest:
        return np.empty(0, form.dtype) if len(texts) == 0 else None
    try:
        since_1970 = primitive_values(texts.cast(form.arrow).cast(form.ticks))
    except pa.ArrowInvalid:
        return None
    values: Array = since_1970 - EPOCH_DAYS * form.ticks_in_day
    return None if values.min() < YEAR_ONE_DAY * form.ticks_in_day else values.astype(form.dtype)


def _scalar_days(text: str) -> int | None:
    if text in INFINITIES:
        return _infinity(text, 31)
    match = SCALAR_PATTERN.fullmatch(text)
    day = None if match is None or match[4] else _day_of(match)
    return day if day is not None and MIN_DAY <= day < END_DAY else None


def _scalar_microseconds(text: str) -> int | None:
    if text in INFINITIES:
        return _infinity(text, 63)
    match = SCALAR_PATTERN.fullmatch(text)
    day = None if match is None else _day_of(match)
    if match is None or day is None:
        return None
    hours, minutes, seconds = (int(match[group] or 0) for group in (4, 5, 6))
    offset = int(match[9] or 0) * 3600 + int(match[10] or 0) * 60 + int(match[11] or 0)
    seconds += hours * 3600 + minutes * 60 - (offset if match[8] == "+" else -offset)
    value = day * DAY_MICROSECONDS + seconds * 10**6 + int((match[7] or "").ljust(6, "0"))
    return value if MIN_MICROSECOND <= value < END_MICROSECOND else None


def _infinity(text: str, bits: int) -> int:
    """The largest and smallest values stand for infinities (DT_NOEND, DT_NOBEGIN; DATEVAL_*)."""
    return (1 << bits) - 1 if INFINITIES[text] > 0 else -1 << bits


def _day_of(match: re.Match[str]) -> int | None:
    """Days since 2000-01-01 of the proleptic Gregorian calendar, or None if there is no such day."""
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    if match[12]:
        year = 1 - year
    if int(match[1]) == 0 or not (1 <= month <= 12 and 1 <= day <= _days_in_month(year, month)):
        return None
    months = (year + 4800) * 12 + month - 3
    years, month_from_march = divmod(months, 12)
    julian_day = day + (153 * month_from_march + 2) // 5 + 365 * years
    julian_day += years // 4 - years // 100 + years // 400 - 32045
    return julian_day - EPOCH_JULIAN_DAY


def _days_in_month(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r" [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
_OFFSET = r"[+-][0-9]{2}(:?[0-9]{2})?"

DATE = _Form(_DAY + "$", 10, pa.date32(), pa.int32(), 1, _scalar_days, ">i4")
TIMESTAMP = _Form(
    _DAY + _CLOCK + "$", 19, pa.timestamp("us"), pa.int64(), DAY_MICROSECONDS, _scalar_microseconds, ">i8"
)
TIMESTAMPTZ = _Form(
    _DAY + _CLOCK + _OFFSET + "$",
    20,
    pa.timestamp("us", "UTC"),
    pa.int64(),
    DAY_MICROSECONDS,
    _scalar_microseconds,
    ">i8",
)
