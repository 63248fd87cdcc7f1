from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from dbrestore.export.local import LocalStorage
from dbrestore.load import Loader
from dbrestore.planning.choices import Choices
from dbrestore.planning.resumption import record_plan
from dbrestore.streams import Streams
from dbrestore.target import journal
from dbrestore.target.deferral.execution import PuttingBack, take_down
from dbrestore.target.recorded import Phase
from tests.integration.round_trip import export_database, fetch, plan_restore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import asyncpg

    from dbrestore.plan import Plan
    from dbrestore.testing.databases import Database

ITEMS = "CREATE TABLE items (id int PRIMARY KEY)"
COUNT = "SELECT count(*)::int FROM items"


@pytest.fixture
async def exported(database: Database, tmp_path: Path) -> Path:
    database.execute(f"{ITEMS}; INSERT INTO items SELECT generate_series(1, 300)")
    folder = await export_database(database, tmp_path, rows_per_part=100)
    database.execute("TRUNCATE items")
    return folder


@pytest.fixture
async def plan(exported: Path, database: Database) -> Plan:
    return await plan_restore(exported, database)


@pytest.fixture
async def connection(plan: Plan, database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a target that has a journal of ``plan``."""
    async with database.connect() as connection:
        await journal.begin(connection, record_plan(plan, Choices(), {}), plan.deferral.milestones)
        yield connection


async def test_a_part_that_is_loaded_is_not_loaded_again(
    exported: Path, plan: Plan, connection: asyncpg.Connection
) -> None:
    [table] = plan.tables
    with ThreadPoolExecutor(1) as threads:
        loader = Loader(Streams(LocalStorage(exported), threads))
        await loader.load(connection, table, table.parts[:1])
        await loader.load(connection, table, table.parts[:1])
        assert await connection.fetchval(COUNT) == 100
        await loader.load_together(connection, [table])
    assert await connection.fetchval(COUNT) == 300


@pytest.mark.parametrize("commits", [True, False])
async def test_a_load_waits_for_one_of_the_same_part_whose_end_nobody_knows(
    commits: bool, exported: Path, plan: Plan, connection: asyncpg.Connection, database: Database
) -> None:
    [table] = plan.tables
    with ThreadPoolExecutor(1) as threads:
        loader = Loader(Streams(LocalStorage(exported), threads))
        async with database.connect() as other:
            lost = other.transaction()
            await lost.start()
            await other.execute("INSERT INTO items SELECT generate_series(1, 100)")
            assert await journal.claim_parts(other, [table.parts[0].file.key]) == {table.parts[0].file.key}
            again = asyncio.create_task(loader.load(connection, table, table.parts[:1]))
            while not await other.fetch("SELECT FROM pg_locks WHERE NOT granted"):
                await other.execute("SELECT pg_sleep(0.01)")
            await (lost.commit() if commits else lost.rollback())
            await again
    assert await fetch(database, COUNT) == [(100,)]


async def test_a_step_that_is_taken_is_not_taken_again(plan: Plan, connection: asyncpg.Connection) -> None:
    await take_down(connection, plan.deferral)
    steps = {step.key: step for step in plan.deferral.steps}
    putting_back = PuttingBack(steps, "64MB")
    for step in steps.values():
        if step.statements:
            await putting_back.take(step, connection)
            await putting_back.take(step, connection)
    assert putting_back.failures == []
    assert [step for step in await journal.read_steps(connection) if step.statements] == []
    assert await connection.fetchval("SELECT count(*) FROM pg_constraint WHERE conname = 'items_pkey'") == 1


async def test_what_is_read_of_a_run_is_what_was_recorded(plan: Plan, connection: asyncpg.Connection) -> None:
    key = plan.tables[0].parts[1].file.key
    await journal.claim_parts(connection, [key])
    await journal.enter(connection, Phase.LOADING)
    run = await journal.read_run(connection)
    assert run == record_plan(plan, Choices(), {})
    assert run is not None
    assert (run.phase, run.loaded) == (Phase.LOADING, {key})


async def test_what_a_dead_run_left_its_server_processes_to_do_is_ended_before_its_journal_is_read(
    plan: Plan, connection: asyncpg.Connection, database: Database
) -> None:
    [table] = plan.tables
    async with database.connect() as orphan:
        transaction = orphan.transaction()
        await transaction.start()
        await journal.claim_parts(orphan, [table.parts[0].file.key])
        async with asyncio.timeout(10):
            run = await journal.read_run(connection)
        assert run is not None
        assert run.loaded == set()
        its_process = "SELECT FROM pg_stat_activity WHERE pid = $1"
        while await connection.fetch(its_process, orphan.get_server_pid()):
            await connection.execute("SELECT pg_sleep(0.01)")
        orphan.terminate()


async def test_a_summary_counts_what_is_loaded_and_names_what_is_down(
    plan: Plan, connection: asyncpg.Connection
) -> None:
    await take_down(connection, plan.deferral)
    await journal.claim_parts(connection, [part.file.key for part in plan.tables[0].parts[:2]])
    summary = await journal.read_summary(connection)
    assert summary is not None
    assert (summary.tables_loaded, summary.tables) == (0, 1)
    assert (summary.parts_loaded, summary.parts, summary.rows_loaded, summary.rows) == (2, 3, 200, 300)
    assert summary.down == ("primary key items_pkey of public.items",)
    assert (summary.phase, summary.is_running) == (Phase.TAKING_DOWN, False)
