"""time_recv, timetz_recv, interval_recv: microseconds, zones in seconds, days and months.

Texts are those of IntervalStyle postgres: ``1 year 2 mons -3 days +04:05:06.789``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbrestore.wire.clocks import COLON, LONGEST, MICROSECONDS, ZERO, read_clocks
from dbrestore.wire.fields import Array, FixedField, UnencodableError, fixed_field, refuse_first, string_buffers
from dbrestore.wire.literals import gather
from dbrestore.wire.temporal import refuse_finer, to_microseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PLUS, MINUS, BLANK = b"+- "
END_MICROSECONDS = 25 * 3600 * MICROSECONDS
"""What time_recv refuses beyond 24:00:00 it does itself."""
MAX_ZONE_HOURS = 15
MINUTES_AND_SECONDS = r":(?P<m>[0-5][0-9]):(?P<s>[0-5][0-9])(?:\.(?P<f>[0-9]{1,6}))?"
TIME_PATTERN = rf"^(?P<h>[01][0-9]|2[0-4]){MINUTES_AND_SECONDS}$"
ZONE_PATTERN = r"(?P<sign>[+-])(?P<zh>0[0-9]|1[0-5])(?::(?P<zm>[0-5][0-9])(?::(?P<zs>[0-5][0-9]))?)?"
TIMETZ_PATTERN = f"{TIME_PATTERN[:-1]}{ZONE_PATTERN}$"
INTERVAL_PATTERN = (
    r"^(?:(?P<years>[+-]?[0-9]{1,9}) years?(?: |$))?"
    r"(?:(?P<months>[+-]?[0-9]{1,2}) mons?(?: |$))?"
    r"(?:(?P<days>[+-]?[0-9]{1,10}) days?(?: |$))?"
    r"(?:(?P<sign>[+-]?)(?P<h>[0-9]{2,10})" + MINUTES_AND_SECONDS + r")?$"
)
TIMETZ_PAYLOAD = np.dtype([("time", ">i8"), ("zone", ">i4")])
INTERVAL_PAYLOAD = np.dtype([("time", ">i8"), ("days", ">i4"), ("months", ">i4")])
INTERVAL_PRECISION_MASK = 0xFFFF
INTERVAL_FIELDS_SHIFT = 16
FINEST_FIELDS = (
    (1 << 12, 1, 1, 1),
    (1 << 11, 60 * MICROSECONDS, 1, 1),
    (1 << 10, 3600 * MICROSECONDS, 1, 1),
    (1 << 3, 0, 1, 1),
    (1 << 1, 0, 0, 1),
    (1 << 2, 0, 0, 12),
)
"""By the bit in a typmod, from SECOND to YEAR (INTERVAL_MASK, src/include/utils/timestamp.h): what microseconds, days
and months have to be multiples of where that field is the last one that the type has; 0 means none at all."""
INT32 = np.iinfo(np.int32)
INT64 = np.iinfo(np.int64)
MAX_HOURS = INT64.max // (3600 * MICROSECONDS)
INFINITIES = {
    "infinity": (INT64.max, INT32.max, INT32.max),
    "-infinity": (INT64.min, INT32.min, INT32.min),
}
"""All three fields at their limits (PostgreSQL 17)."""
INFINITE_PAYLOADS = np.array(list(INFINITIES.values()), INTERVAL_PAYLOAD)


def time_text_encoder(typmod: int) -> Callable[[pa.Array], FixedField]:
    """An encoder of the text of time_out: int64 microseconds, 24:00:00 included."""

    def parse(texts: pa.Array) -> Array:
        offsets, data = string_buffers(texts)
        clocks = read_clocks(data, offsets[:-1], offsets[1:])
        if clocks is None or clocks.max(initial=0) >= END_MICROSECONDS:
            clocks = _clock(_Groups(texts, TIME_PATTERN, "a time"))
        return refuse_finer(texts, clocks, typmod).astype(">i8")

    return lambda array: fixed_field(array, parse)


def time_encoder(typmod: int) -> Callable[[pa.Array], FixedField]:
    """An encoder of Parquet's TIME of any unit; nanoseconds that are not whole microseconds are an error."""

    def parse(values: pa.Array) -> Array:
        times = to_microseconds(values)
        return refuse_finer(times, np.asarray(times.cast(pa.int64())), typmod).astype(">i8")

    return lambda array: fixed_field(array, parse)


def timetz_text_encoder(typmod: int) -> Callable[[pa.Array], FixedField]:
    """An encoder of the text of timetz_out: int64 microseconds, int32 seconds west of Greenwich."""

    def parse(texts: pa.Array) -> Array:
        payloads = _parse_whole_zones(texts)
        if payloads is None:
            payloads = _parse_any_zones(texts)
        refuse_finer(texts, payloads["time"].astype(np.int64), typmod)
        return payloads

    return lambda array: fixed_field(array, parse)


def _parse_whole_zones(texts: pa.Array) -> Array | None:
    """Of zones of whole hours, ``+02``; None if there is another one."""
    offsets, data = string_buffers(texts)
    if np.diff(offsets).min(initial=LONGEST) < len("HH:MM:SS+HH"):
        return None
    signs = offsets[1:] - len("+HH")
    is_minus = data[signs] == MINUS
    hours = (data[signs + 1] - ZERO).astype(np.int64) * 10 + (data[signs + 2] - ZERO)
    clocks = read_clocks(data, offsets[:-1], signs)
    if clocks is None or clocks.max(initial=0) >= END_MICROSECONDS or not (is_minus | (data[signs] == PLUS)).all():
        return None
    if hours.max(initial=0) > MAX_ZONE_HOURS or (data[signs + 2] - ZERO > 9).any():
        return None
    payloads = np.empty(len(texts), TIMETZ_PAYLOAD)
    payloads["time"] = clocks
    payloads["zone"] = np.where(is_minus, hours, -hours) * 3600
    return payloads


def _parse_any_zones(texts: pa.Array) -> Array:
    groups = _Groups(texts, TIMETZ_PATTERN, "a time with a zone")
    payloads = np.empty(len(texts), TIMETZ_PAYLOAD)
    payloads["time"] = _clock(groups)
    east = groups.number("zh") * 3600 + groups.number("zm") * 60 + groups.number("zs")
    payloads["zone"] = np.where(groups.is_minus("sign"), east, -east)
    return payloads


def interval_text_encoder(typmod: int) -> Callable[[pa.Array], FixedField]:
    """An encoder of the text of interval_out: int64 microseconds, int32 days, int32 months.

    It raises UnencodableError also for what the typmod would round or cut off (AdjustIntervalForTypmod).
    """
    precision = typmod & INTERVAL_PRECISION_MASK if typmod >= 0 else -1
    fields = typmod >> INTERVAL_FIELDS_SHIFT
    steps = next(steps for bit, *steps in FINEST_FIELDS if fields & bit)

    def parse(texts: pa.Array) -> Array:
        payloads = _parse_intervals(texts)
        refuse_finer(texts, payloads["time"].astype(np.int64), precision)
        _refuse_cut(texts, payloads, steps)
        return payloads

    return lambda array: fixed_field(array, parse)


def _refuse_cut(texts: pa.Array, payloads: Array, steps: Sequence[int]) -> None:
    cut = np.zeros(len(texts), bool)
    for name, step in zip(payloads.dtype.names or (), steps, strict=True):
        if step != 1:
            values = payloads[name].astype(np.int64)
            cut |= (values % step != 0) if step else (values != 0)
    if cut.any():
        cut &= ~np.isin(payloads, INFINITE_PAYLOADS)
    refuse_first(texts, cut, "has fields that the column's type has not")


def _parse_intervals(texts: pa.Array) -> Array:
    payloads = _parse_clocks_apart(texts)
    return _parse_any_intervals(texts) if payloads is None else payloads


def _parse_clocks_apart(texts: pa.Array) -> Array | None:
    """Clocks as arrays, and what comes before them once for each distinct text; None if that is not possible."""
    offsets, data = string_buffers(texts)
    starts, ends = offsets[:-1], offsets[1:]
    if len(texts) == 0 or (starts == ends).any() or (data[ends - 1] == BLANK).any():
        return None
    if ((data[1:] == BLANK) & (data[:-1] == BLANK)).any() or (data[starts] == BLANK).any():
        return None
    blanks = np.concatenate([[-1], np.flatnonzero(data == BLANK)])
    clocks_from = np.maximum(blanks[np.searchsorted(blanks, ends) - 1] + 1, starts)
    is_minus = data[clocks_from] == MINUS
    digits_from = clocks_from + (is_minus | (data[clocks_from] == PLUS))
    has_clock = data[np.minimum(digits_from + 2, len(data) - 1)] == COLON
    has_clock &= digits_from + 2 < ends
    clocks = np.zeros(len(texts), np.int64)
    read = read_clocks(data, digits_from[has_clock], ends[has_clock])
    fields = _parse_fields(gather(data, starts, np.where(has_clock, np.maximum(clocks_from - 1, starts), ends)))
    if read is None or fields is None:
        return None
    clocks[has_clock] = read
    payloads = np.empty(len(texts), INTERVAL_PAYLOAD)
    payloads["time"] = np.where(is_minus & has_clock, -clocks, clocks)
    payloads["months"], payloads["days"] = fields
    return payloads


def _parse_fields(texts: pa.Array) -> tuple[Array, Array] | None:
    """Months and days of ``1 year 2 mons 3 days``, nothing being none of them."""
    encoded = texts.dictionary_encode()
    try:
        payloads = _parse_finite(pc.if_else(pc.equal(encoded.dictionary, ""), "00:00:00", encoded.dictionary))
    except UnencodableError:
        return None
    if payloads["time"].any():
        return None
    indices = np.asarray(encoded.indices)
    return payloads["months"][indices], payloads["days"][indices]


def _parse_any_intervals(texts: pa.Array) -> Array:
    infinite = {text: pc.equal(texts, text).to_numpy(zero_copy_only=False) for text in INFINITIES}
    if any(rows.any() for rows in infinite.values()):
        finite = pc.if_else(pa.array(np.logical_or(*infinite.values())), "00:00:00", texts)
        payloads = _parse_finite(finite)
        for text, payload in INFINITIES.items():
            payloads[infinite[text]] = payload
        return payloads
    return _parse_finite(texts)


def _parse_finite(texts: pa.Array) -> Array:
    groups = _Groups(texts, INTERVAL_PATTERN, "an interval of style postgres")
    clock = _clock(groups)
    months = groups.number("years") * 12 + groups.number("months")
    days = groups.number("days")
    for values in (months, days):
        groups.refuse((values < INT32.min) | (values > INT32.max))
    # The smallest interval has a clock of 2**63, which wraps to the same value that its minus sign makes of it.
    groups.refuse((groups.number("h") > MAX_HOURS) | (clock < 0) & ~((clock == INT64.min) & groups.is_minus("sign")))
    payloads = np.empty(len(texts), INTERVAL_PAYLOAD)
    payloads["time"] = np.where(groups.is_minus("sign"), -clock, clock)
    payloads["days"] = days
    payloads["months"] = months
    return payloads


class _Groups:
    """The groups of a pattern in each text."""

    def __init__(self, texts: pa.Array, pattern: str, what: str) -> None:
        self._texts = texts
        self._what = what
        self._found = pc.extract_regex(texts, pattern)
        valid = self._found.is_valid().to_numpy(zero_copy_only=False)
        self.refuse(~valid | (pc.binary_length(texts).to_numpy() == 0))

    def refuse(self, bad: Array) -> None:
        refuse_first(self._texts, bad, f"is not {self._what}")

    def number(self, name: str, digits: int | None = None) -> Array:
        """A group of digits, 0 where it is missing; filled up with zeros to ``digits`` digits."""
        texts = self._found.field(name)
        if digits is not None:
            texts = pc.utf8_rpad(texts, digits, "0")
        elif pc.any(pc.starts_with(texts, "+")).as_py():
            texts = pc.utf8_ltrim(texts, "+")
        numbers: Array = pc.if_else(pc.equal(texts, ""), "0", texts).cast(pa.int64()).to_numpy()
        return numbers

    def is_minus(self, name: str) -> Array:
        signs: Array = pc.equal(self._found.field(name), "-").to_numpy(zero_copy_only=False)
        return signs


def _clock(groups: _Groups) -> Array:
    seconds = groups.number("h") * 3600 + groups.number("m") * 60 + groups.number("s")
    microseconds: Array = seconds * MICROSECONDS + groups.number("f", digits=6)
    return microseconds
