"""Real exports, of Aurora MySQL: decimals and timestamps are typed there, and PostgreSQL's are not."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dbrestore.wire.registry import CopyFormat
from tests.integration.round_trip import fetch, restore_export

if TYPE_CHECKING:
    from pathlib import Path

    from dbrestore.testing.databases import Database

SCHEMA = "test"


def read_tables(export: Path) -> dict[str, pa.Table]:
    return {
        folder.name.partition(".")[2]: pa.concat_tables(
            pq.ParquetFile(part).read() for part in folder.glob("*.parquet")
        )
        for folder in sorted((export / "test").iterdir())
    }


def column_type(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"numeric({kind.precision}, {kind.scale})"
    return {"int32": "integer", "int64": "bigint", "string": "text"}.get(str(kind), "timestamp")


def create_table(name: str, schema: pa.Schema) -> str:
    columns = ", ".join(f'"{field.name}" {column_type(field.type)}' for field in schema)
    return f'CREATE TABLE {SCHEMA}."{name}" ({columns});'


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    """Moments without a zone: what the column in PostgreSQL has."""
    columns = [
        column.cast(pa.timestamp(column.type.unit)) if pa.types.is_timestamp(column.type) else column
        for column in table.columns
    ]
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


@pytest.fixture
def export(samples: Path) -> Path:
    return samples / "aurora-mysql-tpcc"


async def test_a_real_export_is_restored_value_by_value(export: Path, database: Database) -> None:
    tables = read_tables(export)
    kinds = {column_type(field.type) for table in tables.values() for field in table.schema}
    assert {"timestamp", "numeric(12, 2)", "numeric(4, 4)", "integer", "text"} <= kinds
    database.execute(
        f"CREATE SCHEMA {SCHEMA};" + "".join(create_table(name, table.schema) for name, table in tables.items())
    )
    plan, _ = await restore_export(export, database)
    assert {table.table.name: table.rows for table in plan.tables} == {
        name: table.num_rows for name, table in tables.items()
    }
    assert len(tables) == 9
    for name, table in tables.items():
        found = await fetch(database, f'SELECT * FROM {SCHEMA}."{name}"')
        assert sorted(found, key=repr) == sorted(rows_of(table), key=repr), name


async def test_typed_decimals_load_into_a_real_column(export: Path, database: Database) -> None:
    tables = read_tables(export)
    statements = "".join(create_table(name, table.schema) for name, table in tables.items())
    amount = '"h_amount" numeric(6, 2)'
    assert amount in statements
    database.execute(f"CREATE SCHEMA {SCHEMA};" + statements.replace(amount, '"h_amount" real'))
    plan, _ = await restore_export(export, database)
    assert all(table.copy_format is CopyFormat.BINARY for table in plan.tables)
    found = await fetch(database, f"SELECT * FROM {SCHEMA}.history")
    expected = [tuple(float(v) if isinstance(v, Decimal) else v for v in row) for row in rows_of(tables["history"])]
    assert sorted(found, key=repr) == sorted(expected, key=repr)
