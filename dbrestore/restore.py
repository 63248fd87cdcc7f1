"""Restores databases of an export: all are planned before the first of them is changed."""

from __future__ import annotations

from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from dbrestore.cluster.options import open_cluster
from dbrestore.databases import problems_of
from dbrestore.errors import DbrestoreError, PrivilegeError, raise_problems
from dbrestore.export.layout import read_export
from dbrestore.memory import use_little_memory
from dbrestore.patience import Patience, persist
from dbrestore.plan import Plan, build_plan
from dbrestore.planning.resumption import find_changes, record_plan
from dbrestore.recovery import settle_schema, settle_unfinished
from dbrestore.running import Run, Unfinished, pool_size
from dbrestore.surveying import choose_databases, for_each, survey_both
from dbrestore.target.connect import ConnectionSettings, open_pool
from dbrestore.target.lock import only_run
from dbrestore.timing import Stage, Timing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import asyncpg

    from dbrestore.cluster.opening import Cluster
    from dbrestore.errors import PartError
    from dbrestore.export.layout import Export
    from dbrestore.export.parquet import Footer
    from dbrestore.export.storage import Storage
    from dbrestore.progress import Progress
    from dbrestore.running import RestoreOptions
    from dbrestore.target.connect import OnStatement
    from dbrestore.target.lock import Backend
    from dbrestore.target.recorded import RecordedRun


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
        async with open_pool(connection.of_database(name), 1, on_statement=on_statement) as pool:
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
    patience = Patience(progress, options.retry_for)
    progress.enter("reading the export")
    listing = Timing()
    with listing.stage(Stage.LISTING):
        export = await read_export(storage)
    async with AsyncExitStack() as stack:
        restoration = _Restoration(
            storage, export, connection, options, progress, patience, listing, stack, when_restored
        )
        try:
            return await persist(restoration.attempt, patience)
        except BaseException:
            with progress.telling_how_to_go_on(is_journaled=restoration.is_unfinished):
                raise


@dataclass(slots=True)
class _Restoration:
    """A restore, through all attempts at it: each one after the first goes on by the journal, as --resume does.

    A fault that passes is borne where it occurs, unless it took the lock along: then commits may be lost, and what
    this process believes to be done is not to be relied upon.
    """

    storage: Storage
    export: Export
    connection: ConnectionSettings
    options: RestoreOptions
    progress: Progress
    patience: Patience
    listing: Timing
    stack: AsyncExitStack
    """For what all attempts have in common."""
    when_restored: Callable[[], Awaitable[None]] | None = None
    _cluster: Cluster | None = None
    _footers: dict[str, Footer | PartError] = field(default_factory=dict)
    """By the keys of the parts."""
    _backends: dict[str, set[Backend]] = field(default_factory=lambda: defaultdict(set))
    _settled: set[str] = field(default_factory=set)
    """Databases in which an unfinished run, if there is one, is this one."""
    _begun: dict[str, Plan] = field(default_factory=dict)
    """What is being done in databases."""
    _complete: dict[str, Plan] = field(default_factory=dict)
    """What is done in databases whose journal is being removed, if it is not gone yet."""
    _failures: dict[str, list[DbrestoreError]] = field(default_factory=dict)

    @property
    def is_unfinished(self) -> bool:
        """Whether another run can go on."""
        return any(plan.is_journaled for plan in self._begun.values())

    async def attempt(self) -> list[Plan]:
        """Restore all databases, as far as that is not done. Raises as ``restore`` does."""
        try:
            async with AsyncExitStack() as stack:
                names = choose_databases(self.export, self.connection, self.options.databases)
                runs = await for_each(names, partial(self._prepare, stack))
                raise_problems(problems_of([run.plan for run in runs]))
                await self._open_cluster([run.plan for run in runs])
                for name, run in zip(names, runs, strict=True):
                    await self._carry_out(name, run, is_only=len(names) == 1)
                if self.when_restored and not any(self._failures.values()):
                    await self.when_restored()
                for name, run in zip(names, runs, strict=True):
                    await self._close(name, run)
        except DbrestoreError as error:
            self._judge(error)
            raise
        raise_problems([error for name in names for error in self._failures[name]])
        return [run.plan for run in runs]

    async def _open_cluster(self, plans: Sequence[Plan]) -> None:
        """Have the cluster at hand, if one is wanted."""
        if self.options.cluster and self._cluster is None:
            raise_problems(_unclaimable(plans))
            self._cluster = await self.stack.enter_async_context(
                open_cluster(self.options.cluster, self.connection, self.options.jobs, self.progress.note)
            )

    async def _prepare(self, stack: AsyncExitStack, name: str) -> Run:
        settings, options = self.connection.of_database(name), self.options
        lock = await stack.enter_async_context(only_run(settings, self._backends[name]))
        pool = await stack.enter_async_context(
            open_pool(settings, pool_size(options), lock.check, self.progress.on_statement)
        )
        self.patience.met = True
        if name in self._settled:
            options = replace(options, unfinished=Unfinished.RESUME)
        unfinished = await settle_unfinished(pool, options, self.progress, self.patience)
        self._settled.add(name)
        complete = self._complete.get(name) if unfinished is None else None
        if complete:
            return Run(
                complete, self.storage, settings, lock, pool, options, self.progress, self.patience, is_complete=True
            )
        schema = await settle_schema(pool, settings, name, options, self.progress, unfinished)
        self.progress.enter("planning")
        timing = Timing(dict(self.listing.stages))
        with timing.stage(Stage.PLANNING):
            plan = await _plan(self.export, self.storage, pool, name, options, unfinished, footers=self._footers)
        return Run(
            plan,
            self.storage,
            settings,
            lock,
            pool,
            options,
            self.progress,
            self.patience,
            unfinished,
            schema,
            timing,
        )

    async def _carry_out(self, name: str, run: Run, *, is_only: bool) -> None:
        if run.is_complete:
            return
        memory = await run.choose_memory()
        self._begun[name] = run.plan
        found = await run.carry_out(memory, self._cluster)
        self._failures[name] = found if is_only else [error.within(name) for error in found]

    async def _close(self, name: str, run: Run) -> None:
        self._complete[name] = run.plan
        await run.close()
        self._begun.pop(name, None)

    def _judge(self, error: DbrestoreError) -> None:
        """Nothing helps any more if rows were being loaded without a journal."""
        if error.fault and any(not plan.is_journaled for plan in self._begun.values()):
            error.fault = None
            error.hint = (
                "There is no journal to go on by: empty the tables, or begin anew with --if-not-empty truncate."
            )


def _unclaimable(plans: Sequence[Plan]) -> list[DbrestoreError]:
    """Without a journal nobody knows what a worker that died had loaded."""
    return [
        PrivilegeError(
            f"the role may not keep a journal in {plan.target_database}, by which workers load each part once",
            hint="GRANT CREATE ON DATABASE … to the role, or leave out --workers and --dask.",
        )
        for plan in plans
        if not plan.is_journaled
    ]


async def _plan(
    export: Export,
    storage: Storage,
    pool: asyncpg.Pool,
    database: str,
    options: RestoreOptions,
    unfinished: RecordedRun | None = None,
    *,
    with_rows: bool = True,
    footers: dict[str, Footer | PartError] | None = None,
) -> Plan:
    """``footers`` are those that are known, by the keys of their parts; it takes in those that are read."""
    draft, footers = await survey_both(
        export, storage, pool, database, options.choices, with_rows=with_rows, known=footers
    )
    plan = build_plan(draft, footers, options.policy, unfinished, may_spare=options.cluster is None)
    if unfinished is None:
        return plan
    changes = find_changes(unfinished, record_plan(plan, options.choices, {}))
    return replace(plan, problems=(*plan.problems, *changes))
