from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import asyncpg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbrestore.wire.text import TextColumn, TextEncoder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from dbrestore.testing.postgres import PostgresServer

AWKWARD = [
    "", "\\.", "\\N", "\\", "\\\\", "\\n", "\t", "\n", "\r", "\r\n", "a\tb", "\\.\n", "\x7f", "\x01\b\f\v",
    "'\"`,;{}()", "NULL", "null", " ", "  trailing  ", "🐘", "e\N{COMBINING ACUTE ACCENT}",
    "\N{RIGHT-TO-LEFT OVERRIDE}x",
    "\N{NO-BREAK SPACE}", "\\x41", "\\101", "x" * 100_000, "\\\t\n\r" * 1000,
]  # fmt: skip


@pytest.fixture
async def connection(server: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server.dsn(), statement_cache_size=0)
    yield connection
    await connection.close()


async def loaded(
    connection: asyncpg.Connection, kinds: Sequence[str], *arrays: pa.Array, cast: str = ""
) -> list[tuple[Any, ...]]:
    """What a table with columns of these types holds after it took the arrays, in the order of its rows."""
    names = [f"column {number}" for number in range(len(arrays))]
    columns = ", ".join(f'"{name}" {kind}' for name, kind in zip(names, kinds, strict=True))
    encoder = TextEncoder([TextColumn(name) for name in names])

    async def source() -> AsyncIterator[bytes]:
        for buffer in encoder.encode(pa.record_batch(list(arrays), names)):
            yield buffer

    async with connection.transaction():
        await connection.execute(f"CREATE TEMP TABLE loaded (row serial, {columns}) ON COMMIT DROP")
        await connection.copy_to_table("loaded", columns=names, source=source(), format="text")
        values = ", ".join(f'"{name}"{cast}' for name in names)
        return [tuple(row) for row in await connection.fetch(f"SELECT {values} FROM loaded ORDER BY row")]


async def loaded_column(connection: asyncpg.Connection, kind: str, array: pa.Array, cast: str = "") -> list[Any]:
    return [value for (value,) in await loaded(connection, [kind], array, cast=cast)]


async def test_awkward_texts_load_as_they_are_alone_and_beside_others(connection: asyncpg.Connection) -> None:
    values = [*AWKWARD, None, *AWKWARD]
    assert await loaded_column(connection, "text", pa.array(values)) == values
    pairs = await loaded(connection, ["text", "text"], pa.array(values), pa.array(values[::-1]))
    assert pairs == list(zip(values, values[::-1], strict=True))


@pytest.mark.parametrize("value", [*AWKWARD, None], ids=lambda value: ascii(value)[:20])
async def test_a_table_of_one_value_loads_it(connection: asyncpg.Connection, value: str | None) -> None:
    assert await loaded_column(connection, "text", pa.array([value], pa.string())) == [value]


async def test_every_byte_loads_as_it_is(connection: asyncpg.Connection) -> None:
    values = [bytes(range(256)), b"", None, *(bytes([byte]) for byte in range(256))]
    assert await loaded_column(connection, "bytea", pa.array(values, pa.binary())) == values
    fixed = [bytes(range(16)), None, b"\\" * 16]
    assert await loaded_column(connection, "bytea", pa.array(fixed, pa.binary(16))) == fixed


async def test_floats_load_bit_for_bit(connection: asyncpg.Connection) -> None:
    double = [
        float("nan"),
        float("inf"),
        float("-inf"),
        -0.0,
        0.0,
        5e-324,
        1.7976931348623157e308,
        0.1,
        None,
        1e21,
        1e-7,
    ]
    assert list(map(repr, await loaded_column(connection, "float8", pa.array(double)))) == list(map(repr, double))
    single = pa.array([0.1, 3.4028234663852886e38, 1e-45, float("nan"), -0.0, None], pa.float32())
    values = await loaded_column(connection, "float4", single)
    assert list(map(repr, pa.array(values, pa.float32()).to_pylist())) == list(map(repr, single.to_pylist()))


async def test_decimals_load_with_their_scale(connection: asyncpg.Connection) -> None:
    values = ["1.50", "-0.01", None, "0.00", "99999999999999999999999999999999999.99"]
    small = pa.array([1, None, 12345]).cast(pa.decimal128(30, 0)).cast(pa.decimal128(38, 10))
    decimals = pa.array(values).cast(pa.decimal256(60, 2))
    assert list(map(str, await loaded_column(connection, "numeric", decimals))) == [str(value) for value in values]
    tiny = pa.array([Decimal("1E-30"), None], pa.decimal128(38, 30))
    assert await loaded_column(connection, "text", tiny) == ["0." + "0" * 29 + "1", None]
    assert await loaded_column(connection, "numeric", small) == [Decimal(1), None, Decimal(12345)]


async def test_typed_timestamps_of_any_unit_and_zone_load_as_the_same_instant(connection: asyncpg.Connection) -> None:
    await connection.execute("SET timezone = 'America/New_York'")
    instants = [datetime(1900, 1, 1, 5, tzinfo=UTC), None, datetime(2024, 7, 1, 12, 34, 56, tzinfo=UTC)]
    naive = [value and value.replace(tzinfo=None) for value in instants]
    for unit in ("s", "ms", "us", "ns"):
        for zone in ("UTC", "Asia/Kolkata"):
            array = pa.array(instants, pa.timestamp("us", "UTC")).cast(pa.timestamp(unit, zone))
            assert await loaded_column(connection, "timestamptz", array) == instants
            assert await loaded_column(connection, "timestamp", array) == naive


async def test_typed_dates_and_times_load_as_they_are(connection: asyncpg.Connection) -> None:
    dates = [date(1, 1, 1), None, date(9999, 12, 31), date(2024, 2, 29)]
    assert await loaded_column(connection, "date", pa.array(dates)) == dates
    times = [time(0), time(23, 59, 59, 999999), None]
    assert await loaded_column(connection, "time", pa.array(times, pa.time64("us"))) == times
    assert await loaded_column(connection, "time", pa.array([time(1, 2, 3)], pa.time32("s"))) == [time(1, 2, 3)]


async def test_typed_dates_and_timestamps_of_any_era_load_as_they_are(connection: asyncpg.Connection) -> None:
    days = pa.array([-719_163, -2_440_588, 2_932_897, 2_145_042_905], pa.int32()).cast(pa.date32())
    assert await loaded_column(connection, "date", days, cast="::text") == [
        "0001-12-31 BC", "4714-11-24 BC", "10000-01-01", "5874897-12-31",
    ]  # fmt: skip
    moments = pa.array([-62_135_596_800_000_001, -210_866_803_200_000_000, 2**63 - 1], pa.timestamp("us", "UTC"))
    assert await loaded_column(connection, "timestamptz", moments, cast="::text") == [
        "0001-12-31 23:59:59.999999+00 BC", "4714-11-24 00:00:00+00 BC", "294247-01-10 04:00:54.775807+00",
    ]  # fmt: skip


async def test_types_without_binary_encoder_load_from_their_text(connection: asyncpg.Connection) -> None:
    texts = {
        "interval": ["1 year 2 mons -3 days +04:05:06.789", None, "-00:00:01"],
        "time": ["24:00:00", "00:00:00", "23:59:59.999999"],
        "timetz": ["12:00:00+05:30", "24:00:00-15:59"],
        "int4range": ["[1,10)", "empty", "(,)", None],
        "text[]": ['{a,NULL,"NULL","","\\\\","\\"",🐘}', "{}", "[5:6]={x,y}"],
        "money": ["$1.50", "-$92,233,720,368,547,758.08"],
        "bit varying": ["", "101", None],
        "point": ["(1.5,-0)", None],
    }
    for kind, values in texts.items():
        assert await loaded_column(connection, kind, pa.array(values), cast="::text") == values


async def test_rows_of_nulls_alone_load(connection: asyncpg.Connection) -> None:
    assert await loaded_column(connection, "text", pa.nulls(1, pa.string())) == [None]
    assert (
        await loaded(connection, ["text", "bytea", "int4"], pa.nulls(3), pa.nulls(3, pa.binary()), pa.nulls(3))
        == [(None, None, None)] * 3
    )


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
            st.none() | st.binary(max_size=20),
            st.none() | st.text("\\.Nntrx0\t\n\r", max_size=6),
        ),
        min_size=1,
        max_size=100,
    )
)
async def test_any_texts_and_bytes_load_as_they_are(
    connection: asyncpg.Connection, rows: list[tuple[str | None, bytes | None, str | None]]
) -> None:
    texts, contents, awkward = zip(*rows, strict=True)
    arrays = pa.array(texts, pa.string()), pa.array(contents, pa.binary()), pa.array(awkward, pa.string())
    assert await loaded(connection, ["text", "bytea", "text"], *arrays) == rows
