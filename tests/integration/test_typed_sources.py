"""Parquet files with the types that RDS does not use for PostgreSQL today, through both formats of COPY."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dbrestore.export.rows import read_batches
from dbrestore.wire.fields import UnencodableError
from dbrestore.wire.registry import CopyFormat, stream_encoder
from tests.integration.encoding import find_column

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import asyncpg


@dataclass(frozen=True)
class Case:
    """A column of a file, a type of the target, and what is in the target then."""

    values: pa.Array
    kind: str
    texts: list[str | None]
    physical: str
    """As Parquet stores it."""
    options: dict[str, Any] = field(default_factory=dict)
    """Of the writer."""

    def __str__(self) -> str:
        return f"{self.physical} {self.values.type} to {self.kind}"


def decimals(precision: int, scale: int, *values: str | None) -> pa.Array:
    return pa.array([value and Decimal(value) for value in values], pa.decimal128(precision, scale))


def of_every_era() -> pa.Array:
    return pa.array([datetime(1, 1, 1), datetime(1677, 1, 1), None, datetime(9999, 12, 31, 23, 59, 59, 999999)])


AS_INTEGER = {"store_decimal_as_integer": True}
INT96 = {"use_deprecated_int96_timestamps": True}
ERAS = ["0001-01-01 00:00:00", "1677-01-01 00:00:00", None, "9999-12-31 23:59:59.999999"]
MOMENT = datetime(2020, 4, 14, 15, 26, 29, 577000)
UUID_BYTES = bytes(range(16))
UUID_TEXT = "00010203-0405-0607-0809-0a0b0c0d0e0f"

CASES = [
    Case(decimals(9, 2, "1.50", None, "-9999999.99"), "numeric", ["1.50", None, "-9999999.99"], "INT32", AS_INTEGER),
    Case(decimals(9, 2, "1.50", None), "numeric(9,3)", ["1.500", None], "INT32", AS_INTEGER),
    Case(decimals(18, 4, "-0.0001", "99999999999999"), "numeric", ["-0.0001", "99999999999999.0000"], "INT64",
         AS_INTEGER),
    Case(decimals(12, 2, "0.01", None), "numeric", ["0.01", None], "FIXED_LEN_BYTE_ARRAY"),
    Case(decimals(38, 18, "99999999999999999999.999999999999999999", "-1"), "numeric(38,18)",
         ["99999999999999999999.999999999999999999", "-1.000000000000000000"], "FIXED_LEN_BYTE_ARRAY"),
    Case(pa.array([Decimal("1" * 70), None], pa.decimal256(76, 6)), "numeric", ["1" * 70 + ".000000", None],
         "FIXED_LEN_BYTE_ARRAY"),
    Case(decimals(9, 2, "1.50"), "float8", ["1.5"], "INT32", AS_INTEGER),
    Case(pa.array([date(1, 1, 1), None, date(9999, 12, 31)]), "date", ["0001-01-01", None, "9999-12-31"], "INT32"),
    Case(pa.array([date(2020, 2, 29)]), "timestamp", ["2020-02-29 00:00:00"], "INT32"),
    Case(pa.array([0, 86_399_999, None], pa.time32("ms")), "time", ["00:00:00", "23:59:59.999", None], "INT32"),
    Case(pa.array([1, 86_399_999_999], pa.time64("us")), "time", ["00:00:00.000001", "23:59:59.999999"], "INT64"),
    Case(pa.array([1_000, None], pa.time64("ns")), "time", ["00:00:00.000001", None], "INT64"),
    Case(pa.array([MOMENT, None], pa.timestamp("ms")), "timestamp", ["2020-04-14 15:26:29.577", None], "INT64"),
    Case(pa.array([MOMENT], pa.timestamp("us")), "timestamp", ["2020-04-14 15:26:29.577"], "INT64"),
    Case(pa.array([MOMENT], pa.timestamp("ns")), "timestamp", ["2020-04-14 15:26:29.577"], "INT64"),
    Case(pa.array([MOMENT.replace(tzinfo=UTC)], pa.timestamp("ms", "UTC")), "timestamptz",
         ["2020-04-14 15:26:29.577+00"], "INT64"),
    Case(of_every_era(), "timestamp", ERAS, "INT64"),
    Case(of_every_era(), "timestamp", ERAS, "INT96", INT96),
    Case(of_every_era(), "timestamptz", [text and f"{text}+00" for text in ERAS], "INT96", INT96),
    Case(pa.array([UUID_BYTES, None], pa.uuid()), "uuid", [UUID_TEXT, None], "FIXED_LEN_BYTE_ARRAY"),
    Case(pa.array([UUID_BYTES, None], pa.binary(16)), "uuid", [UUID_TEXT, None], "FIXED_LEN_BYTE_ARRAY"),
    Case(pa.array([UUID_BYTES], pa.binary(16)), "bytea", [f"\\x{UUID_BYTES.hex()}"], "FIXED_LEN_BYTE_ARRAY"),
    Case(pa.array([-128, None, 127], pa.int8()), "smallint", ["-128", None, "127"], "INT32"),
    Case(pa.array([255], pa.uint8()), "smallint", ["255"], "INT32"),
    Case(pa.array([65_535], pa.uint16()), "integer", ["65535"], "INT32"),
    Case(pa.array([2**32 - 1], pa.uint32()), "bigint", [str(2**32 - 1)], "INT32"),
    Case(pa.array([2**63 - 1], pa.uint64()), "bigint", [str(2**63 - 1)], "INT64"),
    Case(pa.array([2**64 - 1, None], pa.uint64()), "numeric", [str(2**64 - 1), None], "INT64"),
    Case(pa.array([7, None], pa.int32()), "bigint", ["7", None], "INT32"),
    Case(pa.array([7], pa.int64()), "smallint", ["7"], "INT64"),
    Case(pa.array([7], pa.int64()), "float8", ["7"], "INT64"),
    Case(pa.array([7], pa.int64()), "text", ["7"], "INT64"),
    Case(pa.array([1.5, None, float("-inf")], pa.float16()), "real", ["1.5", None, "-Infinity"],
         "FIXED_LEN_BYTE_ARRAY"),
    Case(pa.array([0.5, float("nan")], pa.float32()), "float8", ["0.5", "NaN"], "FLOAT"),
    Case(pa.array([0.5, None], pa.float64()), "real", ["0.5", None], "DOUBLE"),
    Case(pa.array(["a\t", None, "a\t", ""]).dictionary_encode(), "text", ["a\t", None, "a\t", ""], "BYTE_ARRAY"),
    Case(pa.array(["1.50", None, "1.50"]).dictionary_encode(), "numeric", ["1.50", None, "1.50"], "BYTE_ARRAY"),
    Case(pa.array(["{1,2}", None]).dictionary_encode(), "integer[]", ["{1,2}", None], "BYTE_ARRAY"),
    Case(pa.array(["é", None], pa.large_string()), "varchar(1)", ["é", None], "BYTE_ARRAY"),
    Case(pa.array(["1 day", None], pa.large_string()), "interval", ["1 day", None], "BYTE_ARRAY"),
    Case(pa.array([b"\0\\", None], pa.large_binary()), "bytea", ["\\x005c", None], "BYTE_ARRAY"),
    Case(pa.array(['{"a": 1}', None], pa.json_()), "jsonb", ['{"a": 1}', None], "BYTE_ARRAY"),
    Case(pa.array([True, None, False]), "boolean", ["true", None, "false"], "BOOLEAN"),
]  # fmt: skip


@pytest.fixture
async def connection(scratch: asyncpg.Connection) -> asyncpg.Connection:
    await scratch.execute("SET timezone = 'UTC'")
    return scratch


def written(values: pa.Array, path: Path, options: dict[str, Any]) -> tuple[str, pa.DataType]:
    """Write a file; its physical type, and its type as the footer has it."""
    pq.write_table(pa.table({"value": values}), path, **options)
    schema = pq.read_metadata(path).schema
    return schema.column(0).physical_type, schema.to_arrow_schema().field(0).type


async def loaded_file(
    connection: asyncpg.Connection, path: Path, source: pa.DataType, kind: str, copy_format: CopyFormat
) -> list[str | None]:
    encoder = stream_encoder([await find_column(connection, kind, source)], copy_format)

    async def stream() -> AsyncIterator[Any]:
        yield encoder.header
        for batch in read_batches(path, "a part", ["value"]):
            for buffer in encoder.encode(batch):
                yield buffer
        yield encoder.trailer

    await connection.execute(f"CREATE TEMP TABLE loaded (row serial, value {kind})")
    await connection.copy_to_table("loaded", columns=["value"], source=stream(), format=copy_format.value)
    return [row["value"] for row in await connection.fetch("SELECT value::text FROM loaded ORDER BY row")]


@pytest.mark.parametrize("copy_format", CopyFormat)
@pytest.mark.parametrize("store_schema", [True, False], ids=["Arrow's file", "another writer's file"])
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_typed_values_of_a_file_load_as_they_are(
    case: Case, store_schema: bool, copy_format: CopyFormat, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "part.parquet"
    physical, source = written(case.values, path, {"store_schema": store_schema, **case.options})
    assert physical == case.physical
    assert await loaded_file(connection, path, source, case.kind, copy_format) == case.texts


@pytest.mark.parametrize("copy_format", CopyFormat)
@pytest.mark.parametrize(
    ("values", "kind", "shown"),
    [
        (pa.array([0, None, 1], pa.timestamp("ns")), "timestamp", "1970-01-01 00:00:00.000000001"),
        (pa.array([0, None, 1], pa.time64("ns")), "time", "00:00:00.000000001"),
        (pa.array([0, None, 2**40], pa.int64()), "integer", 2**40),
        (pa.array([0, None, 2**63], pa.uint64()), "bigint", 2**63),
        (decimals(9, 2, "1", None, "1.05"), "numeric(9,1)", "1.05"),
        (pa.array([0, None, 0.1]), "real", 0.1),
        (pa.array([0, None, 86_400_000], pa.timestamp("ms")), "date", "1970-01-02 00:00:00.000000"),
        (pa.array([0, None, 2**60], pa.timestamp("ms")), "timestamp", "36536598-01-28 21:54:06.976"),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
async def test_a_typed_value_that_would_change_is_refused_in_both_formats(
    values: pa.Array, kind: str, shown: object, copy_format: CopyFormat, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "part.parquet"
    _, source = written(values.slice(2) if kind == "date" else values, path, {})
    with pytest.raises(UnencodableError) as caught:
        await loaded_file(connection, path, source, kind, copy_format)
    assert (caught.value.value, caught.value.column) == (shown, "value")
