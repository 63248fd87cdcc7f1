from __future__ import annotations

import asyncio
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from dbrestore.errors import DbrestoreError, SeveralProblemsError, UnfinishedRunError, VerificationError
from dbrestore.events import Level
from dbrestore.planning.choices import IfNotEmpty
from dbrestore.running import Unfinished
from dbrestore.target.deferral.policy import ForeignKeys, Policy
from tests.integration.owner import create_owner
from tests.integration.round_trip import (
    DEFAULT_POLICY,
    abort_restore,
    export_database,
    fetch,
    find_differences,
    on_both_engines,
    restore_export,
    wait_for_sessions,
)

if TYPE_CHECKING:
    from pathlib import Path

    from dbrestore.testing.databases import Database, MakeDatabase

RESUME, RESTART = Unfinished.RESUME, Unfinished.RESTART
ORDERED = Policy(ForeignKeys.ORDERED)
TABLES = """
    CREATE TABLE shelves (id int PRIMARY KEY, word text);
    CREATE TABLE books (id int PRIMARY KEY, shelf int REFERENCES shelves, word text);
    CREATE INDEX books_word_idx ON books (word);
"""
ROWS = """
    INSERT INTO shelves SELECT n, 'shelf ' || n FROM generate_series(1, 50) AS n;
    INSERT INTO books SELECT n, 1 + n % 50, 'book ' || n FROM generate_series(1, 500) AS n;
"""
# The first part has the shortest words, and so is the last to be loaded.
IN_THE_WAY = "ALTER TABLE books ADD CONSTRAINT in_the_way CHECK (id > 100) NOT VALID"
OUT_OF_THE_WAY = "ALTER TABLE books DROP CONSTRAINT in_the_way"
COUNTS = "SELECT (SELECT count(*) FROM shelves)::int, (SELECT count(*) FROM books)::int"
KEYS = "SELECT conname, convalidated FROM pg_constraint WHERE contype IN ('p', 'f') AND connamespace = 2200 ORDER BY 1"
LOADED_PARTS = "SELECT count(*)::int FROM dbrestore.part WHERE is_loaded"
JOURNAL = "SELECT count(*)::int FROM pg_namespace WHERE nspname = 'dbrestore'"
PHASE = "SELECT phase FROM dbrestore.run"


@pytest.fixture
def source(make_database: MakeDatabase) -> Database:
    source = make_database()
    source.execute(TABLES + ROWS)
    return source


@pytest.fixture
async def export(source: Database, tmp_path: Path) -> Path:
    return await export_database(source, tmp_path, rows_per_part=100)


@pytest.fixture
def target(make_database: MakeDatabase) -> Database:
    target = make_database()
    target.execute(TABLES)
    return target


async def leave_half(export: Path, target: Database, policy: Policy = DEFAULT_POLICY, **choices: Any) -> None:
    """A restore that fails when some parts of books are loaded."""
    target.execute(IN_THE_WAY)
    with pytest.raises(DbrestoreError, match="in_the_way"):
        await restore_export(export, target, jobs=1, policy=policy, **choices)
    await wait_for_sessions(target, 0)
    target.execute(OUT_OF_THE_WAY)


async def problems(export: Path, target: Database, unfinished: Unfinished, policy: Policy = DEFAULT_POLICY) -> str:
    with pytest.raises(DbrestoreError) as caught:
        await restore_export(export, target, unfinished=unfinished, policy=policy)
    assert isinstance(caught.value, UnfinishedRunError | SeveralProblemsError)
    return str(caught.value)


def two_parts(export: Path) -> list[Path]:
    return sorted(export.rglob("*public.books*/**/*.parquet"))[:2]


def told_parts(said: str) -> set[str]:
    return set(re.findall(r"rows of (\S+\.parquet)", said))


@on_both_engines
@pytest.mark.parametrize("policy", [Policy(keys) for keys in ForeignKeys])
async def test_a_resumed_run_loads_what_was_not_loaded_and_nothing_twice(
    policy: Policy, source: Database, export: Path, target: Database
) -> None:
    keys = await fetch(target, KEYS)
    await leave_half(export, target, policy)
    [(loaded,)] = await fetch(target, LOADED_PARTS)
    assert 0 < loaded < 6
    _, said = await restore_export(export, target, unfinished=RESUME, policy=policy, level=Level.VERBOSE)
    assert f"going on: {loaded} of 6 parts" in said
    assert len(told_parts(said)) == 6 - loaded
    assert await find_differences(source, target) == []
    assert (await fetch(target, KEYS), await fetch(target, JOURNAL)) == (keys, [(0,)])


async def test_an_unfinished_run_is_in_the_way_of_another_one_that_is_not_told_what_to_do(
    export: Path, target: Database
) -> None:
    await leave_half(export, target)
    with pytest.raises(UnfinishedRunError, match=r"\d of 6 parts are loaded") as caught:
        await restore_export(export, target)
    assert all(way in str(caught.value.hint) for way in ("--resume", "--restart", "dbrestore abort"))


async def test_without_an_unfinished_run_a_resumed_one_just_begins(
    source: Database, export: Path, target: Database
) -> None:
    await restore_export(export, target, unfinished=RESUME)
    assert await find_differences(source, target) == []


@on_both_engines
async def test_a_restart_empties_what_was_loaded_and_begins_anew(
    source: Database, export: Path, target: Database
) -> None:
    keys = await fetch(target, KEYS)
    await leave_half(export, target)
    target.execute("CREATE TABLE kept AS SELECT 1 AS id")
    _, said = await restore_export(
        export, target, unfinished=RESTART, level=Level.VERBOSE, ignore_missing_tables=("kept",)
    )
    assert len(told_parts(said)) == 6
    assert await fetch(target, "SELECT id FROM kept") == [(1,)]
    target.execute("DROP TABLE kept")
    assert await find_differences(source, target) == []
    assert (await fetch(target, KEYS), await fetch(target, JOURNAL)) == (keys, [(0,)])


@on_both_engines
async def test_a_restart_does_not_empty_a_table_that_had_rows_and_kept_them(export: Path, target: Database) -> None:
    target.execute("INSERT INTO shelves VALUES (1000)")
    target.execute("INSERT INTO books SELECT n, 1000 FROM generate_series(-9, 0) AS n")
    await leave_half(export, target, ORDERED, if_not_empty=IfNotEmpty.APPEND)
    counts = await fetch(target, COUNTS)
    told = await problems(export, target, RESTART, ORDERED)
    assert "added to rows that were there before, and nobody can tell them apart: public.books, public.shelves" in told
    assert await fetch(target, COUNTS) == counts
    await restore_export(export, target, unfinished=RESUME, policy=ORDERED)
    assert await fetch(target, COUNTS) == [(51, 510)]


async def test_a_restart_refuses_to_empty_what_a_table_outside_references(export: Path, target: Database) -> None:
    await leave_half(export, target, ORDERED)
    target.execute("CREATE TABLE outside (shelf int REFERENCES shelves)")
    counts = await fetch(target, COUNTS)
    assert "public.outside" in str(await problems_of_restart(export, target))
    assert await fetch(target, COUNTS) == counts


async def problems_of_restart(export: Path, target: Database) -> DbrestoreError:
    with pytest.raises(DbrestoreError) as caught:
        await restore_export(export, target, unfinished=RESTART, policy=ORDERED, ignore_missing_tables=("outside",))
    return caught.value


@on_both_engines
async def test_tables_that_were_skipped_stay_so(export: Path, target: Database) -> None:
    target.execute("INSERT INTO shelves SELECT n, 'mine' FROM generate_series(1, 50) AS n")
    await leave_half(export, target, if_not_empty=IfNotEmpty.SKIP)
    await restore_export(export, target, unfinished=RESUME)
    assert await fetch(target, COUNTS) == [(50, 500)]
    assert await fetch(target, "SELECT DISTINCT word FROM shelves") == [("mine",)]


async def test_another_export_cannot_be_gone_on_with(source: Database, export: Path, target: Database) -> None:
    await leave_half(export, target)
    manifest = export / "export_info_friday.json"
    manifest.write_text(manifest.read_text().replace("friday", "monday"))
    assert "is of friday" in await problems(export, target, RESUME)


async def test_a_changed_export_is_refused_with_the_difference(export: Path, target: Database) -> None:
    await leave_half(export, target)
    counts = await fetch(target, COUNTS)
    first, second = two_parts(export)
    shutil.copy(first, second)
    told = await problems(export, target, RESUME)
    assert f"public.books: parts have another size, version or number of rows: {second.relative_to(export)}" in told
    assert await fetch(target, COUNTS) == counts


async def test_a_changed_schema_is_refused_with_the_difference(export: Path, target: Database) -> None:
    await leave_half(export, target)
    target.execute("ALTER TABLE shelves ALTER id TYPE bigint; CREATE TABLE new (id int)")
    told = await problems(export, target, RESUME)
    assert "public.shelves had other columns: id: int32 to bigint is new, id: int32 to integer is gone" in told
    assert "in the target but not in the export: public.new" in told


async def test_other_settings_are_refused_with_the_difference(export: Path, target: Database) -> None:
    await leave_half(export, target)
    assert "foreign keys: rebuild then, ordered now" in await problems(export, target, RESUME, ORDERED)


async def test_a_run_that_had_loaded_nothing_is_undone_and_begun_anew(
    source: Database, export: Path, target: Database
) -> None:
    keys = await fetch(target, KEYS)
    async with target.connect() as other, other.transaction():
        await other.execute("LOCK TABLE shelves IN ACCESS SHARE MODE")
        work = asyncio.create_task(restore_export(export, target))
        while not await other.fetch("SELECT FROM pg_locks WHERE NOT granted"):
            await other.execute("SELECT pg_sleep(0.01)")
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    await wait_for_sessions(target, 0)
    assert await fetch(target, PHASE) == [("taking down",)]
    _, said = await restore_export(export, target, unfinished=RESUME)
    assert "put back" in said
    assert await find_differences(source, target) == []
    assert await fetch(target, KEYS) == keys


@on_both_engines
async def test_an_emptying_that_was_interrupted_is_done_before_the_new_beginning(
    source: Database, export: Path, target: Database
) -> None:
    target.execute(ROWS)
    await leave_half(export, target, if_not_empty=IfNotEmpty.TRUNCATE)
    target.execute("UPDATE dbrestore.run SET phase = 'emptying'; INSERT INTO books VALUES (1000, 1)")
    await restore_export(export, target, unfinished=RESUME)
    assert await find_differences(source, target) == []


@on_both_engines
async def test_the_journal_stays_until_the_verification_is_passed(
    source: Database, export: Path, target: Database
) -> None:
    await leave_half(export, target)
    target.execute("INSERT INTO books VALUES (1000, 1)")
    with pytest.raises(VerificationError, match=r"public\.books has 501 rows"):
        await restore_export(export, target, unfinished=RESUME)
    assert await fetch(target, PHASE) == [("finishing",)]
    target.execute("DELETE FROM books WHERE id = 1000")
    await restore_export(export, target, unfinished=RESUME)
    assert await find_differences(source, target) == []
    assert await fetch(target, JOURNAL) == [(0,)]


async def test_a_key_that_gave_way_to_rows_before_the_run_was_cut_off_is_told_by_the_one_that_goes_on(
    source: Database, export: Path, target: Database
) -> None:
    source.execute("ALTER TABLE books DROP CONSTRAINT books_shelf_fkey; UPDATE books SET shelf = 999 WHERE id = 7")
    broken = await export_database(source, export.parent / "broken", rows_per_part=100)
    target.execute("CREATE MATERIALIZED VIEW slow AS SELECT pg_sleep(60)::text FROM shelves LIMIT 1 WITH NO DATA")
    work = asyncio.create_task(restore_export(broken, target))
    refreshing = "pg_stat_activity WHERE state = 'active' AND query LIKE 'REFRESH%'"
    async with target.connect() as other:
        while not await other.fetch(f"SELECT FROM {refreshing}"):
            await other.execute("SELECT pg_sleep(0.01)")
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await other.execute(f"SELECT pg_terminate_backend(pid) FROM {refreshing}")
    await wait_for_sessions(target, 0)
    target.execute("DROP MATERIALIZED VIEW slow")
    with pytest.raises(
        DbrestoreError, match=r"rows without a match: 1, with the keys \(999\); it is back, but NOT VALI"
    ):
        await restore_export(broken, target, unfinished=RESUME)
    assert ("books_shelf_fkey", False) in await fetch(target, KEYS)
    assert await fetch(target, JOURNAL) == [(0,)]


async def test_a_role_without_a_journal_restores_and_is_told_that_it_cannot_resume(
    source: Database, export: Path, make_database: MakeDatabase
) -> None:
    target = make_database()
    role = create_owner(target, TABLES)
    _, said = await restore_export(export, target, user=role, policy=ORDERED)
    assert "warning: the role may not create the schema dbrestore" in said
    assert "the restore could not be resumed" in said
    assert await find_differences(source, target) == []


async def test_an_aborted_run_keeps_its_rows_and_all_is_back(export: Path, target: Database) -> None:
    keys = await fetch(target, KEYS)
    await leave_half(export, target)
    target.execute("INSERT INTO shelves SELECT generate_series(1, 50)")
    counts = await fetch(target, COUNTS)
    await abort_restore(target)
    assert (await fetch(target, KEYS), await fetch(target, JOURNAL)) == (keys, [(0,)])
    assert await fetch(target, COUNTS) == counts
