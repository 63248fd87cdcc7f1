"""Restores databases of an export: all are planned before the first of them is changed."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from dbrestore.databases import problems_of
from dbrestore.errors import raise_problems
from dbrestore.export.layout import read_export
from dbrestore.memory import use_little_memory
from dbrestore.plan import Plan, build_plan
from dbrestore.planning.resumption import find_changes, record_plan
from dbrestore.recovery import settle_schema, settle_unfinished
from dbrestore.running import Run
from dbrestore.surveying import choose_databases, for_each, survey_both
from dbrestore.target.connect import ConnectionSettings, open_pool
from dbrestore.target.journal import only_run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg

    from dbrestore.export.layout import Export
    from dbrestore.export.storage import Storage
    from dbrestore.progress import Progress
    from dbrestore.running import RestoreOptions
    from dbrestore.target.recorded import RecordedRun


async def make_plans(
    storage: Storage, connection: ConnectionSettings, options: RestoreOptions, *, with_rows: bool = True
) -> list[Plan]:
    """The plan of each database's restore, with all problems, changing nothing.

    Without ``with_rows`` only one footer is read of each table whose rows need not be known.
    Raises a DbrestoreError where no plan can be made: of the export, or of every database that has none.
    """
    export = await read_export(storage)

    async def plan(name: str) -> Plan:
        async with open_pool(connection.of_database(name), 1) as pool:
            return await _plan(export, storage, pool, name, options, with_rows=with_rows)

    return await for_each(choose_databases(export, connection, options.databases), plan)


async def restore(
    storage: Storage,
    connection: ConnectionSettings,
    options: RestoreOptions,
    progress: Progress,
    when_restored: Callable[[], Awaitable[None]] | None = None,
) -> list[Plan]:
    """Restore databases of an export, one after the other, into targets with the same schemas; return what was done.

    Raises a DbrestoreError. Before anything is loaded all problems of all databases are raised together. After that,
    what was loaded by then and what was taken down is in the journal, by which another run goes on, or ``abort``
    puts things back; but rows that only a key refuses stop nothing else, and are raised at the end. Without any
    ``when_restored`` is called before the journals go.
    """
    use_little_memory()
    export = await read_export(storage)
    async with AsyncExitStack() as stack:

        async def plan(name: str) -> Run:
            pool = await stack.enter_async_context(open_pool(connection.of_database(name), options.workers + 1))
            await stack.enter_async_context(only_run(pool))
            unfinished = await settle_unfinished(pool, options, progress)
            schema = await settle_schema(pool, connection.of_database(name), name, options, progress, unfinished)
            made = await _plan(export, storage, pool, name, options, unfinished)
            return Run(made, storage, pool, options, progress, unfinished, schema)

        runs = await for_each(choose_databases(export, connection, options.databases), plan)
        raise_problems(problems_of([run.plan for run in runs]))
        failures = []
        for run in runs:
            found = await run.carry_out()
            failures += found if len(runs) == 1 else [error.within(run.plan.source_database) for error in found]
        if when_restored and not failures:
            await when_restored()
        for run in runs:
            await run.close()
    raise_problems(failures)
    return [run.plan for run in runs]


async def _plan(
    export: Export,
    storage: Storage,
    pool: asyncpg.Pool,
    database: str,
    options: RestoreOptions,
    unfinished: RecordedRun | None = None,
    *,
    with_rows: bool = True,
) -> Plan:
    draft, footers = await survey_both(export, storage, pool, database, options.choices, with_rows=with_rows)
    plan = build_plan(draft, footers, options.policy, unfinished)
    if unfinished is None:
        return plan
    changes = find_changes(unfinished, record_plan(plan, options.choices, {}))
    return replace(plan, problems=(*plan.problems, *changes))
