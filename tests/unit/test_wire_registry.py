from __future__ import annotations

import pyarrow as pa
import pytest

from dbrestore.wire import numeric, scalars, temporal, uuids
from dbrestore.wire.binary import BinaryEncoder
from dbrestore.wire.registry import CopyFormat, PgType, WireColumn, find_encoder, stream_encoder, text_reasons
from dbrestore.wire.text import TextEncoder

TEXTUAL = {25: "text", 114: "json", 1042: "bpchar", 1043: "varchar"}
TAKEN = {
    16: {pa.bool_()},
    17: {pa.binary()},
    20: {pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32(), pa.uint64()},
    21: {pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32(), pa.uint64()},
    23: {pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32(), pa.uint64()},
    700: {pa.float32()},
    701: {pa.float32(), pa.float64()},
    1082: {pa.string(), pa.date32()},
    1114: {pa.string(), pa.timestamp("ns"), pa.timestamp("s", "UTC")},
    1184: {pa.string(), pa.timestamp("ns"), pa.timestamp("s", "UTC")},
    1700: {
        pa.string(), pa.decimal128(9, 2), pa.decimal256(60, 3), pa.int8(), pa.int16(), pa.int32(), pa.int64(),
        pa.uint8(), pa.uint32(), pa.uint64(),
    },
    2950: {pa.string()},
    3802: {pa.string()},
    **{oid: {pa.string()} for oid in TEXTUAL},
}  # fmt: skip
WITHOUT_ENCODER = {26: "oid", 19: "name", 142: "xml", 1186: "interval", 1083: "time", 790: "money", 90_000: "geometry"}
SOURCES = {source for sources in TAKEN.values() for source in sources} | {
    pa.date64(),
    pa.time64("us"),
    pa.duration("us"),
    pa.large_string(),
    pa.string_view(),
    pa.large_binary(),
    pa.binary(16),
    pa.dictionary(pa.int32(), pa.string()),
    pa.list_(pa.int32()),
    pa.null(),
}


def column(name: str, source: pa.DataType, oid: int, target: str, *, is_enum: bool = False) -> WireColumn:
    return WireColumn(name, source, PgType(oid, target, is_enum))


@pytest.mark.parametrize("oid", [*TAKEN, *WITHOUT_ENCODER])
def test_a_type_takes_these_sources_and_no_others(oid: int) -> None:
    target = PgType(oid, "any")
    assert {source for source in SOURCES if find_encoder(source, target)} == TAKEN.get(oid, set())


@pytest.mark.parametrize(
    ("source", "oid", "encoder"),
    [
        (pa.string(), 25, scalars.encode_plain),
        (pa.string(), 3802, scalars.encode_jsonb),
        (pa.string(), 1082, temporal.encode_date_text),
        (pa.date32(), 1082, temporal.encode_date),
        (pa.string(), 1114, temporal.encode_timestamp_text),
        (pa.string(), 1184, temporal.encode_timestamptz_text),
        (pa.timestamp("us"), 1184, temporal.encode_timestamp),
        (pa.string(), 1700, numeric.encode_numeric_text),
        (pa.decimal128(9, 2), 1700, numeric.encode_numeric_decimal),
        (pa.int64(), 1700, numeric.encode_numeric_integer),
        (pa.string(), 2950, uuids.encode_uuid),
    ],
)
def test_the_source_chooses_the_encoder(source: pa.DataType, oid: int, encoder: object) -> None:
    assert find_encoder(source, PgType(oid, "any")) is encoder


def test_enums_are_plain_text_whatever_their_oid() -> None:
    assert find_encoder(pa.string(), PgType(90_001, "mood", is_enum=True)) is scalars.encode_plain
    assert find_encoder(pa.binary(), PgType(90_001, "mood", is_enum=True)) is None


def test_reasons_name_column_source_and_target() -> None:
    columns = [
        column("id", pa.int64(), 20, "bigint"),
        column("Größe", pa.string(), 90_002, "public.box3d"),
        column("at", pa.string(), 1114, "timestamp without time zone"),
        column("price", pa.float64(), 1700, "numeric(9,2)"),
    ]
    assert text_reasons(columns) == (
        "Größe: no binary encoder from string to public.box3d",
        "price: no binary encoder from double to numeric(9,2)",
    )


def test_a_table_whose_columns_all_have_encoders_has_no_reasons() -> None:
    assert (
        text_reasons([column("id", pa.int64(), 20, "bigint"), column("mood", pa.string(), 9, "mood", is_enum=True)])
        == ()
    )
    assert text_reasons([]) == ()


def test_the_format_chooses_the_stream() -> None:
    columns = [column("id", pa.int64(), 20, "bigint")]
    assert isinstance(stream_encoder(columns, CopyFormat.BINARY), BinaryEncoder)
    assert isinstance(stream_encoder(columns, CopyFormat.TEXT), TextEncoder)
