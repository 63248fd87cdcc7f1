"""The ways out of an unfinished run: go on with it, begin anew, or leave things as they were before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbrestore.archive.schema import Schema
from dbrestore.errors import UnfinishedRunError, raise_problems
from dbrestore.patience import Patience, persist
from dbrestore.planning.choices import IfNotEmpty
from dbrestore.planning.existing import treat_existing
from dbrestore.planning.families import Families
from dbrestore.planning.naming import list_names
from dbrestore.running import Unfinished, empty, pool_size
from dbrestore.scheduler import run_tasks
from dbrestore.target import journal
from dbrestore.target.begun_schema import forget, read_begun
from dbrestore.target.connect import ConnectionSettings, make_durable, open_pool
from dbrestore.target.deferral.execution import PuttingBack, choose_build_memory
from dbrestore.target.journal import ABORT_HINT, find_journal
from dbrestore.target.lock import only_run
from dbrestore.target.recorded import Phase
from dbrestore.target.sessions import one_session
from dbrestore.target.survey import survey
from dbrestore.tasks import BUILDS, put_back_tasks
from dbrestore.timing import Timing
from dbrestore.watching import watching

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from dbrestore.progress import Progress
    from dbrestore.running import RestoreOptions
    from dbrestore.target.deferral.model import Step
    from dbrestore.target.lock import Backend
    from dbrestore.target.recorded import RecordedRun, Summary


async def settle_unfinished(
    pool: asyncpg.Pool, options: RestoreOptions, progress: Progress, patience: Patience
) -> RecordedRun | None:
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
    await _undo(run, pool, options, progress, patience)
    return None


async def settle_schema(
    pool: asyncpg.Pool,
    connection: ConnectionSettings,
    name: str,
    options: RestoreOptions,
    progress: Progress,
    unfinished: RecordedRun | None,
) -> Schema | None:
    """Make what comes before the rows of the schema that ``options`` ask for, for the database ``name`` of the export.

    Raises UsageError where the archive cannot be read, UnfinishedRunError where the unfinished run has another schema
    or none, or another TargetError.
    """
    async with one_session(pool) as session:
        begun = await read_begun(session)
    if options.schema is None:
        if begun is not None:
            raise UnfinishedRunError(f"the run began with --schema {begun.path}", hint="Give that again.")
        return None
    if unfinished is not None and begun is None:
        raise UnfinishedRunError("the run began without --schema", hint="Leave --schema out.")
    schema = await Schema.open(options.schema.of_database(name), connection)
    progress.note(f"making the schema of {schema.archive.path}")
    await schema.make_pre_data(pool)
    return schema


async def _undo(
    run: RecordedRun, pool: asyncpg.Pool, options: RestoreOptions, progress: Progress, patience: Patience
) -> None:
    if run.phase.may_have_loaded:
        _refuse_appended(run)
        async with one_session(pool) as connection:
            await journal.enter(connection, Phase.EMPTYING)
    if run.phase is not Phase.TAKING_DOWN:
        await _empty(run, pool, patience)
    progress.aborted(await _put_back(pool, options, progress, patience, keeps_schema=True))


def _refuse_appended(run: RecordedRun) -> None:
    if names := [table.name for table in run.tables if table.rows_before and table.has_loaded]:
        raise UnfinishedRunError(
            f"the run added to rows that were there before, and nobody can tell them apart: {list_names(names)}",
            hint=f"--resume goes on with it; {ABORT_HINT}",
        )


async def _empty(run: RecordedRun, pool: asyncpg.Pool, patience: Patience) -> None:
    """Take out the rows of all tables that the run was to load and that did not keep their own."""
    oids = {table.oid for table in run.tables if not table.rows_before}
    async with one_session(pool) as connection:
        target = await survey(connection)
    tables = [table for table in target.catalog.tables if table.oid in oids]
    existing = treat_existing(tables, Families(target.catalog.tables), target, IfNotEmpty.TRUNCATE)
    raise_problems(existing.findings.problems)
    await empty(existing.truncated, pool, patience)


async def _put_back(
    pool: asyncpg.Pool,
    options: RestoreOptions,
    progress: Progress,
    patience: Patience,
    *,
    keeps_schema: bool = False,
) -> Sequence[Step]:
    """Put back all that is down, and remove the journal; return the steps."""
    async with one_session(pool) as connection:
        steps = await journal.read_steps(connection)
        failures = await journal.read_failures(connection)
        memory = await choose_build_memory(connection, options.builds, options.maintenance_work_mem)
    putting_back = PuttingBack({step.key: step for step in steps}, memory)
    tasks = list(put_back_tasks(putting_back, {}, {}, progress, Timing()))
    progress.enter("putting back")
    async with watching(pool, progress):
        await run_tasks(tasks, pool, options.workers, {BUILDS: options.builds}, patience)
    async with one_session(pool) as connection:
        await journal.finish(connection, keeps_schema=keeps_schema)
        await make_durable(connection)
    progress.warn(f"{failure.message}; {failure.hint}" for failure in failures)
    raise_problems(putting_back.failures)
    return steps


async def abort(connection: ConnectionSettings, options: RestoreOptions, progress: Progress) -> None:
    """Put back what an unfinished restore took down, and remove its journal; what it loaded stays.

    Raises a DbrestoreError for what cannot be put back, which then stays in the journal.
    """
    patience = Patience(progress, options.retry_for)
    backends: set[Backend] = set()
    is_begun = False

    async def attempt() -> None:
        nonlocal is_begun
        async with (
            only_run(connection, backends) as lock,
            open_pool(connection, pool_size(options), lock.check, progress.on_statement) as pool,
        ):
            patience.met = True
            async with one_session(pool) as first:
                run = await journal.read_run(first)
                begun = await read_begun(first)
                if run is None and begun is not None:
                    await forget(first)
                if run is None and is_begun:  # it was removed by a commit whose answer was lost
                    await make_durable(first)
            if run is not None:
                is_begun = True
                progress.aborted(await _put_back(pool, options, progress, patience))
            elif begun is None and not is_begun:
                progress.had_nothing_to_abort()
            if begun is not None:
                what = f"of the schema of {begun.path} not all is made, and nothing of what comes after the rows"
                progress.warn([what])

    await persist(attempt, patience)


async def read_status(connection: ConnectionSettings) -> Summary | None:
    """How far an unfinished restore is; None if there is none. Raises TargetError."""
    async with open_pool(connection, 1) as pool, one_session(pool) as session:
        return await journal.read_summary(session)
