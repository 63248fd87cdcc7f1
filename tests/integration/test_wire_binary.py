from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import asyncpg
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbrestore.wire import compiled, hexadecimal, numeric, scalars, temporal
from dbrestore.wire.binary import BinaryColumn, BinaryEncoder
from dbrestore.wire.registry import CopyFormat, stream_encoder
from tests.integration.encoding import TRY_CAST, damaged, find_column, is_taken, loaded, printed, sent_by_server, stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dbrestore.testing.postgres import PostgresServer
    from tests.integration.encoding import Encode

modest = settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])

TEXT_ENCODERS: dict[str, Encode] = {
    "text": scalars.encode_plain,
    "varchar": scalars.encode_plain,
    "bpchar": scalars.encode_plain,
    "json": scalars.encode_plain,
    "jsonb": scalars.encode_version_1,
    "uuid": hexadecimal.UUID.encode,
    "numeric": numeric.numeric_text_encoder(-1),
    "date": temporal.encode_date_text,
    "timestamp": temporal.timestamp_text_encoder(-1),
    "timestamptz": temporal.timestamptz_text_encoder(-1),
}


@pytest.fixture
async def connection(server: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server.dsn())
    await connection.execute("SET extra_float_digits = 1")
    yield connection
    await connection.close()


GOLDEN_TEXTS = {
    "text": ["", "a", "naïve 🐘", "\t\n\r\\.\\N", "\x7f\x01", "x" * 5000, None],
    "varchar": ["", "  two spaces  ", None],
    "bpchar": ["", "padded   ", None],
    "json": ["{}", '{"b": 1,  "a":\t2, "a": "\\u00e9"}', None, "1e400"],
    "jsonb": ['{"a": [1, 2.50, null, {"b": "🐘\\n"}]}', "null", "[]", "{}", '""', None, "-0.0"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", None,
             "01234567-89ab-cdef-fedc-ba9876543210"],
    "date": ["2000-01-01", "1999-12-31", "0001-01-01", "9999-12-31", None, "10000-01-01", "5874897-12-31", "infinity",
             "0001-12-31 BC", "4714-11-24 BC", "-infinity", "2024-02-29", "1900-02-28", "0005-02-28 BC"],
    "timestamp": ["2000-01-01 00:00:00", "1999-12-31 23:59:59.999999", "2020-04-14 15:26:29.000577", "infinity", None,
                  "2020-04-14 15:26:29.5", "-infinity", "0001-01-01 00:00:00", "0001-12-31 23:59:59.999999 BC",
                  "4714-11-24 00:00:00 BC", "294276-12-31 23:59:59.999999", "10000-01-01 00:00:00",
                  "9999-12-31 23:59:59"],
    "timestamptz": ["2000-01-01 00:00:00+00", "2000-01-01 05:30:00+05:30", "1883-11-18 12:03:57-04:56:02", "infinity",
                    "2020-04-14 15:26:29.000577-08", "-infinity", None, "0001-01-01 00:00:00+01",
                    "12345-06-07 08:09:10+00", "4714-11-24 00:00:00+00 BC",
                    "294276-12-31 23:59:59.999999+00", "0044-03-15 12:00:00.5+00:50 BC",
                    "2000-01-01 00:00:00+15:59", "2000-01-01 00:00:00-15:59"],
}  # fmt: skip
GOLDEN_TYPED: list[tuple[str, Encode, list[Any], pa.DataType]] = [
    ("int2", scalars.integer_encoder(2), [0, 1, -1, None, 2**15 - 1, -(2**15)], pa.int16()),
    ("int4", scalars.integer_encoder(4), [0, 1, -1, None, 2**31 - 1, -(2**31)], pa.int32()),
    ("int8", scalars.integer_encoder(8), [0, 1, -1, None, 2**63 - 1, -(2**63)], pa.int64()),
    ("int8", scalars.integer_encoder(8), [0, 2**32 - 1, None], pa.uint32()),
    ("int8", scalars.integer_encoder(8), [0, 2**63 - 1, None], pa.uint64()),
    ("float4", scalars.float_encoder(4), [0.0, -0.0, 1.5, None, 1e-45, 3.4028234663852886e38], pa.float32()),
    ("float4", scalars.float_encoder(4), [float("inf"), float("-inf"), float("nan")], pa.float32()),
    ("float8", scalars.float_encoder(8), [0.0, -0.0, 0.1, None, 5e-324, 1.7976931348623157e308], pa.float64()),
    ("float8", scalars.float_encoder(8), [float("inf"), float("-inf"), float("nan")], pa.float64()),
    ("boolean", scalars.encode_boolean, [True, False, None], pa.bool_()),
]


@pytest.mark.parametrize("kind", GOLDEN_TEXTS)
async def test_texts_are_encoded_as_the_server_sends_them(connection: asyncpg.Connection, kind: str) -> None:
    texts = GOLDEN_TEXTS[kind] if kind != "jsonb" else await printed(connection, kind, GOLDEN_TEXTS[kind])
    assert stream(pa.array(texts), TEXT_ENCODERS[kind]) == await sent_by_server(connection, kind, texts)


SHORT_NUMERICS = ["0", "0.00", "1", "-1", "10000", "12345678.90", "0.00000005", "-0.0001", "99999999.9999", None,
            "1e20", "123456789012345678901234567890.1234567890", "100000000", "NaN",
            "0.1000", "1000000000000.00010"]  # fmt: skip


@pytest.mark.parametrize("kind", [*GOLDEN_TEXTS, "numeric"])
async def test_a_stream_is_the_very_one_that_the_server_sends(connection: asyncpg.Connection, kind: str) -> None:
    texts = await printed(connection, kind, SHORT_NUMERICS if kind == "numeric" else GOLDEN_TEXTS[kind])
    encoder = stream_encoder([await find_column(connection, kind, pa.string())], CopyFormat.BINARY)
    if not compiled.IS_THERE and kind == "numeric":
        pytest.skip("the encoder in Python leaves zeros at the ends of numerics")
    rows = b"".join(map(bytes, encoder.encode(pa.record_batch([pa.array(texts)], ["value"]))))
    assert encoder.header + rows + encoder.trailer == await sent_by_server(connection, kind, texts)


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
async def test_texts_that_need_no_slow_path_are_encoded_as_the_server_sends_them(
    connection: asyncpg.Connection, kind: str
) -> None:
    texts = [text for text in GOLDEN_TEXTS[kind] if text and text[4] == "-" and "BC" not in text]
    assert stream(pa.array(texts), TEXT_ENCODERS[kind]) == await sent_by_server(connection, kind, texts)


@pytest.mark.parametrize(("kind", "encode", "values", "source"), GOLDEN_TYPED, ids=lambda value: str(value)[:8])
async def test_typed_values_are_encoded_as_the_server_sends_them(
    connection: asyncpg.Connection, kind: str, encode: Encode, values: list[Any], source: pa.DataType
) -> None:
    texts = [value if value is None else str(value) for value in values]
    assert stream(pa.array(values, source), encode) == await sent_by_server(connection, kind, texts)


async def test_bytes_are_encoded_as_the_server_sends_them(connection: asyncpg.Connection) -> None:
    values = [b"", None, b"\0", bytes(range(256)), *(bytes([byte]) for byte in range(256))]
    texts = [value if value is None else f"\\x{value.hex()}" for value in values]
    sent = await sent_by_server(connection, "bytea", texts)
    assert stream(pa.array(values, pa.binary()), scalars.encode_plain) == sent


async def test_enums_are_encoded_as_the_server_sends_them(connection: asyncpg.Connection) -> None:
    await connection.execute("""CREATE TYPE pg_temp.mood AS ENUM ('', 'sad', 'so, "so"', '🐘')""")
    texts = ["🐘", None, 'so, "so"', "", "sad"]
    sent = await sent_by_server(connection, "pg_temp.mood", texts)
    assert stream(pa.array(texts), scalars.encode_plain) == sent


async def test_typed_dates_and_timestamps_are_encoded_as_the_server_sends_them(connection: asyncpg.Connection) -> None:
    days = pa.array([0, -1, None, 10_957, -719_162, -2_440_588], pa.int32()).cast(pa.date32())
    dates = ["1970-01-01", "1969-12-31", None, "2000-01-01", "0001-01-01", "4714-11-24 BC"]
    assert stream(days, temporal.encode_date) == await sent_by_server(connection, "date", dates)
    moments = ["1970-01-01 00:00:00", None, "1969-12-31 23:59:59"]
    for unit, kind in [("s", "timestamp"), ("ms", "timestamp"), ("us", "timestamptz"), ("ns", "timestamptz")]:
        array = pa.array([0, None, -1], pa.timestamp("s", "UTC")).cast(pa.timestamp(unit, "UTC"))
        assert stream(array, temporal.timestamp_encoder(-1)) == await sent_by_server(connection, kind, moments)


NUMERICS = [
    "0", "0.000", "1", "-1", "1.50", "0.1", "0.0001", "0.00001", "1000", "10000", "100000000", "9999.9999",
    "-12345.678900", None, "NaN", "1" + "0" * 400, "0." + "0" * 400 + "1", "9" * 1000 + "." + "9" * 1000, "9" * 131_072,
    "0." + "0" * 16_382 + "1", "-9223372036854775808", "-922337203685477580.8", "18446744073709552",
    "0.9999999999999999",
]  # fmt: skip


async def test_numerics_load_as_the_server_prints_them(connection: asyncpg.Connection) -> None:
    # Not compared by bytes: zero digits before and after the others are the encoder's, numeric_recv strips them.
    texts = [*NUMERICS, *(["Infinity", "-Infinity"] if connection.get_server_version().major >= 14 else [])]
    for batch in (texts, texts[:13], [None, *texts[:13]], [text for text in texts if text]):
        array = pa.array(batch, pa.string())
        assert await loaded(connection, "numeric", array, numeric.numeric_text_encoder(-1)) == batch


async def test_numerics_without_needless_zeros_are_encoded_as_the_server_sends_them(
    connection: asyncpg.Connection,
) -> None:
    texts = ["1.5000", "-20002", "NaN", None, "12345678.9012"]
    for text in texts:
        sent = await sent_by_server(connection, "numeric", [text])
        assert stream(pa.array([text], pa.string()), numeric.numeric_text_encoder(-1)) == sent


async def test_decimals_and_integers_load_as_numerics(connection: asyncpg.Connection) -> None:
    integers = pa.array([2**64 - 1, None, 0], pa.uint64())
    assert await loaded(connection, "numeric", integers, numeric.numeric_integer_encoder(-1)) == [
        str(2**64 - 1),
        None,
        "0",
    ]
    for kind in (pa.decimal128(16, 3), pa.decimal128(38, 3), pa.decimal256(76, 3)):
        decimals = pa.array(["-1234567890123.456", "0", None, "9999999999999.999"]).cast(kind)
        assert await loaded(connection, "numeric", decimals, numeric.numeric_decimal_encoder(-1)) == [
            "-1234567890123.456", "0.000", None, "9999999999999.999",
        ]  # fmt: skip
    thousands = pa.array([1000, None], pa.decimal128(6, 0)).cast(pa.decimal128(3, -3))
    assert await loaded(connection, "numeric", thousands, numeric.numeric_decimal_encoder(-1)) == ["1000", None]


async def test_every_column_of_a_wide_table_loads_with_nulls_anywhere_and_from_slices(
    connection: asyncpg.Connection,
) -> None:
    columns = {f"{kind} column": (kind, GOLDEN_TEXTS[kind][0]) for kind in GOLDEN_TEXTS}
    definitions = ", ".join(f'"{name}" {kind}' for name, (kind, _) in columns.items())
    await connection.execute(f"CREATE TEMP TABLE wide (n int4, {definitions})")
    rows = 60
    arrays = [pa.array(range(rows), pa.int32())] + [
        pa.array([value if (row + place) % 3 and 0 < row < rows - 1 else None for row in range(rows)], pa.string())
        for place, (_, value) in enumerate(columns.values())
    ]
    batch = pa.record_batch(arrays, ["n", *columns])
    encoders = [BinaryColumn(name, TEXT_ENCODERS[kind]) for name, (kind, _) in columns.items()]
    encoder = BinaryEncoder([BinaryColumn("n", scalars.integer_encoder(4)), *encoders])

    async def source() -> AsyncIterator[bytes]:
        yield encoder.header
        for start, length in [(0, 1), (1, 30), (31, 0), (31, 28), (59, 1)]:
            for buffer in encoder.encode(batch.slice(start, length)):
                yield buffer
        yield encoder.trailer

    await connection.copy_to_table("wide", columns=batch.schema.names, source=source(), format="binary")
    casts = ", ".join(f'"{name}"::text' for name in columns)
    taken = await connection.fetch(f"SELECT n, {casts} FROM wide ORDER BY n")
    assert [list(row.values()) for row in taken] == [list(row.values()) for row in batch.to_pylist()]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc🐘"), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
digits = st.text("0123456789", min_size=1, max_size=1000)
SOURCES = {
    "text": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50),
    "jsonb": json_values,
    "json": json_values,
    "uuid": st.uuids(),
    "numeric": st.integers(-(10**18), 10**18)
    | st.decimals(allow_nan=True, allow_infinity=False).map(lambda value: "NaN" if value.is_nan() else f"{value:f}")
    | st.builds("{}{}.{}".format, st.sampled_from(["", "-"]), digits, digits),
}


def input_text(kind: str, value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if kind in {"json", "jsonb"} else str(value)


@pytest.mark.parametrize("kind", SOURCES)
@modest
@given(data=st.data())
async def test_what_the_server_prints_loads_as_what_it_was(
    connection: asyncpg.Connection, kind: str, data: st.DataObject
) -> None:
    values = data.draw(st.lists(st.none() | SOURCES[kind], max_size=100))
    texts = await printed(connection, kind, [value if value is None else input_text(kind, value) for value in values])
    assert await loaded(connection, kind, pa.array(texts, pa.string()), TEXT_ENCODERS[kind]) == texts


def instants(first: int, end: int, near: int, bits: int) -> st.SearchStrategy[int]:
    """Ticks since 2000-01-01: any, those within four-digit years, and both infinities."""
    infinities = st.sampled_from([-(1 << bits - 1), (1 << bits - 1) - 1])
    return st.integers(first, end - 1) | st.integers(-near, near) | st.integers(-5, 5) | infinities


@pytest.mark.parametrize(
    ("kind", "width", "values"),
    [
        ("date", 4, instants(temporal.MIN_DAY, temporal.END_DAY, 10**5, 32)),
        ("timestamp", 8, instants(temporal.MIN_MICROSECOND, temporal.END_MICROSECOND, 10**16, 64)),
        ("timestamptz", 8, instants(temporal.MIN_MICROSECOND, temporal.END_MICROSECOND, 10**16, 64)),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
@modest
@given(data=st.data())
async def test_instants_of_any_era_load_as_what_they_were(
    connection: asyncpg.Connection,
    kind: str,
    width: int,
    values: st.SearchStrategy[int],
    zone: str,
    data: st.DataObject,
) -> None:
    await connection.execute(f"SET timezone = '{zone}'")
    ticks = pa.array(data.draw(st.lists(st.none() | values, max_size=100)), pa.int64() if width == 8 else pa.int32())
    # The payload of an instant is that of an integer, so that the server can be given any of them.
    texts = await loaded(connection, kind, ticks, scalars.integer_encoder(width))
    assert stream(pa.array(texts, pa.string()), TEXT_ENCODERS[kind]) == stream(ticks, scalars.integer_encoder(width))


@pytest.mark.parametrize(
    ("kind", "source", "width", "values"),
    [
        ("float4", pa.float32(), 4, st.floats(width=32)),
        ("float8", pa.float64(), 8, st.floats()),
    ],
)
@modest
@given(data=st.data())
async def test_floats_load_as_what_they_were(
    connection: asyncpg.Connection,
    kind: str,
    source: pa.DataType,
    width: int,
    values: st.SearchStrategy[float],
    data: st.DataObject,
) -> None:
    numbers = data.draw(st.lists(values, max_size=100))
    texts = await loaded(connection, kind, pa.array(numbers, source), scalars.float_encoder(width))
    dtype = np.dtype(f"f{width}")
    assert [repr(dtype.type(text)) for text in texts] == [repr(dtype.type(number)) for number in numbers]


@pytest.mark.parametrize("width", [2, 4, 8])
@modest
@given(data=st.data())
async def test_integers_load_as_what_they_were(connection: asyncpg.Connection, width: int, data: st.DataObject) -> None:
    limit = 2 ** (8 * width - 1)
    numbers = data.draw(st.lists(st.none() | st.integers(-limit, limit - 1), max_size=100))
    texts = await loaded(connection, f"int{width}", pa.array(numbers, pa.int64()), scalars.integer_encoder(width))
    assert texts == [None if number is None else str(number) for number in numbers]


@modest
@given(values=st.lists(st.none() | st.binary(max_size=100), max_size=100))
async def test_bytes_load_as_what_they_were(connection: asyncpg.Connection, values: list[bytes | None]) -> None:
    texts = await loaded(connection, "bytea", pa.array(values, pa.binary()), scalars.encode_plain)
    assert texts == [None if value is None else f"\\x{value.hex()}" for value in values]


@pytest.mark.parametrize(
    ("kind", "texts", "alphabet"),
    [
        ("numeric", ["0", "-12.50", "99999999999.9999", "1e5", "NaN", "0.00000000000000000000001"],
         "0123456789.-+eExN_ \t"),
        ("date", ["2024-02-29", "0001-01-01", "0044-03-15 BC", "10000-12-31", "infinity"], "0123456789-/ BCTi"),
        ("timestamp", ["2024-02-29 23:59:59.999999", "0001-01-01 00:00:00", "0044-03-15 12:00:00 BC"],
         "0123456789:. T"),
        ("timestamptz", ["2024-02-29 23:59:59.5+05:30", "0001-01-01 00:00:00-01", "1883-11-18 12:00:00-04:56:02"],
         "0123456789:.+- TZ"),
        ("uuid", ["01234567-89ab-cdef-0123-456789abcdef"], "0123456789abcdefgABCDEFG-{} "),
    ],
)  # fmt: skip
async def test_no_damaged_text_loads_as_another_value_than_the_server_reads_in_it(
    connection: asyncpg.Connection, kind: str, texts: list[str], alphabet: str
) -> None:
    await connection.execute(TRY_CAST)
    tried = sorted({tried for text in texts for tried in damaged(text, alphabet)})
    taken = [text for text in tried if is_taken(text, TEXT_ENCODERS[kind])]
    calls = "SELECT array_agg(pg_temp.try_cast(value, $2::text::regtype) ORDER BY row)"
    query = f"{calls} FROM unnest($1::text[]) WITH ORDINALITY AS t (value, row)"
    expected = await connection.fetchval(query, taken, kind) or []
    for text, read in zip(taken, expected, strict=True):
        # Arrow takes offsets up to 23:59, the server up to 15:59: nobody can read them otherwise.
        assert read is not None or (kind == "timestamptz" and has_wide_offset(text)), text
    pairs = [(text, read) for text, read in zip(taken, expected, strict=True) if read is not None]
    array = pa.array([text for text, _ in pairs], pa.string())
    assert await loaded(connection, kind, array, TEXT_ENCODERS[kind]) == [read for _, read in pairs]


def has_wide_offset(text: str) -> bool:
    offset = max(text.rfind("+"), text.rfind("-"))
    return int(text[offset + 1 : offset + 3]) > 15
