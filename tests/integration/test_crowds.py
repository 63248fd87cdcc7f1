from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbrestore import encoding
from dbrestore.errors import DataError
from dbrestore.running import Unfinished
from tests.integration.round_trip import export_database, fetch, on_both_engines, restore_export

if TYPE_CHECKING:
    from pathlib import Path

    from dbrestore.testing.databases import Database

TABLES = 24
NAMES = [f"t{number:02}" for number in range(TABLES)]
SCHEMA = "".join(f"CREATE TABLE {name} (id int PRIMARY KEY, word text);" for name in NAMES)
FILL = "".join(f"INSERT INTO {name} SELECT n, '{name}' FROM generate_series(1, 5) AS n;" for name in NAMES)
EMPTY = f"TRUNCATE {', '.join(NAMES)};"


async def count_rows(database: Database) -> int:
    counts = " + ".join(f"(SELECT count(*) FROM {name})" for name in NAMES)
    [[rows]] = await fetch(database, f"SELECT {counts}")
    return int(rows)


async def export_crowd(database: Database, folder: Path) -> Path:
    database.execute(SCHEMA + FILL)
    exported = await export_database(database, folder, rows_per_part=3)
    database.execute(EMPTY)
    return exported


@on_both_engines
async def test_many_small_tables_share_transactions(database: Database, tmp_path: Path) -> None:
    exported = await export_crowd(database, tmp_path)
    await restore_export(exported, database, jobs=1)
    each = " UNION ALL ".join(f"SELECT xmin FROM {name}" for name in NAMES)
    [[transactions, rows]] = await fetch(database, f"SELECT count(DISTINCT xmin::text), count(*) FROM ({each}) AS t")
    assert (transactions, rows) == (4, TABLES * 5)


@on_both_engines
async def test_what_one_of_them_refuses_is_shown_with_its_place_and_loaded_by_the_next_run(
    database: Database, tmp_path: Path
) -> None:
    exported = await export_crowd(database, tmp_path)
    database.execute("ALTER TABLE t03 ADD CHECK (id <> 5)")
    with pytest.raises(DataError) as caught:
        await restore_export(exported, database, jobs=1)
    second = sorted(exported.glob("*/public.t03/1/*.parquet"))[1].relative_to(exported).as_posix()
    assert caught.value.message.startswith(f"public.t03, {second}, row 2")
    assert await count_rows(database) % 5 == 0
    database.execute("ALTER TABLE t03 DROP CONSTRAINT t03_id_check")
    await restore_export(exported, database, jobs=1, unfinished=Unfinished.RESUME)
    assert await count_rows(database) == TABLES * 5


async def test_a_table_whose_stream_is_too_large_to_be_kept_is_loaded_as_others_are(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "MOST_ENCODED_BYTES", 100)
    database.execute(SCHEMA + FILL + "INSERT INTO t05 SELECT n, repeat('long', 100) FROM generate_series(6, 9) AS n")
    exported = await export_database(database, tmp_path, rows_per_part=3)
    database.execute(EMPTY)
    await restore_export(exported, database, jobs=1)
    assert await count_rows(database) == TABLES * 5 + 4
