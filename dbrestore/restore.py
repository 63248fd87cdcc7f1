"""Restores databases of an export: all are planned before the first of them is changed."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from dbrestore.databases import problems_of
from dbrestore.errors import DbrestoreError, UsageError, raise_problems
from dbrestore.export.layout import read_export
from dbrestore.export.parquet import read_footers
from dbrestore.memory import use_little_memory
from dbrestore.plan import Plan, build_plan
from dbrestore.planning.draft import draft_plan
from dbrestore.planning.resumption import find_changes, record_plan
from dbrestore.recovery import settle_unfinished
from dbrestore.running import Run, pool_size
from dbrestore.target.connect import ConnectionSettings, open_pool
from dbrestore.target.journal import only_run
from dbrestore.target.sessions import one_session
from dbrestore.target.survey import survey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    import asyncpg

    from dbrestore.export.layout import Export
    from dbrestore.export.storage import Storage
    from dbrestore.progress import Progress
    from dbrestore.running import RestoreOptions
    from dbrestore.target.connect import OnStatement
    from dbrestore.target.recorded import RecordedRun

    Made = TypeVar("Made")

FOOTER_READS = 32
"""Footers read at a time."""


async def make_plans(
    storage: Storage,
    connection: ConnectionSettings,
    options: RestoreOptions,
    *,
    with_rows: bool = True,
    on_statement: OnStatement | None = None,
) -> list[Plan]:
    """The plan of each database's restore, with all problems, changing nothing.

    Without ``with_rows`` only one footer is read of each table whose rows need not be known.
    Raises a DbrestoreError where no plan can be made: of the export, or of every database that has none.
    """
    export = await read_export(storage)

    async def plan(name: str) -> Plan:
        async with open_pool(connection.of_database(name), 1, on_statement) as pool:
            return await _plan(export, storage, pool, name, options, with_rows=with_rows)

    return await _for_each(_chosen(export, connection, options), plan)


async def restore(
    storage: Storage, connection: ConnectionSettings, options: RestoreOptions, progress: Progress
) -> list[Plan]:
    """Restore databases of an export, one after the other, into targets with the same schemas; return what was done.

    Raises a DbrestoreError. Before anything is loaded all problems of all databases are raised together. After that,
    what was loaded by then and what was taken down is in the journal, by which another run goes on, or ``abort``
    puts things back; but rows that only a key refuses stop nothing else, and are raised at the end.
    """
    use_little_memory()
    progress.enter("reading the export")
    export = await read_export(storage)
    async with AsyncExitStack() as stack:

        async def plan(name: str) -> Run:
            pool = await stack.enter_async_context(
                open_pool(connection.of_database(name), pool_size(options), progress.on_statement)
            )
            await stack.enter_async_context(only_run(pool))
            unfinished = await settle_unfinished(pool, options, progress)
            progress.enter("planning")
            made = await _plan(export, storage, pool, name, options, unfinished)
            return Run(made, storage, pool, options, progress, unfinished)

        runs = await _for_each(_chosen(export, connection, options), plan)
        raise_problems(problems_of([run.plan for run in runs]))
        failures = []
        for run in runs:
            found = await run.carry_out()
            failures += found if len(runs) == 1 else [error.within(run.plan.source_database) for error in found]
        for run in runs:
            await run.close()
    raise_problems(failures)
    return [run.plan for run in runs]


def _chosen(export: Export, connection: ConnectionSettings, options: RestoreOptions) -> tuple[str, ...]:
    names = options.databases.of(export)
    if len(names) > 1 and not connection.has_placeholder:
        raise UsageError(
            f"{len(names)} databases of the export would go into one database: {', '.join(names)}",
            hint="Write {database} for the name in --dsn or --db-name, or choose one with --source-db.",
        )
    return names


async def _for_each(names: tuple[str, ...], plan: Callable[[str], Awaitable[Made]]) -> list[Made]:
    plans, failures = [], []
    for name in names:
        try:
            plans.append(await plan(name))
        except DbrestoreError as error:
            failures.append(error if len(names) == 1 else error.within(name))
    raise_problems(failures)
    return plans


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
    async with one_session(pool) as connection:
        target = await survey(connection)
    draft = draft_plan(export, database, target, options.choices)
    files = draft.files(with_rows=with_rows)
    footers = await read_footers(storage, files, FOOTER_READS)
    found = dict(zip((file.key for file in files), footers, strict=True))
    plan = build_plan(draft, found, options.policy, unfinished)
    if unfinished is None:
        return plan
    changes = find_changes(unfinished, record_plan(plan, options.choices, {}))
    return replace(plan, problems=(*plan.problems, *changes))
