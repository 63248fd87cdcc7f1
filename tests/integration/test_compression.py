from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.round_trip import export_database, fetch, find_differences, on_both_engines, restore_export

if TYPE_CHECKING:
    from pathlib import Path

    from dbrestore.testing.databases import Database, MakeDatabase

TABLES = """
    CREATE TABLE documents (id int PRIMARY KEY, body text, kept text);
    ALTER TABLE documents ALTER kept SET COMPRESSION pglz;
"""
FILL = """
    INSERT INTO documents SELECT n, repeat('some words ' || n, 1000), repeat('others ' || n, 1000)
      FROM generate_series(1, 20) AS n
"""
METHODS = "SELECT DISTINCT pg_column_compression(body), pg_column_compression(kept) FROM documents"
HAS_LZ4 = "SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"


@pytest.fixture
async def source(make_database: MakeDatabase) -> Database:
    source = make_database()
    if await fetch(source, HAS_LZ4) != [(True,)]:
        pytest.skip("the server has no lz4")
    source.execute(f"{TABLES}; {FILL}")
    return source


@pytest.fixture
def target(make_database: MakeDatabase) -> Database:
    target = make_database()
    target.execute(TABLES)
    return target


@on_both_engines
async def test_wide_values_are_compressed_by_lz4_where_their_column_names_no_method(
    source: Database, target: Database, tmp_path: Path
) -> None:
    await restore_export(await export_database(source, tmp_path, rows_per_part=5), target)
    assert await fetch(target, METHODS) == [("lz4", "pglz")]
    assert await find_differences(source, target) == []


async def test_a_user_can_opt_out_of_lz4(source: Database, target: Database, tmp_path: Path) -> None:
    await restore_export(await export_database(source, tmp_path), target, lz4=False)
    assert await fetch(target, METHODS) == [("pglz", "pglz")]


async def test_what_is_set_for_the_database_is_obeyed(source: Database, target: Database, tmp_path: Path) -> None:
    target.execute(f"ALTER DATABASE {target.name} SET default_toast_compression = pglz")
    await restore_export(await export_database(source, tmp_path), target)
    assert await fetch(target, METHODS) == [("pglz", "pglz")]
