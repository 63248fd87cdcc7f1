"""The ways out of an unfinished run: go on with it, begin anew, or leave things as they were before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbrestore.errors import UnfinishedRunError, raise_problems
from dbrestore.planning.choices import IfNotEmpty
from dbrestore.planning.existing import treat_existing
from dbrestore.planning.families import Families
from dbrestore.planning.naming import list_names
from dbrestore.running import Unfinished, empty, pool_size
from dbrestore.scheduler import run_tasks
from dbrestore.target import journal
from dbrestore.target.connect import ConnectionSettings, make_durable, open_pool
from dbrestore.target.deferral.execution import PuttingBack, choose_build_memory
from dbrestore.target.journal import ABORT_HINT, find_journal, only_run
from dbrestore.target.recorded import Phase
from dbrestore.target.sessions import one_session
from dbrestore.target.survey import survey
from dbrestore.tasks import BUILDS, put_back_tasks
from dbrestore.watching import watching

if TYPE_CHECKING:
    import asyncpg

    from dbrestore.progress import Progress
    from dbrestore.running import RestoreOptions
    from dbrestore.target.recorded import RecordedRun, Summary


async def settle_unfinished(pool: asyncpg.Pool, options: RestoreOptions, progress: Progress) -> RecordedRun | None:
    """The unfinished run to be gone on with; None if there is none, or none any more: what it did is undone.

    Raises UnfinishedRunError if there is one and ``options`` do not say what to do with it, or another TargetError.
    """
    async with one_session(pool) as connection:
        found = await find_journal(connection)
        if found.problem and (options.unfinished is Unfinished.REFUSE or not found.is_unfinished):
            raise found.problem
        run = await journal.read_run(connection)
    if run is None or (options.unfinished is Unfinished.RESUME and run.phase.may_have_loaded):
        return run
    await _undo(run, pool, options, progress)
    return None


async def _undo(run: RecordedRun, pool: asyncpg.Pool, options: RestoreOptions, progress: Progress) -> None:
    if run.phase.may_have_loaded:
        _refuse_appended(run)
        async with one_session(pool) as connection:
            await journal.enter(connection, Phase.EMPTYING)
    if run.phase is not Phase.TAKING_DOWN:
        await _empty(run, pool)
    await _put_back(pool, options, progress)


def _refuse_appended(run: RecordedRun) -> None:
    if names := [table.name for table in run.tables if table.rows_before and table.has_loaded]:
        raise UnfinishedRunError(
            f"the run added to rows that were there before, and nobody can tell them apart: {list_names(names)}",
            hint=f"--resume goes on with it; {ABORT_HINT}",
        )


async def _empty(run: RecordedRun, pool: asyncpg.Pool) -> None:
    """Take out the rows of all tables that the run was to load and that did not keep their own."""
    oids = {table.oid for table in run.tables if not table.rows_before}
    async with one_session(pool) as connection:
        target = await survey(connection)
    tables = [table for table in target.catalog.tables if table.oid in oids]
    existing = treat_existing(tables, Families(target.catalog.tables), target, IfNotEmpty.TRUNCATE)
    raise_problems(existing.findings.problems)
    await empty(existing.truncated, pool)


async def _put_back(pool: asyncpg.Pool, options: RestoreOptions, progress: Progress) -> None:
    """Put back all that is down, and remove the journal."""
    async with one_session(pool) as connection:
        steps = await journal.read_steps(connection)
        failures = await journal.read_failures(connection)
        memory = await choose_build_memory(connection, options.builds, options.maintenance_work_mem)
    putting_back = PuttingBack({step.key: step for step in steps}, memory)
    tasks = list(put_back_tasks(putting_back, {}, {}, progress))
    progress.enter("putting back")
    async with watching(pool, progress):
        await run_tasks(tasks, pool, options.workers, {BUILDS: options.builds})
    async with one_session(pool) as connection:
        await journal.finish(connection)
        await make_durable(connection)
    progress.warn(f"{failure.message}; {failure.hint}" for failure in failures)
    raise_problems(putting_back.failures)
    progress.aborted(steps)


async def abort(connection: ConnectionSettings, options: RestoreOptions, progress: Progress) -> None:
    """Put back what an unfinished restore took down, and remove its journal; what it loaded stays.

    Raises a DbrestoreError for what cannot be put back, which then stays in the journal.
    """
    async with open_pool(connection, pool_size(options), progress.on_statement) as pool, only_run(pool):
        async with one_session(pool) as first:
            run = await journal.read_run(first)
        if run is None:
            progress.had_nothing_to_abort()
        else:
            await _put_back(pool, options, progress)


async def read_status(connection: ConnectionSettings) -> Summary | None:
    """How far an unfinished restore is; None if there is none. Raises TargetError."""
    async with open_pool(connection, 1) as pool, one_session(pool) as session:
        return await journal.read_summary(session)
