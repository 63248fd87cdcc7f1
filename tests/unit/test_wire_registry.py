from __future__ import annotations

import struct
from typing import Any

import pyarrow as pa
import pytest

from dbrestore.wire.binary import BinaryEncoder
from dbrestore.wire.fields import UnencodableError
from dbrestore.wire.registry import CopyFormat, PgType, WireColumn, find_encoder, stream_encoder, text_reasons
from dbrestore.wire.text import TextEncoder

TAKE_TEXT = [
    "bit_recv", "boolrecv", "bpcharrecv", "cidr_recv", "citext.citextrecv", "date_recv", "enum_recv", "float4recv",
    "float8recv", "hstore.hstore_recv", "inet_recv", "int2recv", "int4recv", "int8recv", "interval_recv", "json_recv",
    "jsonb_recv", "jsonpath_recv", "ltree.ltree_recv", "macaddr8_recv", "macaddr_recv", "namerecv", "numeric_recv",
    "postgis.geography_recv", "postgis.geometry_recv", "textrecv", "time_recv", "timestamp_recv", "timestamptz_recv",
    "timetz_recv", "uuid_recv", "varbit_recv", "varcharrecv", "vector.vector_recv",
]  # fmt: skip
TAKE_BYTES = ["bytearecv", "uuid_recv"]
TAKE_NONE = [
    "",
    "oidrecv",
    "cash_recv",
    "record_recv",
    "range_recv",
    "xml_recv",
    "charrecv",
    "domain_recv",
    "hstore_recv",
]
TEXTS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()), pa.json_()]
BYTES = [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(16), pa.uuid()]
TYPED = [
    pa.bool_(), pa.int8(), pa.int64(), pa.uint64(), pa.float16(), pa.float64(), pa.decimal128(9, 2),
    pa.decimal256(60, 3), pa.date32(), pa.time32("ms"), pa.time64("ns"), pa.timestamp("ns"), pa.timestamp("s", "UTC"),
]  # fmt: skip
NEVER = [pa.duration("us"), pa.list_(pa.int32()), pa.struct([("a", pa.int32())]), pa.map_(pa.string(), pa.string())]
INT4_ARRAY = PgType("integer[]", "array_recv", 1007, element=PgType("integer", "int4recv", 23))


def pg_type(receive: str, name: str = "any", typmod: int = -1) -> PgType:
    return PgType(name, receive, typmod=typmod)


def payload(source: pa.Array, target: PgType) -> bytes:
    """What goes out for an array of one value, without the lengths of row and field."""
    encoder = stream_encoder([WireColumn("c", source.type, target)], CopyFormat.BINARY)
    return b"".join(map(bytes, encoder.encode(pa.record_batch([source], ["c"]))))[6:]


@pytest.mark.parametrize("receive", [*TAKE_TEXT, *TAKE_BYTES, *TAKE_NONE])
def test_a_type_takes_these_sources_and_no_others(receive: str) -> None:
    taken = {source for source in [*TEXTS, *BYTES, *TYPED, *NEVER] if find_encoder(source, pg_type(receive))}
    of_text = {*TEXTS, *TYPED} if receive in TAKE_TEXT else set()
    assert taken == of_text | ({*BYTES} if receive in TAKE_BYTES else set())


@pytest.mark.parametrize(
    ("source", "receive", "expected"),
    [
        (pa.array([7], pa.int8()), "int8recv", struct.pack(">q", 7)),
        (pa.array([7], pa.uint64()), "float8recv", struct.pack(">d", 7)),
        (pa.array(["1.5"]).cast(pa.decimal128(9, 2)), "numeric_recv", struct.pack(">HhHHHH", 2, 0, 0, 2, 1, 5000)),
        (pa.array(["1.5"]).cast(pa.decimal128(9, 2)), "float4recv", struct.pack(">f", 1.5)),
        (pa.array([1.5], pa.float16()), "float8recv", struct.pack(">d", 1.5)),
        (pa.array([10_957], pa.int32()).cast(pa.date32()), "timestamptz_recv", bytes(8)),
        (pa.array([10_957], pa.int32()).cast(pa.date32()), "textrecv", b"2000-01-01"),
        (pa.array([float("-inf")]), "textrecv", b"-Infinity"),
        (pa.array([float("nan")], pa.float32()), "numeric_recv", struct.pack(">HhHH", 0, 0, 0xC000, 0)),
        (pa.array([True]), "varcharrecv", b"true"),
        (pa.array([1], pa.int32()), "boolrecv", b"\1"),
        (pa.array([b"0123456789abcdef"], pa.binary(16)), "uuid_recv", b"0123456789abcdef"),
        (pa.array([b"0123456789abcdef"], pa.uuid()), "uuid_recv", b"0123456789abcdef"),
        (pa.array(["{}"], pa.json_()), "jsonb_recv", b"\1{}"),
        (pa.array(["a"]).dictionary_encode(), "jsonpath_recv", b"\1a"),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_values_of_any_source_have_the_form_of_the_target(source: pa.Array, receive: str, expected: bytes) -> None:
    assert payload(source, pg_type(receive)) == expected


@pytest.mark.parametrize(
    ("source", "receive", "typmod"),
    [
        (pa.array([None, 2**53 + 1]), "float8recv", -1),
        (pa.array([None, 2**24 + 1]), "float4recv", -1),
        (pa.array([None, 0.1]), "float4recv", -1),
        (pa.array([None, 1e39]), "float4recv", -1),
        (pa.array([None, 0.125]), "numeric_recv", (9 << 16 | 2) + 4),
        (pa.array([None, 12], pa.int64()), "numeric_recv", (3 << 16 | 0x7FF) + 4),
        (pa.array([None, 86_400_000_001], pa.timestamp("us")), "date_recv", -1),
        (pa.array([None, 1], pa.timestamp("us")), "time_recv", -1),
        (pa.array([None, 5]), "interval_recv", -1),
        (pa.array([None, 1.5]), "int4recv", -1),
        (pa.array([None, False]), "varcharrecv", 4 + 4),
        (pa.array([None, b"x"]), "uuid_recv", -1),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_what_the_target_would_round_or_read_otherwise_is_refused(source: pa.Array, receive: str, typmod: int) -> None:
    encoder = find_encoder(source.type, pg_type(receive, typmod=typmod))
    assert encoder is not None
    with pytest.raises(UnencodableError) as caught:
        encoder(source)
    assert caught.value.row == 1


def test_arrays_take_texts_where_their_elements_do() -> None:
    assert find_encoder(pa.string(), INT4_ARRAY) is not None
    assert find_encoder(pa.large_string(), INT4_ARRAY) is not None
    assert find_encoder(pa.list_(pa.int32()), INT4_ARRAY) is None
    for element in (None, pg_type("bytearecv"), pg_type("record_recv")):
        assert find_encoder(pa.string(), PgType("any[]", "array_recv", 1, element=element)) is None


def test_a_footer_may_call_plain_what_comes_as_an_extension_type() -> None:
    columns = [WireColumn("j", pa.string(), pg_type("json_recv")), WireColumn("u", pa.binary(16), pg_type("uuid_recv"))]
    batch = pa.record_batch([pa.array(["{}"], pa.json_()), pa.array([bytes(16)], pa.uuid())], ["j", "u"])
    encoder = stream_encoder(columns, CopyFormat.BINARY)
    assert b"".join(map(bytes, encoder.encode(batch))) == b"\0\2\0\0\0\2{}\0\0\0\x10" + bytes(16)


def encoded_as_text(source: pa.Array, receive: str, **changes: Any) -> bytes:
    encoder = stream_encoder([WireColumn("c", source.type, pg_type(receive, **changes))], CopyFormat.TEXT)
    return b"".join(map(bytes, encoder.encode(pa.record_batch([source], ["c"]))))


def test_bytes_go_as_text_in_the_form_that_their_target_reads() -> None:
    for kind in (pa.binary(), pa.binary(16), pa.uuid()):
        source = pa.array([bytes(range(16)), None], kind)
        assert encoded_as_text(source, "bytearecv") == b"\\\\x000102030405060708090a0b0c0d0e0f\n\\N\n"
        assert encoded_as_text(source, "uuid_recv") == b"000102030405060708090a0b0c0d0e0f\n\\N\n"


def test_text_is_refused_where_binary_would_be() -> None:
    with pytest.raises(UnencodableError, match="would be rounded to a scale of 2") as caught:
        encoded_as_text(pa.array(["1.50", "1.505"]), "numeric_recv", typmod=(9 << 16 | 2) + 4)
    assert (caught.value.row, caught.value.column) == (1, "c")


def test_reasons_name_column_source_and_target() -> None:
    columns = [
        WireColumn("id", pa.int64(), pg_type("int8recv", "bigint")),
        WireColumn("Größe", pa.string(), pg_type("", "public.box3d")),
        WireColumn("at", pa.string(), pg_type("timestamp_recv", "timestamp without time zone")),
        WireColumn("price", pa.list_(pa.float64()), pg_type("numeric_recv", "numeric(9,2)")),
    ]
    assert text_reasons(columns) == (
        "Größe: no binary encoder from string to public.box3d",
        "price: no binary encoder from list<item: double> to numeric(9,2)",
    )


def test_a_table_whose_columns_all_have_encoders_has_no_reasons() -> None:
    columns = [WireColumn("id", pa.int64(), pg_type("int8recv")), WireColumn("mood", pa.string(), pg_type("enum_recv"))]
    assert text_reasons(columns) == ()
    assert text_reasons([]) == ()


def test_a_table_goes_as_text_only_where_what_costs_more_as_binary_outweighs_the_rest() -> None:
    number = WireColumn("n", pa.int32(), pg_type("int4recv"))
    key = WireColumn("key", pa.string(), pg_type("uuid_recv", "uuid"))
    array = PgType("integer[]", "array_recv", element=pg_type("int4recv"))
    scores = WireColumn("scores", pa.string(), array)
    assert text_reasons([number, scores]) == ("scores: integer[] costs less as text",)
    assert text_reasons([number, scores, key]) == ()


def test_the_format_chooses_the_stream() -> None:
    columns = [WireColumn("id", pa.int64(), pg_type("int8recv"))]
    assert isinstance(stream_encoder(columns, CopyFormat.BINARY), BinaryEncoder)
    assert isinstance(stream_encoder(columns, CopyFormat.TEXT), TextEncoder)
