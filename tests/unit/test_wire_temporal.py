from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbrestore.wire import temporal
from dbrestore.wire.fields import UnencodableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbrestore.wire.fields import FixedField

MICROSECOND = timedelta(microseconds=1)
YEAR_2000 = datetime(2000, 1, 1)
YEAR_2000_UTC = YEAR_2000.replace(tzinfo=UTC)
DAY = 86_400 * 10**6
quick = settings(deadline=None, max_examples=60)

minutes = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
seconds = st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31))


def payloads(field: FixedField) -> list[int]:
    values: list[int] = field.values.tolist()
    return values


def offset_of(moment: datetime) -> str:
    """As timestamptz_out writes it: minutes and seconds only where they are not zero."""
    offset = moment.utcoffset() or timedelta()
    sign, rest = "-" if offset < timedelta() else "+", abs(offset).seconds
    fields = [f"{rest // 3600:02}", f"{rest // 60 % 60:02}", f"{rest % 60:02}"]
    while len(fields) > 1 and fields[-1] == "00":
        fields.pop()
    return sign + ":".join(fields)


def clock(moment: datetime) -> str:
    """As timestamp_out writes it: a fraction without the zeros at its end."""
    fraction = f".{moment.microsecond:06}".rstrip("0").rstrip(".")
    return f"{moment.replace(microsecond=0, tzinfo=None).isoformat(' ')}{fraction}"


@quick
@given(st.lists(st.dates(), max_size=100))
def test_dates_are_days_since_2000(days: list[date]) -> None:
    texts = [day.isoformat() for day in days]
    expected = [(day - date(2000, 1, 1)).days for day in days]
    assert payloads(temporal.encode_date_text(pa.array(texts, pa.string()))) == expected
    assert [temporal.DATE.parse_one(text) for text in texts] == expected


@quick
@given(st.lists(moments, max_size=100))
def test_timestamps_are_microseconds_since_2000(values: list[datetime]) -> None:
    texts = [clock(value) for value in values]
    expected = [(value - YEAR_2000) // MICROSECOND for value in values]
    assert payloads(temporal.timestamp_text_encoder(-1)(pa.array(texts, pa.string()))) == expected
    assert [temporal.TIMESTAMP.parse_one(text) for text in texts] == expected


@pytest.mark.parametrize("zones", [minutes, seconds], ids=["minutes", "seconds"])
@quick
@given(data=st.data())
def test_offsets_are_taken_off(zones: st.SearchStrategy[timezone], data: st.DataObject) -> None:
    values = data.draw(
        st.lists(st.builds(lambda moment, zone: moment.replace(tzinfo=zone), moments, zones), max_size=50)
    )
    texts = [clock(value) + offset_of(value) for value in values]
    expected = [(value - YEAR_2000_UTC) // MICROSECOND for value in values]
    assert payloads(temporal.timestamptz_text_encoder(-1)(pa.array(texts, pa.string()))) == expected
    assert [temporal.TIMESTAMPTZ.parse_one(text) for text in texts] == expected


@quick
@given(
    st.lists(st.none() | moments | st.sampled_from(["infinity", "-infinity", "4713-11-24 00:00:00 BC"]), max_size=50)
)
def test_a_batch_with_values_that_only_postgresql_has_keeps_the_others(values: list[datetime | str | None]) -> None:
    texts = [clock(value) if isinstance(value, datetime) else value for value in values]
    field = temporal.timestamp_text_encoder(-1)(pa.array(texts, pa.string()))
    assert payloads(field) == [temporal.TIMESTAMP.parse_one(text) for text in texts if text is not None]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("2000-01-01", 0),
        ("0001-01-01", -730_119),
        ("0001-12-31 BC", -730_120),
        ("0001-02-29 BC", -730_426),
        ("4714-11-24 BC", -2_451_545),
        ("10000-01-01", 2_921_940),
        ("5874897-12-31", 2_145_031_948),
        ("infinity", 2**31 - 1),
        ("-infinity", -(2**31)),
    ],
)
def test_dates_of_any_era_are_taken(text: str, days: int) -> None:
    assert payloads(temporal.encode_date_text(pa.array([text, "2000-01-02"]))) == [days, 1]


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("1999-12-31 23:59:59.9", -100_000),
        ("4714-11-24 00:00:00 BC", -2_451_545 * DAY),
        ("294276-12-31 23:59:59.999999", 9_223_371_331_199_999_999),
        ("infinity", 2**63 - 1),
        ("-infinity", -(2**63)),
        ("2000-01-02", DAY),
        ("0001-12-31 BC", -730_120 * DAY),
    ],
)
@pytest.mark.parametrize(
    ("encode", "suffix"), [(temporal.timestamp_text_encoder(-1), ""), (temporal.timestamptz_text_encoder(-1), "+00")]
)
def test_timestamps_of_any_era_are_taken(
    encode: Callable[[pa.Array], FixedField], suffix: str, text: str, microseconds: int
) -> None:
    if suffix and ":" in text:
        text = text.removesuffix(" BC") + suffix + (" BC" if text.endswith(" BC") else "")
    assert payloads(encode(pa.array([text, f"2000-01-02 00:00:00{suffix}"]))) == [microseconds, DAY]


def test_dates_are_taken_for_timestamps_at_midnight_alone_and_beside_others() -> None:
    dates = ["2000-01-02", "1999-12-31"]
    assert payloads(temporal.timestamp_text_encoder(-1)(pa.array(dates))) == [DAY, -DAY]
    assert payloads(temporal.timestamp_text_encoder(-1)(pa.array([*dates, "infinity"]))) == [DAY, -DAY, 2**63 - 1]


def test_an_offset_that_crosses_into_the_year_before_1_is_exact() -> None:
    texts = pa.array(["0001-01-01 00:00:00+01", "9999-12-31 23:59:59-01"])
    assert payloads(temporal.timestamptz_text_encoder(-1)(texts)) == [
        -730_119 * DAY - 3600 * 10**6,
        2_921_940 * DAY + 3599 * 10**6,
    ]


NOT_DATES = [
    "", " ", "2024", "2024-01", "2024-1-1", "20240101", "2024/01/01", "24-01-01", "2024-00-01", "2024-13-01",
    "2024-01-00", "2024-01-32", "2024-02-30", "2023-02-29", "1900-02-29", "0000-01-01", "0000-01-01 BC", "-0044-03-15",
    "2024-01-01 ",
    " 2024-01-01", "2024-01-01\n", "2024-01-01 bc", "4714-11-23 BC", "5874898-01-01", "9999999-12-31", "5881580-07-11",
    "today", "Infinity", "+infinity", "0x7e8-01-01", "٢٠٢٤-01-01",
]  # fmt: skip
NOT_CLOCKS = [
    "2024-01-01 12", "2024-01-01 12:34", "2024-01-01 24:00:00", "2024-01-01 25:00:00", "2024-01-01 12:60:00",
    "2024-01-01 12:34:60", "2024-01-01 12:34:61", "2024-01-01 12:34:5", "2024-01-01 12:34:56.",
    "2024-01-01 12:34:56.1234567", "2024-01-01 12:34:56.12e", "2024-01-01 -1:34:56", "2024-01-01  12:34:56",
    "2024-01-01 12:34:56 PM",
    "2024-02-30 00:00:00", "0000-01-01 00:00:00", "0000-12-31 23:59:59", "294277-01-01 00:00:00",
    "4714-11-23 23:59:59 BC",
    "9999999-01-01 00:00:00", "-0044-03-15 00:00:00", "12:34:56",
]  # fmt: skip
NOT_OFFSETS = [
    "+2",
    "+24",
    "+99",
    "+02:60",
    "+02:30:60",
    "+0230:15",
    "+02:3015",
    "+023015",
    "+02:3",
    "++02",
    "+",
    " +02",
    " UTC",
    "z",
    "+02 AD",
]


@pytest.mark.parametrize("beside", [[], ["2024-01-01"], ["infinity"]], ids=str)
@pytest.mark.parametrize("text", [*NOT_DATES, "2024-01-01 00:00:00", "2024-01-01T00:00:00"])
def test_what_is_not_a_date_is_refused(text: str, beside: list[str]) -> None:
    with pytest.raises(UnencodableError) as caught:
        temporal.encode_date_text(pa.array([*beside, text, *beside]))
    assert (caught.value.row, caught.value.value) == (len(beside), text)


@pytest.mark.parametrize("beside", [[], ["2024-01-01 00:00:00"], ["infinity"]], ids=str)
@pytest.mark.parametrize("text", [*(text for text in NOT_DATES if not text.startswith("5")), *NOT_CLOCKS])
def test_what_is_not_a_timestamp_is_refused(text: str, beside: list[str]) -> None:
    with pytest.raises(UnencodableError) as caught:
        temporal.timestamp_text_encoder(-1)(pa.array([*beside, text, *beside]))
    assert (caught.value.row, caught.value.value) == (len(beside), text)


@pytest.mark.parametrize("beside", [[], ["2024-01-01 00:00:00+00"], ["infinity"]], ids=str)
@pytest.mark.parametrize(
    "text", [*(f"{text}+00" for text in NOT_CLOCKS), *(f"2024-01-01 12:34:56{offset}" for offset in NOT_OFFSETS)]
)
def test_what_is_not_a_timestamp_with_offset_is_refused(text: str, beside: list[str]) -> None:
    with pytest.raises(UnencodableError) as caught:
        temporal.timestamptz_text_encoder(-1)(pa.array([*beside, text, *beside]))
    assert (caught.value.row, caught.value.value) == (len(beside), text)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York", "+05:30"])
def test_typed_timestamps_are_the_same_instant_in_any_unit_and_zone(unit: str, zone: str | None) -> None:
    instants = [datetime(1999, 12, 31, 23, 59, 58, tzinfo=UTC), None, datetime(2038, 1, 20, tzinfo=UTC)]
    array = pa.array(instants, pa.timestamp("us", "UTC")).cast(pa.timestamp(unit, "UTC")).cast(pa.timestamp(unit, zone))
    field = temporal.timestamp_encoder(-1)(array)
    assert payloads(field) == [-2 * 10**6, (13_899) * DAY]


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (1, "ns"),
        (-1, "ns"),
        (-(2**63) + 1, "ns"),
        (10**15, "s"),
        (-(10**15), "s"),
        (2**63 - 1, "ms"),
        (-(2**63), "us"),
        (-(2**63) + 946_684_800_000_000, "us"),
        (-210_866_803_200_000_001, "us"),
        (-210_866_803_201, "s"),
    ],
)
def test_a_typed_timestamp_that_postgresql_cannot_hold_is_refused(value: int, unit: str) -> None:
    with pytest.raises(UnencodableError) as caught:
        temporal.timestamp_encoder(-1)(pa.array([0, None, value, value], pa.timestamp(unit)))
    assert caught.value.row == 2


def test_the_first_and_last_typed_timestamps_are_taken() -> None:
    values = pa.array([-210_866_803_200_000_000, 2**63 - 1], pa.timestamp("us"))
    assert payloads(temporal.timestamp_encoder(-1)(values)) == [-2_451_545 * DAY, 2**63 - 1 - 946_684_800_000_000]


@pytest.mark.parametrize("days", [-(2**31), -(2**31) + 10_956, -(2**31) + 10_957, -2_440_589, 2_145_042_906, 2**31 - 1])
def test_a_typed_date_that_postgresql_cannot_hold_is_refused(days: int) -> None:
    with pytest.raises(UnencodableError) as caught:
        temporal.encode_date(pa.array([0, None, days], pa.int32()).cast(pa.date32()))
    assert caught.value.row == 2


def test_the_first_and_last_typed_dates_are_taken() -> None:
    values = pa.array([-2_440_588, 2_145_042_905], pa.int32()).cast(pa.date32())
    assert payloads(temporal.encode_date(values)) == [-2_451_545, 2_145_031_948]


def test_typed_times_lose_no_nanosecond() -> None:
    times = pa.array(np.array([1_000, 86_399_999_999_000]), pa.time64("ns"))
    assert temporal.to_microseconds(times).cast(pa.int64()).to_pylist() == [1, 86_399_999_999]
    with pytest.raises(UnencodableError) as caught:
        temporal.to_microseconds(pa.array([None, 0, 999], pa.time64("ns")))
    assert caught.value.row == 2
