from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbrestore import plan
from dbrestore.errors import DataError
from dbrestore.running import Unfinished
from dbrestore.target import journal
from dbrestore.target.catalog import read_catalog
from dbrestore.target.deferral.planning import DeferralPlanner
from dbrestore.target.deferral.policy import Policy
from dbrestore.target.deferral.sparing import Sparing
from dbrestore.target.post_data import read_post_data
from dbrestore.target.recorded import RecordedRun
from tests.integration.fingerprint import fingerprint
from tests.integration.round_trip import abort_restore, export_database, fetch, restore_export

if TYPE_CHECKING:
    from pathlib import Path

    from dbrestore.testing.databases import Database

NAMES = [f"t{number:02}" for number in range(40)]
SCHEMA = "".join(f"CREATE TABLE {name} (id int NOT NULL, word text);" for name in NAMES)
FILL = "".join(f"INSERT INTO {name} SELECT n, '{name}' FROM generate_series(1, 5) AS n;" for name in NAMES)
EMPTY = f"TRUNCATE {', '.join(NAMES)};"
KEYS = "".join(f"ALTER TABLE {name} ADD PRIMARY KEY (id); CREATE INDEX ON {name} (word);" for name in NAMES)
INDEXES = "SELECT indexrelid::int8 FROM pg_index WHERE indrelid >= 16384"
TWICE = "INSERT INTO t07 VALUES (3, 'twice');"
REPAIR = "DELETE FROM t07 WHERE word = 'twice'"


async def export_small(database: Database, folder: Path, *, more: str = "") -> Path:
    """An export of many small tables, which are empty then and have their keys."""
    database.execute(SCHEMA + FILL + more)
    exported = await export_database(database, folder, rows_per_part=3)
    database.execute(EMPTY + KEYS)
    return exported


async def count_rows(database: Database) -> int:
    counts = " + ".join(f"(SELECT count(*) FROM {name})" for name in NAMES)
    [[rows]] = await fetch(database, f"SELECT {counts}")
    return int(rows)


async def test_the_indexes_of_many_small_tables_stay_in_place(database: Database, tmp_path: Path) -> None:
    exported = await export_small(database, tmp_path)
    before = await fetch(database, INDEXES)
    await restore_export(exported, database, jobs=2)
    assert sorted(await fetch(database, INDEXES)) == sorted(before)
    assert await count_rows(database) == len(NAMES) * 5


@pytest.mark.parametrize("least", [plan.LEAST_SMALL, len(NAMES) + 1])
async def test_a_row_that_a_key_refuses_keeps_that_key_down_and_nothing_else_spared_or_not(
    least: int, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "LEAST_SMALL", least)
    exported = await export_small(database, tmp_path, more=TWICE)
    before = fingerprint(database)
    with pytest.raises(DataError) as caught:
        await restore_export(exported, database, jobs=2)
    assert caught.value.message == (
        'putting back primary key t07_pkey of public.t07: could not create unique index "t07_pkey" (Key (id)=(3) is '
        "duplicated.); it stays down"
    )
    assert await count_rows(database) == len(NAMES) * 5 + 1
    keys = await fetch(database, "SELECT count(*)::int FROM pg_constraint WHERE contype = 'p' AND connamespace = 2200")
    assert keys == [(len(NAMES) - 1,)]
    database.execute(REPAIR)
    await abort_restore(database)
    assert fingerprint(database) == before


async def test_what_a_check_refuses_is_shown_with_its_place_and_loaded_by_the_next_run(
    database: Database, tmp_path: Path
) -> None:
    exported = await export_small(database, tmp_path)
    before = fingerprint(database)
    database.execute("ALTER TABLE t03 ADD CHECK (id <> 5)")
    with pytest.raises(DataError) as caught:
        await restore_export(exported, database, jobs=1)
    second = sorted(exported.glob("*/public.t03/1/*.parquet"))[1].relative_to(exported).as_posix()
    assert caught.value.message.startswith(f"public.t03, {second}, row 2")
    database.execute("ALTER TABLE t03 DROP CONSTRAINT t03_id_check")
    await restore_export(exported, database, jobs=1, unfinished=Unfinished.RESUME)
    assert await count_rows(database) == len(NAMES) * 5
    assert fingerprint(database) == before


async def test_a_run_that_goes_on_spares_what_the_first_one_did(database: Database, tmp_path: Path) -> None:
    exported = await export_small(database, tmp_path, more=TWICE)
    database.execute("ALTER TABLE t30 ADD CHECK (id <> 5)")
    with pytest.raises(DataError, match=r"public\.t30"):
        await restore_export(exported, database, jobs=1)
    database.execute("ALTER TABLE t30 DROP CONSTRAINT t30_id_check")
    with pytest.raises(DataError, match=r"primary key t07_pkey of public\.t07.*it stays down"):
        await restore_export(exported, database, jobs=1, unfinished=Unfinished.RESUME)
    assert await count_rows(database) == len(NAMES) * 5 + 1


async def test_tables_with_foreign_keys_or_other_kinds_of_indexes_are_not_spared(
    database: Database, tmp_path: Path
) -> None:
    exported = await export_small(database, tmp_path)
    database.execute(
        "ALTER TABLE t01 ADD FOREIGN KEY (id) REFERENCES t00; CREATE INDEX ON t02 USING hash (word);"
        "CREATE INDEX t03_word ON t03 (word)"
    )
    others = f"{INDEXES} AND indrelid::regclass::text NOT IN ('t00', 't01', 't02')"
    spared, before = await fetch(database, others), await fetch(database, INDEXES)
    await restore_export(exported, database, jobs=1)
    assert set(before) & set(await fetch(database, INDEXES)) == set(spared)


async def test_giving_way_after_a_lost_answer_is_done_once(database: Database) -> None:
    database.execute("CREATE TABLE items (id int PRIMARY KEY, word text UNIQUE)")
    async with database.connect() as connection:
        catalog, post_data = await read_catalog(connection), await read_post_data(connection)
        [items] = catalog.tables
        planner = DeferralPlanner(post_data, {items.oid}, {}, Policy(), catalog.server_version, {items.oid})
        spared = planner.plan(set(), ()).spared
        await journal.begin(connection, RecordedRun("friday", "shop", {}, ()), ())
        first, again = Sparing.of(spared), Sparing.of(spared)
        assert [await first.give_way(connection, [items.oid]) for _ in range(2)] == [True, False]
        assert await again.give_way(connection, [items.oid])
        assert again.steps == first.steps == list(spared[0].steps)
        assert await connection.fetchval("SELECT count(*) FROM pg_index WHERE indrelid = $1", items.oid) == 0
