from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dbrestore.wire import text
from dbrestore.wire.fields import UnencodableError
from dbrestore.wire.text import TextColumn, TextEncoder

pytestmark = pytest.mark.usefixtures("each_joiner")


def encode(*columns: pa.Array) -> bytes:
    names = [f"column {number}" for number in range(len(columns))]
    encoder = TextEncoder([TextColumn(name) for name in names])
    return b"".join(map(bytes, encoder.encode(pa.record_batch(list(columns), names))))


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("", b"\n"),
        (None, b"\\N\n"),
        ("\\N", b"\\\\N\n"),
        ("\\.", b"\\\\.\n"),
        ("a\tb\nc\rd\\e", b"a\\tb\\nc\\rd\\\\e\n"),
        ("\\t", b"\\\\t\n"),
        ("\b\f\v\x7f", b"\b\f\v\x7f\n"),
        ("🐘 né", "🐘 né\n".encode()),
    ],
    ids=repr,
)
@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())],
    ids=str,
)
def test_texts_are_escaped_whatever_their_arrow_type(kind: pa.DataType, value: str | None, line: bytes) -> None:
    assert encode(pa.array([value], pa.string()).cast(kind)) == line


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(3)], ids=str)
def test_bytes_are_hexadecimal_whatever_their_arrow_type(kind: pa.DataType) -> None:
    assert encode(pa.array([b"\0\\\xff", None], kind)) == b"\\\\x005cff\n\\N\n"
    assert encode(pa.array([None, None], kind)) == b"\\N\n" * 2


def test_bytes_may_be_none_at_all() -> None:
    assert encode(pa.array([b"", b""])) == b"\\\\x\n" * 2


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (pa.array([True, False, None]), ["true", "false", "\\N"]),
        (pa.array([-(2**63), 2**63 - 1]), [str(-(2**63)), str(2**63 - 1)]),
        (pa.array([2**64 - 1], pa.uint64()), [str(2**64 - 1)]),
        (pa.array([-0.0, 5e-324, 1e21]), ["-0", "5e-324", "1e+21"]),
        (pa.array([0.1], pa.float32()), ["0.1"]),
        (
            pa.array([float("nan"), None, float("inf"), float("-inf"), 1.5]),
            ["NaN", "\\N", "Infinity", "-Infinity", "1.5"],
        ),
        (pa.array([float("nan"), 1.5], pa.float16()), ["NaN", "1.5"]),
        (pa.array([Decimal("-0.0000001"), Decimal("1.5")]).cast(pa.decimal128(9, 7)), ["-0.0000001", "1.5000000"]),
        (pa.array([Decimal(1000), None]).cast(pa.decimal128(3, -2)), ["1000", "\\N"]),
        (pa.array([Decimal("1" * 70)], pa.decimal256(70, 0)), ["1" * 70]),
        (
            pa.array([0, -719_163, 2_932_897], pa.int32()).cast(pa.date32()),
            ["1970-01-01", "0001-12-31 BC", "10000-01-01"],
        ),
        (pa.array([86_399_999], pa.time32("ms")), ["23:59:59.999000"]),
        (pa.array([1_000], pa.time64("ns")), ["00:00:00.000001"]),
        (pa.nulls(2), ["\\N", "\\N"]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_typed_values_are_as_postgresql_reads_them(array: pa.Array, texts: list[str]) -> None:
    assert encode(array).decode().splitlines() == texts


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_timestamps_with_a_zone_are_written_at_utc(zone: str) -> None:
    instants = pa.array([datetime(1900, 1, 1, tzinfo=UTC), None], pa.timestamp("us", zone))
    assert encode(instants) == b"1900-01-01 00:00:00.000000+00\n\\N\n"


def test_timestamps_of_any_era_are_written() -> None:
    microseconds = [0, -62_135_596_800_000_001, -210_866_803_200_000_000, 2**63 - 1]
    assert encode(pa.array(microseconds, pa.timestamp("us"))).decode().splitlines() == [
        "1970-01-01 00:00:00.000000",
        "0001-12-31T23:59:59.999999 BC",
        "4714-11-24T00:00:00.000000 BC",
        "294247-01-10T04:00:54.775807",
    ]


@pytest.mark.parametrize(
    ("array", "row"),
    [
        (pa.array([1_000, None, 1_001], pa.timestamp("ns")), 2),
        (pa.array([0, 2**62], pa.timestamp("s", "UTC")), 1),
        (pa.array([None, 999], pa.time64("ns")), 1),
        (pa.array([5], pa.duration("us")), 0),
        (pa.array([[1, 2]]), 0),
        (pa.array([{"a": 1}]), 0),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_what_postgresql_would_read_otherwise_is_refused(array: pa.Array, row: int) -> None:
    with pytest.raises(UnencodableError) as caught:
        encode(pa.nulls(len(array), pa.string()), array)
    assert (caught.value.row, caught.value.column) == (row, "column 1")


@pytest.mark.parametrize(
    ("content", "value", "reason"),
    [
        (b"\xff", "\\xff", "is not UTF-8"),
        (b"a\0b", "a\0b", "has a NUL character"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80", "is not UTF-8"),
    ],
)
def test_a_text_that_no_server_can_read_is_refused_by_row(content: bytes, value: str, reason: str) -> None:
    array = pa.array([b"fine", None, content, b"fine", content]).view(pa.string())
    with pytest.raises(UnencodableError, match=reason) as caught:
        encode(pa.nulls(5, pa.string()), array)
    assert (caught.value.row, caught.value.column, caught.value.value) == (2, "column 1", value)


def test_a_dictionary_gives_the_lines_of_its_values() -> None:
    values = pa.array(["a\tb", "", None, "\\N", "a\tb"] * 10)
    for array in (values, values.slice(3, 31), values.slice(0, 0), values.drop_null()):
        assert encode(array.dictionary_encode()) == encode(array)


def test_a_bad_value_of_a_dictionary_is_refused_in_the_first_row_that_has_it() -> None:
    dictionary = pa.array(["fine", "no\0text", "worse\0text"])
    with pytest.raises(UnencodableError) as caught:
        encode(pa.DictionaryArray.from_arrays(pa.array([0, None, 0, 2, 1] * 5, pa.int32()), dictionary))
    assert (caught.value.row, caught.value.value) == (3, "worse\0text")
    assert encode(pa.DictionaryArray.from_arrays(pa.array([0] * 10, pa.int32()), dictionary)) == b"fine\n" * 10


def test_a_check_refuses_what_text_would_lose() -> None:
    def check(array: pa.Array) -> None:
        raise UnencodableError(0, array[0].as_py(), "is lost")

    with pytest.raises(UnencodableError, match="is lost") as caught:
        b"".join(TextEncoder([TextColumn("c", check)]).encode(pa.record_batch([pa.array(["x"])], ["c"])))
    assert (caught.value.row, caught.value.column, caught.value.value) == (0, "c", "x")


def test_a_refused_row_is_counted_over_the_pieces_of_a_split_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "JOIN_LIMIT", 100)
    with pytest.raises(UnencodableError) as caught:
        encode(pa.array([None, *[1000] * 90, 1, *[1000] * 9], pa.timestamp("ns")))
    assert caught.value.row == 91


def test_fields_are_parted_by_tabs_and_nulls_stay_in_their_places() -> None:
    left, right = pa.array([None, "a", None, ""]), pa.array([1, None, None, 2])
    assert encode(left, right, left) == b"\\N\t1\t\\N\na\t\\N\ta\n\\N\t\\N\t\\N\n\t2\t\n"


@pytest.mark.parametrize("values", [["a\tb", None, "", "c\\"], [b"\0", None, b"", b"\\"], [1, None, 0, -1]])
def test_a_slice_is_encoded_alone(values: list[Any]) -> None:
    whole = pa.array([values[-1], None, *values, None])
    assert encode(whole.slice(2, len(values))) == encode(pa.array(values))


def test_a_batch_without_rows_has_no_bytes() -> None:
    assert encode(pa.array([], pa.string()), pa.array([], pa.binary())) == b""


def test_a_table_without_columns_has_empty_lines() -> None:
    batch = pa.RecordBatch.from_struct_array(pa.array([{}] * 3, pa.struct([])))
    assert b"".join(map(bytes, TextEncoder([]).encode(batch))) == b"\n" * 3


def test_bytes_under_a_null_do_not_count() -> None:
    buffers = [pa.py_buffer(b"\x05"), pa.py_buffer(np.array([0, 1, 3, 4], np.int32)), pa.py_buffer(b"a\t\\b")]
    assert encode(pa.Array.from_buffers(pa.string(), 3, buffers)) == b"a\n\\N\nb\n"
    assert encode(pa.Array.from_buffers(pa.binary(), 3, buffers)) == b"\\\\x61\n\\N\n\\\\x62\n"


def test_a_batch_above_the_limit_is_split_and_stays_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = pa.array([f"text\t{row}" for row in range(100)]), pa.array([None, b"x"] * 50)
    whole = encode(*columns)
    monkeypatch.setattr(text, "JOIN_LIMIT", 100)
    assert encode(*columns) == whole


def test_a_row_above_the_limit_is_joined_with_wide_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = pa.array(["x\t" * 100, None]), pa.array([b"\0" * 100, b""]), pa.array([1, None])
    whole = encode(*columns)
    monkeypatch.setattr(text, "JOIN_LIMIT", 10)
    assert encode(*columns) == whole
