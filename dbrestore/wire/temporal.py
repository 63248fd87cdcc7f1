"""date_recv, timestamp_recv, timestamptz_recv: days or microseconds since 2000-01-01.

Texts are those of DateStyle ISO in a session at UTC, as RDS writes them. What Arrow's own parser cannot take
(infinities, BC, years past 9999, offsets with seconds) is parsed one by one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbrestore.wire.fields import Array, FixedField, UnencodableError, fixed_field, primitive_values

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH_DAYS = 10_957
"""Days from Arrow's epoch, 1970-01-01, to PostgreSQL's, 2000-01-01."""
DAY_MICROSECONDS = 86_400 * 10**6
EPOCH_MICROSECONDS = EPOCH_DAYS * DAY_MICROSECONDS
EPOCH_JULIAN_DAY = 2_451_545
INFINITIES = {"infinity": 1, "-infinity": -1}

DATE_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
TIMESTAMP_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?$"
TIMESTAMPTZ_PATTERN = TIMESTAMP_PATTERN[:-1] + r"[+-][0-9]{2}(:?[0-9]{2})?$"
SCALAR_PATTERN = re.compile(
    r"(\d{4,7})-(\d\d)-(\d\d)"
    r"(?:[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:([+-])(\d\d)(?::?(\d\d))?(?::?(\d\d))?|Z)?)?"
    r"( BC)?",
    re.ASCII,
)


def encode_date_text(array: pa.Array) -> FixedField:
    """From the text of date_out."""
    return fixed_field(array, lambda texts: _parse(texts, _days, DATE_PATTERN, _scalar_days, ">i4"))


def encode_timestamp_text(array: pa.Array) -> FixedField:
    """From the text of timestamp_out; a text with an offset is taken at UTC."""
    return fixed_field(
        array, lambda texts: _parse(texts, _microseconds, TIMESTAMP_PATTERN, _scalar_microseconds, ">i8")
    )


def encode_timestamptz_text(array: pa.Array) -> FixedField:
    """From the text of timestamptz_out; a text without an offset is at UTC."""
    return fixed_field(
        array,
        lambda texts: _parse(texts, _utc_microseconds, TIMESTAMPTZ_PATTERN, _scalar_microseconds, ">i8"),
    )


def encode_date(array: pa.Array) -> FixedField:
    """From Parquet's DATE."""
    return fixed_field(array.cast(pa.date32()), lambda days: _since_2000(days.cast(pa.int32()), EPOCH_DAYS, ">i4"))


def encode_timestamp(array: pa.Array) -> FixedField:
    """From Parquet's TIMESTAMP of any unit; nanoseconds that are not whole microseconds are an error."""

    def parse(values: pa.Array) -> Array:
        zoneless = values.cast(pa.timestamp(values.type.unit))
        try:
            return _since_2000(_ticks(zoneless.cast(pa.timestamp("us"))), EPOCH_MICROSECONDS, ">i8")
        except pa.ArrowInvalid:
            row = _first_uncastable(zoneless)
            reason = "is finer than a microsecond or out of range"
            raise UnencodableError(row, str(zoneless[row]), reason) from None

    return fixed_field(array, parse)


def _first_uncastable(values: pa.Array) -> int:
    safe = values.cast(pa.timestamp("us"), safe=False).cast(values.type, safe=False)
    return int(np.argmax(pc.not_equal(_ticks(safe), _ticks(values)).to_numpy(zero_copy_only=False)))


def _ticks(timestamps: pa.Array) -> pa.Array:
    return timestamps.cast(pa.int64())


def _since_2000(since_1970: pa.Array, epoch: int, dtype: str) -> Array:
    return (primitive_values(since_1970) - epoch).astype(dtype)


def _days(texts: pa.Array) -> Array:
    return _since_2000(texts.cast(pa.date32()).cast(pa.int32()), EPOCH_DAYS, ">i4")


def _microseconds(texts: pa.Array) -> Array:
    return _since_2000(_ticks(texts.cast(pa.timestamp("us"))), EPOCH_MICROSECONDS, ">i8")


def _utc_microseconds(texts: pa.Array) -> Array:
    return _since_2000(_ticks(texts.cast(pa.timestamp("us", "UTC"))), EPOCH_MICROSECONDS, ">i8")


def _parse(
    texts: pa.Array,
    parse_array: Callable[[pa.Array], Array],
    pattern: str,
    parse_one: Callable[[str], int | None],
    dtype: str,
) -> Array:
    """All texts by ``parse_array`` if it takes them, else those that fit ``pattern``, and the rest one by one."""
    try:
        return parse_array(texts)
    except pa.ArrowInvalid:
        pass
    fits = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    values = np.empty(len(texts), dtype)
    try:
        values[fits] = parse_array(texts.filter(fits))
    except pa.ArrowInvalid:
        fits = np.zeros(len(texts), bool)
    for row in np.flatnonzero(~fits).tolist():
        text = texts[row].as_py()
        value = parse_one(text)
        if value is None:
            raise UnencodableError(row, text, "is not a date or time of PostgreSQL's ISO form")
        values[row] = value
    return values


def _scalar_days(text: str) -> int | None:
    if text in INFINITIES:
        return _infinity(text, 31)
    match = SCALAR_PATTERN.fullmatch(text)
    return None if match is None or match[4] else _day_of(match)


def _scalar_microseconds(text: str) -> int | None:
    if text in INFINITIES:
        return _infinity(text, 63)
    match = SCALAR_PATTERN.fullmatch(text)
    day = _day_of(match) if match is not None and match[4] else None
    if match is None or day is None:
        return None
    hours, minutes, seconds = int(match[4]), int(match[5]), int(match[6])
    offset = int(match[9] or 0) * 3600 + int(match[10] or 0) * 60 + int(match[11] or 0)
    seconds += hours * 3600 + minutes * 60 - (offset if match[8] == "+" else -offset)
    value = day * DAY_MICROSECONDS + seconds * 10**6 + int((match[7] or "").ljust(6, "0"))
    return value if -(2**63) < value < 2**63 - 1 else None


def _infinity(text: str, bits: int) -> int:
    """The largest and smallest values stand for infinities (DT_NOEND, DT_NOBEGIN; DATEVAL_*)."""
    return (1 << bits) - 1 if INFINITIES[text] > 0 else -1 << bits


def _day_of(match: re.Match[str]) -> int | None:
    """Days since 2000-01-01 of the proleptic Gregorian calendar, or None if there is no such day."""
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    if match[12]:
        year = 1 - year
    if not (1 <= month <= 12 and 1 <= day <= _days_in_month(year, month)):
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
