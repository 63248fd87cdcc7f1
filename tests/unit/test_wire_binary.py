from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from dbrestore.wire import (
    binary,
    bits,
    hexadecimal,
    hstores,
    intervals,
    network,
    numeric,
    scalars,
    temporal,
    vectors,
)
from dbrestore.wire.arrays import array_encoder
from dbrestore.wire.binary import BinaryColumn, BinaryEncoder
from dbrestore.wire.fields import UnencodableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dbrestore.wire.fields import Field

ONE_UUID = "00112233-4455-6677-8899-aabbccddeeff"
OTHER_UUID = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"


INTEGERS = array_encoder(23, scalars.integer_text_encoder(4))
TEXTS = array_encoder(25, scalars.encode_plain)


pytestmark = pytest.mark.usefixtures("each_joiner")


@dataclass(frozen=True)
class Case:
    """An encoder and values that it takes; with ``beside``, those go through its slow path."""

    name: str
    encode: Callable[[pa.Array], Field]
    values: pa.Array

    def __str__(self) -> str:
        return self.name


def text_case(name: str, encode: Callable[[pa.Array], Field], *values: str) -> Case:
    return Case(name, encode, pa.array(values, pa.string()))


CASES = [
    Case("int2", scalars.integer_encoder(2), pa.array([-(2**15), 0, 2**15 - 1], pa.int16())),
    Case("int4", scalars.integer_encoder(4), pa.array([-(2**31), -1, 2**31 - 1], pa.int32())),
    Case("int8", scalars.integer_encoder(8), pa.array([-(2**63), 1, 2**63 - 1], pa.int64())),
    Case("float4", scalars.float_encoder(4), pa.array([1.5, -0.0, float("inf")], pa.float32())),
    Case("float8", scalars.float_encoder(8), pa.array([5e-324, -0.0, float("nan")], pa.float64())),
    Case("boolean", scalars.encode_boolean, pa.array([True, False, True])),
    Case("bytea", scalars.encode_plain, pa.array([b"", bytes(range(256)), b"\0"])),
    text_case("text", scalars.encode_plain, "", "naïve 🐘\t\n", "x" * 300),
    text_case("jsonb", scalars.encode_version_1, "{}", '{"a": [1, "🐘"]}', "null"),
    text_case("uuid", hexadecimal.UUID.encode, ONE_UUID, OTHER_UUID, ONE_UUID),
    text_case("date", temporal.encode_date_text, "0001-01-01", "2000-01-01", "9999-12-31"),
    text_case("time", intervals.time_text_encoder(-1), "00:00:00", "24:00:00", "23:59:59.999999"),
    text_case("timetz", intervals.timetz_text_encoder(-1), "00:00:00+00", "12:00:00.5-15:59:59"),
    text_case("interval", intervals.interval_text_encoder(-1), "1 year -3 days +04:05:06.789", "-00:00:01", "1 mon"),
    text_case("interval slowly", intervals.interval_text_encoder(-1), "infinity", "1 day", "-infinity"),
    text_case("inet", network.network_encoder(is_cidr=False), "10.0.0.1", "192.168.0.0/16"),
    text_case("inet slowly", network.network_encoder(is_cidr=False), "::1", "10.0.0.1/8", "2001:db8::/32"),
    text_case("macaddr", hexadecimal.MACADDR.encode, "08:00:2b:01:02:03", "FF:ff:00:00:00:00"),
    text_case("bits", bits.encode_bits, "", "101", "111111110", "010"),
    text_case("shape", hexadecimal.encode_hexadecimal, "", "0101", "00FFab"),
    text_case("hstore", hstores.encode_hstore, "", '"a"=>"1", "b"=>NULL', '"=>"=>""'),
    text_case("hstore slowly", hstores.encode_hstore, '"\\""=>"\\\\"', '"a"=>"1"', ""),
    text_case("vector", vectors.encode_vector, "[1]", "[0.5,-2,1e-05]"),
    text_case("integers", INTEGERS, "{}", "{1,NULL,-3}", "{4}"),
    text_case("integers slowly", INTEGERS, "{{1,2},{3,NULL}}", "{4}", "[0:1]={5,6}", "{}"),
    text_case("texts", TEXTS, "{}", '{a,"b c",NULL,"",🐘}', "{NULL}"),
    text_case("texts slowly", TEXTS, '{"\\"",b}', "{c,NULL}", '{{"x y"}}', "{}"),
    text_case("integer from text", scalars.integer_text_encoder(8), str(2**63 - 1), "-007", "0"),
    text_case("float from text", scalars.float_text_encoder(8), "5e-324", "-0", "NaN", "-Infinity", "1e+300"),
    text_case("boolean from text", scalars.encode_boolean_text, "t", "false", "true"),
    text_case("date slowly", temporal.encode_date_text, "infinity", "2000-01-01", "4713-01-01 BC"),
    text_case("timestamp", temporal.timestamp_text_encoder(-1), "2000-01-01 00:00:00", "1999-12-31 23:59:59.999999"),
    text_case("timestamp slowly", temporal.timestamp_text_encoder(-1), "2000-01-01 00:00:00", "-infinity"),
    text_case(
        "timestamptz", temporal.timestamptz_text_encoder(-1), "2000-01-01 00:00:00+00", "1999-01-01 01:02:03-05:30"
    ),
    text_case("timestamptz slowly", temporal.timestamptz_text_encoder(-1), "2000-01-01 00:00:00+00", "infinity"),
    Case("typed date", temporal.encode_date, pa.array([-1, 0, 10957], pa.int32()).cast(pa.date32())),
    Case("typed timestamp", temporal.timestamp_encoder(-1), pa.array([-1, 0, 1], pa.timestamp("ms", "UTC"))),
    text_case("numeric", numeric.numeric_text_encoder(-1), "1.50", "-20000", "0.000"),
    text_case("numeric slowly", numeric.numeric_text_encoder(-1), "NaN", "1.50", "9" * 60),
    Case(
        "numeric from decimal",
        numeric.numeric_decimal_encoder(-1),
        pa.array(["1.50", "-7.25"]).cast(pa.decimal128(9, 2)),
    ),
    Case(
        "numeric from wide decimal", numeric.numeric_decimal_encoder(-1), pa.array(["1.5"]).cast(pa.decimal256(60, 3))
    ),
    Case("numeric from integer", numeric.numeric_integer_encoder(-1), pa.array([2**64 - 1, 0], pa.uint64())),
]
each_case = pytest.mark.parametrize("case", CASES, ids=str)


def encode(*columns: tuple[str, Callable[[pa.Array], Field], pa.Array]) -> bytes:
    """The rows, without header and trailer."""
    encoder = BinaryEncoder([BinaryColumn(name, encode) for name, encode, _ in columns])
    batch = pa.record_batch([array for *_, array in columns], [name for name, *_ in columns])
    return b"".join(bytes(buffer) for buffer in encoder.encode(batch))


def parse_rows(stream: bytes) -> Iterator[list[bytes | None]]:
    """The payloads of each row; that of NULL is None."""
    at = 0

    def take(size: int) -> bytes:
        nonlocal at
        at += size
        assert at <= len(stream)
        return stream[at - size : at]

    while at < len(stream):
        row: list[bytes | None] = []
        for _ in range(struct.unpack(">h", take(2))[0]):
            (length,) = struct.unpack(">i", take(4))
            row.append(None if length == -1 else take(length))
        yield row


def comparable(payload: bytes | None) -> object:
    """A payload that may be a numeric's, whose zero digits before and after the others do not count."""
    if payload is None or len(payload) < 8 or len(payload) % 2:
        return payload
    count, weight, sign, scale, *digits = struct.unpack(f">HhHH{len(payload) // 2 - 4}H", payload)
    if count != len(digits):
        return payload
    places = {weight - index: digit for index, digit in enumerate(digits) if digit}
    return (sign, scale, tuple(places.items()))


def payloads(case: Case, values: pa.Array) -> list[object]:
    rows = list(parse_rows(encode(("c", case.encode, values))))
    assert all(len(row) == 1 for row in rows)
    return [comparable(row[0]) for row in rows]


def one_by_one(case: Case) -> list[object]:
    return [payloads(case, case.values.slice(row, 1))[0] for row in range(len(case.values))]


def with_nulls(values: pa.Array, places: Sequence[int | None]) -> pa.Array:
    """The values at ``places``, and null where there is none."""
    return values.take(pa.array(places, pa.int64()))


@each_case
def test_a_batch_is_its_rows_encoded_one_by_one(case: Case) -> None:
    assert payloads(case, case.values) == one_by_one(case)


@each_case
@pytest.mark.parametrize(
    "places",
    [
        [None, 0],
        [0, None],
        [None, 0, None],
        [0, None, None, -1],
        [None],
        [None, None, None],
        [0, *[None] * 70, -1],
    ],
    ids=["first", "last", "both ends", "middle", "a lone row", "all", "many"],
)
def test_nulls_stay_in_their_rows(case: Case, places: list[int | None]) -> None:
    expected = one_by_one(case)
    rows = [place if place is None else place % len(expected) for place in places]
    array = with_nulls(case.values, rows)
    assert payloads(case, array) == [None if row is None else expected[row] for row in rows]


@each_case
def test_a_slice_is_encoded_alone(case: Case) -> None:
    count = len(case.values)
    longer = with_nulls(case.values, [None, 0, *range(count), None, 0])
    for start, stop in [(2, 2 + count), (1, 2 + count), (0, 2), (2 + count, 4 + count), (2, 3)]:
        assert payloads(case, longer.slice(start, stop - start)) == payloads(case, longer)[start:stop]


@each_case
def test_a_batch_without_rows_has_no_bytes(case: Case) -> None:
    assert encode(("c", case.encode, case.values.slice(0, 0))) == b""
    assert encode(("c", case.encode, pa.array([], case.values.type))) == b""


@each_case
def test_columns_of_any_kind_stand_beside_each_other(case: Case) -> None:
    number = pa.array(range(len(case.values)), pa.int32())
    columns = [
        ("before", scalars.integer_encoder(4), number),
        ("c", case.encode, case.values),
        ("null", case.encode, pa.nulls(len(number), case.values.type)),
        ("after", scalars.encode_plain, number.cast(pa.string())),
    ]
    rows = [[comparable(payload) for payload in row] for row in parse_rows(encode(*columns))]
    assert rows == [
        [struct.pack(">i", row), payload, None, str(row).encode()] for row, payload in enumerate(one_by_one(case))
    ]


def array_with_garbage(kind: pa.DataType) -> pa.Array:
    """One null with bytes of its own between two texts."""
    offsets = np.array([0, 1, 5, 6], np.int32)
    mask = pa.py_buffer(b"\x05")
    return pa.Array.from_buffers(kind, 3, [mask, pa.py_buffer(offsets), pa.py_buffer(b"1.x-02")])


@pytest.mark.parametrize(
    ("encode_array", "expected"),
    [
        (scalars.encode_plain, [b"1", None, b"2"]),
        (scalars.encode_version_1, [b"\x011", None, b"\x012"]),
        (numeric.numeric_text_encoder(-1), [(0, 0, ((0, 1),)), None, (0, 0, ((0, 2),))]),
    ],
)
def test_bytes_under_a_null_do_not_count(encode_array: Callable[[pa.Array], Field], expected: list[object]) -> None:
    array = array_with_garbage(pa.string())
    assert payloads(Case("garbage", encode_array, array), array) == expected


def test_numbers_under_a_null_do_not_count() -> None:
    values = pa.Array.from_buffers(pa.int64(), 2, [pa.py_buffer(b"\x02"), pa.py_buffer(np.array([2**40, 7], np.int64))])
    assert payloads(Case("garbage", scalars.integer_encoder(2), values), values) == [None, b"\0\x07"]


def test_a_table_without_columns_has_rows_without_fields() -> None:
    batch = pa.RecordBatch.from_struct_array(pa.array([{}] * 3, pa.struct([])))
    assert b"".join(map(bytes, BinaryEncoder([]).encode(batch))) == b"\0\0" * 3


def test_header_and_trailer_are_those_of_the_format() -> None:
    assert BinaryEncoder.header == b"PGCOPY\n\xff\r\n\0" + bytes(8)
    assert BinaryEncoder.trailer == b"\xff\xff"


def test_a_batch_above_the_limit_is_split_and_stays_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = pa.record_batch([pa.array([f"text {row}" for row in range(100)])], ["c"])
    encoder = BinaryEncoder([BinaryColumn("c", scalars.encode_plain)])
    (whole,) = encoder.encode(batch)
    monkeypatch.setattr(binary, "JOIN_LIMIT", 200)
    pieces = [bytes(buffer) for buffer in encoder.encode(batch)]
    assert len(pieces) > 4
    assert b"".join(pieces) == bytes(whole)


def test_a_large_row_is_not_copied_and_stays_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = [
        BinaryColumn("id", scalars.integer_encoder(4)),
        BinaryColumn("body", scalars.encode_plain),
        BinaryColumn("nothing", scalars.encode_plain),
        BinaryColumn("details", scalars.encode_version_1),
        BinaryColumn("flag", scalars.encode_boolean),
    ]
    body, details = pa.array(["x", "long" * 100]), pa.array(["{}", "[1]"])
    arrays = [pa.array([1, 2], pa.int32()), body, pa.array(["y", None]), details, pa.array([True, False])]
    row = pa.record_batch(arrays, [column.name for column in columns]).slice(1)
    [joined] = BinaryEncoder(columns).encode(row)
    monkeypatch.setattr(binary, "COPY_LIMIT", 1)
    pieces = list(BinaryEncoder(columns).encode(row))
    assert b"".join(piece.to_pybytes() for piece in pieces) == joined.to_pybytes()
    start = body.buffers()[2].address
    assert start < pieces[1].address < start + body.buffers()[2].size


def test_a_row_above_the_limit_is_joined_with_wide_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = (
        ("c", scalars.encode_plain, pa.array(["x" * 1000, None])),
        ("d", scalars.encode_version_1, pa.array(["1", "2"])),
    )
    expected = encode(*columns)
    monkeypatch.setattr(binary, "JOIN_LIMIT", 10)
    assert encode(*columns) == expected


REFUSED: list[tuple[str, Callable[[pa.Array], Field], Any, Any, pa.DataType]] = [
    ("int2", scalars.integer_encoder(2), 1, 2**15, pa.int64()),
    ("int4", scalars.integer_encoder(4), 1, -(2**31) - 1, pa.int64()),
    ("int8", scalars.integer_encoder(8), 1, 2**63, pa.uint64()),
    ("numeric", numeric.numeric_text_encoder(-1), "1", "one", pa.string()),
    ("numeric after slow ones", numeric.numeric_text_encoder(-1), "NaN", "one", pa.string()),
    ("uuid", hexadecimal.UUID.encode, ONE_UUID, "not a uuid", pa.string()),
    ("uuid of right length", hexadecimal.UUID.encode, ONE_UUID, ONE_UUID.replace("a", "g"), pa.string()),
    ("date", temporal.encode_date_text, "2000-01-01", "2000-02-30", pa.string()),
    ("date after slow ones", temporal.encode_date_text, "infinity", "2000-02-30", pa.string()),
    ("timestamp", temporal.timestamp_text_encoder(-1), "2000-01-01 00:00:00", "2000-01-01 25:00:00", pa.string()),
    ("timestamptz", temporal.timestamptz_text_encoder(-1), "2000-01-01 00:00:00+00", "yesterday", pa.string()),
    ("time", intervals.time_text_encoder(-1), "12:00:00", "12:60:00", pa.string()),
    ("time of a precision", intervals.time_text_encoder(0), "12:00:00", "12:00:00.5", pa.string()),
    ("timetz", intervals.timetz_text_encoder(-1), "12:00:00+00", "12:00:00+16", pa.string()),
    ("interval", intervals.interval_text_encoder(-1), "1 day", "1 fortnight", pa.string()),
    ("interval of too many months", intervals.interval_text_encoder(-1), "1 day", "178956971 years", pa.string()),
    (
        "interval of too many hours",
        intervals.interval_text_encoder(-1),
        "1 day",
        "2562047788:00:54.775808",
        pa.string(),
    ),
    ("interval after slow ones", intervals.interval_text_encoder(-1), "infinity", "", pa.string()),
    ("inet", network.network_encoder(is_cidr=False), "10.0.0.1", "10.0.0.256", pa.string()),
    ("inet of too many bits", network.network_encoder(is_cidr=False), "::1", "10.0.0.1/33", pa.string()),
    ("macaddr", hexadecimal.MACADDR.encode, "08:00:2b:01:02:03", "08:00:2b:01:02", pa.string()),
    ("bits", bits.encode_bits, "101", "102", pa.string()),
    ("shape of half a byte", hexadecimal.encode_hexadecimal, "0101", "010", pa.string()),
    ("hstore", hstores.encode_hstore, '"a"=>"1"', '"a"=>"1",', pa.string()),
    ("hstore after slow ones", hstores.encode_hstore, '"\\""=>"1"', '"a"', pa.string()),
    ("vector", vectors.encode_vector, "[1,2]", "[1,two]", pa.string()),
    ("array", INTEGERS, "{1,2}", "{1", pa.string()),
    ("array of an element", INTEGERS, "{1,2}", "{1,two}", pa.string()),
    ("array of an element after slow ones", INTEGERS, "{{1,2}}", "{1,two}", pa.string()),
    ("array of an element in a slow one", INTEGERS, "{}", "{{1},{two}}", pa.string()),
    ("array of uneven lengths", INTEGERS, "{}", "{{1},{2,3}}", pa.string()),
    ("array of wrong bounds", INTEGERS, "{}", "[0:1]={1}", pa.string()),
    ("array of bounds past integers", INTEGERS, "{}", "[9999999999:9999999999]={1}", pa.string()),
    ("integer from text", scalars.integer_text_encoder(8), "1", str(2**63), pa.string()),
    ("short integer from text", scalars.integer_text_encoder(2), "1", "32768", pa.string()),
    ("float from text", scalars.float_text_encoder(8), "1", "1e999", pa.string()),
    ("float from text too near to zero", scalars.float_text_encoder(4), "0.0", "1e-60", pa.string()),
    ("boolean from text", scalars.encode_boolean_text, "t", "yes", pa.string()),
    ("varchar", scalars.varchar_encoder(5 + 4), "naïve", "naïves", pa.string()),
    ("uuid of bytes", scalars.encode_uuid_bytes, bytes(16), bytes(15), pa.binary()),
    ("real", scalars.float_encoder(4), 0.5, 0.1, pa.float64()),
    ("numeric of a scale", numeric.numeric_text_encoder((9 << 16 | 2) + 4), "1.50", "1.505", pa.string()),
    ("typed timestamp", temporal.timestamp_encoder(-1), 1000, 1, pa.timestamp("ns")),
    ("typed date", temporal.encode_date, 0, -(2**31), pa.int32()),
]


@pytest.mark.parametrize("limit", [binary.JOIN_LIMIT, 100], ids=["in one batch", "in a split batch"])
@pytest.mark.parametrize(
    "before", [[], ["good"], [None], [None, "good", None], ["good", *[None, "good"] * 30]], ids=len
)
@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused[0])
def test_a_refused_value_is_named_by_row_and_column(
    refused: tuple[str, Callable[[pa.Array], Field], Any, Any, pa.DataType],
    before: list[str | None],
    limit: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(binary, "JOIN_LIMIT", limit)
    _, encode_array, good, bad, kind = refused
    values = [value and good for value in before]
    array = pa.array([*values, bad, good, None, bad], kind)
    if encode_array is temporal.encode_date:
        array = array.cast(pa.date32())
    with pytest.raises(UnencodableError) as caught:
        encode(("fine", scalars.encode_plain, pa.array(["x"] * len(array))), ("bad one", encode_array, array))
    assert caught.value.row == len(before)
    assert caught.value.column == "bad one"


@pytest.mark.parametrize(
    "encode_text",
    [
        numeric.numeric_text_encoder(-1),
        temporal.encode_date_text,
        temporal.timestamp_text_encoder(-1),
        temporal.timestamptz_text_encoder(-1),
        hexadecimal.UUID.encode,
        hexadecimal.MACADDR8.encode,
        hexadecimal.encode_hexadecimal,
        intervals.time_text_encoder(-1),
        intervals.timetz_text_encoder(-1),
        intervals.interval_text_encoder(-1),
        network.network_encoder(is_cidr=True),
        bits.encode_bits,
        hstores.encode_hstore,
        vectors.encode_vector,
        INTEGERS,
        TEXTS,
        scalars.integer_text_encoder(4),
        scalars.float_text_encoder(8),
        scalars.encode_boolean_text,
        scalars.varchar_encoder(2 + 4),
    ],
)
def test_a_refused_text_need_not_be_utf_8(encode_text: Callable[[pa.Array], Field]) -> None:
    offsets = np.array([0, 3], np.int32)
    bad = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(offsets), pa.py_buffer(b"1\xff\n")])
    with pytest.raises(UnencodableError) as caught:
        encode_text(bad)
    assert caught.value.value == "1\\xff\n"
