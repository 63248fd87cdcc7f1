"""One database's restore, from phase to phase: take down, empty, load and put back, finish, verify."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from dbrestore.advice import Observation, advise
from dbrestore.databases import Databases
from dbrestore.errors import raise_problems
from dbrestore.events import Kind
from dbrestore.finishing import Finishing, FinishingOptions
from dbrestore.load import Loader
from dbrestore.planning.choices import Choices
from dbrestore.planning.naming import list_names
from dbrestore.planning.resumption import record_plan, remaining_plan
from dbrestore.scheduler import Task, run_tasks
from dbrestore.sparing import SparingLoader
from dbrestore.streams import Streams
from dbrestore.target import journal
from dbrestore.target.compression import COMPRESS_BY_LZ4, may_choose_lz4
from dbrestore.target.connect import make_durable
from dbrestore.target.deferral.execution import PuttingBack, choose_build_memory, take_down
from dbrestore.target.deferral.policy import ForeignKeys, Policy
from dbrestore.target.deferral.sparing import Sparing
from dbrestore.target.freezing import skips_wal
from dbrestore.target.recorded import Phase
from dbrestore.target.rows import truncate
from dbrestore.target.server import read_server_state
from dbrestore.target.sessions import end_sessions, one_session
from dbrestore.target.survey import IGNORE_FOREIGN_KEYS
from dbrestore.target.travel import settings_to_send
from dbrestore.tasks import BUILDS, LOADS, find_loads, find_whole, load_tasks, put_back_tasks
from dbrestore.timing import Stage, Timing
from dbrestore.verification.counting import count_tables, count_tasks
from dbrestore.verification.verdicts import Verification
from dbrestore.verify import OTHER_WRITER_HINT, compare, find_problems
from dbrestore.watching import watching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable, Mapping, Sequence, Set

    import asyncpg

    from dbrestore.archive.archive import ArchiveOptions
    from dbrestore.archive.schema import Schema
    from dbrestore.cluster.opening import Cluster
    from dbrestore.cluster.options import ClusterOptions
    from dbrestore.errors import DbrestoreError
    from dbrestore.export.storage import Storage
    from dbrestore.patience import Patience
    from dbrestore.plan import Plan
    from dbrestore.progress import Progress
    from dbrestore.scheduler import Engine
    from dbrestore.target.catalog import Table
    from dbrestore.target.connect import ConnectionSettings
    from dbrestore.target.deferral.model import Step
    from dbrestore.target.lock import RunLock
    from dbrestore.target.recorded import RecordedRun
    from dbrestore.target.server import ServerState


class Unfinished(StrEnum):
    """What is done where an earlier run did not come to its end."""

    REFUSE = "refuse"
    RESUME = "resume"
    """Go on with it."""
    RESTART = "restart"
    """Empty what it loaded, put back what it took down, and begin anew."""


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """What is restored, and how."""

    databases: Databases = field(default_factory=Databases)
    choices: Choices = field(default_factory=Choices)
    policy: Policy = field(default_factory=Policy)
    unfinished: Unfinished = Unfinished.REFUSE
    retry_for: float = 600.0
    """Seconds from a fault of the target, after something succeeded, until it is taken for good."""
    jobs: int = 1
    """COPYs at a time."""
    index_jobs: int | None = None
    """Index builds at a time; None for as many as ``jobs``."""
    maintenance_work_mem: str | None = None
    """Memory of each index build, as the server reads it; None for a share of the server's."""
    lz4: bool = True
    """Compress wide values by it, where that is nobody else's choice."""
    finishing: FinishingOptions = field(default_factory=FinishingOptions)
    verification: Verification = Verification.COUNTS
    schema: ArchiveOptions | None = None
    """What makes the tables, and later their keys and indexes; None where all of that is there."""
    cluster: ClusterOptions | None = None
    """The Dask cluster that loads; None for this process."""

    @property
    def builds(self) -> int:
        """Index builds at a time."""
        return self.index_jobs or self.jobs

    @property
    def workers(self) -> int:
        """Connections that do something."""
        return max(self.jobs, self.builds)


@dataclass(frozen=True, slots=True)
class Run:
    """The restore of one database, which may go on where an unfinished one stopped."""

    plan: Plan
    storage: Storage
    connection: ConnectionSettings
    lock: RunLock
    pool: asyncpg.Pool
    options: RestoreOptions
    progress: Progress
    patience: Patience
    unfinished: RecordedRun | None = None
    """The run that is gone on with."""
    schema: Schema | None = None
    """Whose post-data is made after the rows."""
    timing: Timing = field(default_factory=Timing)
    is_complete: bool = False
    """There is nothing left to do but to remove the journal, if even that."""
    _counts: dict[int, int] = field(default_factory=dict)
    """The rows of tables that were counted beside the last ANALYZE, by oid."""

    async def choose_memory(self) -> str:
        """What each index build gets. Raises a DbrestoreError if the server does not take what is wanted."""
        async with one_session(self.pool) as connection:
            return await choose_build_memory(connection, self.options.builds, self.options.maintenance_work_mem)

    async def carry_out(self, memory: str, cluster: Cluster | None = None) -> list[DbrestoreError]:
        """Do what is left to do, and verify all of it; return what rows, or views, were in the way of.

        ``cluster`` loads, or else this process does.

        Raises a DbrestoreError; then the run is unfinished.
        """
        if self.is_complete or (self.unfinished and self.unfinished.phase is Phase.DONE):
            return []
        loaded = self.unfinished.loaded if self.unfinished else set()
        self.progress.planned(self.plan, loaded)
        async with one_session(self.pool) as connection:
            whole = find_whole(self.plan, self.options.jobs) if await skips_wal(connection) else frozenset()
            before = await read_server_state(connection, memory)
        with self.timing.stage(Stage.PREPARING):
            rows_before = await self._begin()
        self.progress.enter(Phase.LOADING)
        finishing = Finishing(self.plan, self.options.finishing, self.progress)
        async with watching(self.pool, self.progress):
            with self.timing.loading():
                failures = await self._load_and_put_back(loaded, whole, memory, finishing, cluster)
                if self.schema:
                    self.progress.note(f"making the keys, indexes and triggers of {self.schema.archive.path}")
                    failures += await self.schema.make_post_data(self.pool, self.options.builds, memory)
            with self.timing.stage(Stage.FINISHING):
                await self._enter(Phase.FINISHING)
                await finishing.run(self.pool, self.options.workers, self.patience)
        self.progress.enter("verifying")
        with self.timing.stage(Stage.VERIFYING):
            await self._verify(rows_before)
        self.progress.warn(finishing.warnings)
        failures += finishing.failures
        if not failures:
            await self._enter(Phase.DONE)
            self.progress.finished(self.plan, self.timing.times(), self.options.verification)
            self.progress.advise(await self._advice(before, memory))
        return failures

    async def close(self) -> None:
        """Remove the journal, unless something is still down."""
        async with one_session(self.pool) as connection:
            if self.plan.is_journaled:
                await journal.finish(connection)
            await make_durable(connection)

    async def _verify(self, rows_before: Mapping[int, int]) -> None:
        """Raises VerificationError for a table that differs, SeveralProblemsError if more than one does."""
        plan, way = self.plan, self.options.verification
        if way is Verification.DEEP and rows_before:
            kept = [table.table.dotted for table in plan.tables if table.table.oid in rows_before]
            self.progress.warn([f"only the rows are counted of what had rows before: {list_names(kept)}"])
        version, workers = plan.catalog.server_version, self.options.workers
        verdicts = await compare(
            plan.tables, way, self.storage, version, rows_before, self.pool, workers, self.patience, self._counts
        )
        raise_problems(find_problems(verdicts, OTHER_WRITER_HINT))

    async def _begin(self) -> Mapping[int, int]:
        """Have all ready for loading; return the rows that tables keep, by oid."""
        if self.unfinished:
            return self.unfinished.rows_before
        self.progress.enter(Phase.TAKING_DOWN)
        kept = (table for table in self.plan.tables if table.keeps_rows)
        rows_before = await count_tables(kept, self.pool, self.options.workers, self.patience)
        async with one_session(self.pool) as connection:
            if self.plan.is_journaled:
                recorded = record_plan(self.plan, self.options.choices, rows_before)
                await journal.begin(connection, recorded, self.plan.deferral.milestones)
            with self.progress.doing(Kind.TAKE_DOWN, "keys, indexes and triggers", connection):
                await take_down(connection, self.plan.deferral)
        if self.plan.truncated:
            await self._enter(Phase.EMPTYING)
            await empty(self.plan.truncated, self.pool, self.patience)
        await self._enter(Phase.LOADING)
        return rows_before

    async def _load_and_put_back(
        self, loaded: set[str], whole: Set[int], memory: str, finishing: Finishing, cluster: Cluster | None
    ) -> list[DbrestoreError]:
        """Return what rows were in the way of; ``memory`` is for each index build.

        ``whole`` are the oids of tables that may go in one COPY each.
        """
        options = self.options
        steps, earlier_failures = await self._read_steps()
        putting_back = PuttingBack({step.key: step for step in steps}, memory)
        sparing = Sparing.of(self.plan.deferral.spared)
        sizes = {table.table.oid: table.size for table in self.plan.tables}
        shares: dict[Hashable, int] = {LOADS: options.jobs, BUILDS: options.builds}
        async with self._engine(cluster, sparing) as engine:
            self.progress.putting_back(steps)
            loads = find_loads(self.plan)
            tasks = [
                *load_tasks(remaining_plan(self.plan, loaded), engine, self.progress, options.jobs, whole=whole),
                *put_back_tasks(putting_back, loads, sizes, self.progress, self.timing),
            ]
            if not self.schema:
                tasks += [*self._count(tasks), *finishing.early_tasks(steps, loads, options.workers)]
            shares[LOADS] = engine.elsewhere or options.jobs
            jobs = options.builds if engine.elsewhere else options.workers
            await run_tasks(tasks, self.pool, jobs, shares, self.patience, engine.elsewhere)
        given_way = PuttingBack({step.key: step for step in sparing.steps}, memory)
        self.progress.putting_back([*steps, *sparing.steps])
        tasks = list(put_back_tasks(given_way, {}, sizes, self.progress, self.timing))
        await run_tasks(tasks, self.pool, options.builds, shares, self.patience)
        return [*earlier_failures, *putting_back.failures, *given_way.failures]

    def _count(self, tasks: Sequence[Task]) -> list[Task]:
        """Counting, once all of ``tasks`` are done, beside what then still goes on, which changes no row."""
        if self.options.verification is not Verification.COUNTS:
            return []
        done = Task("all rows and keys are in", None, frozenset(task.key for task in tasks))
        after = frozenset({done.key})
        return [done, *count_tasks(self.plan.tables, self.options.workers, self._counts, after, self.progress)]

    @asynccontextmanager
    async def _engine(self, cluster: Cluster | None, sparing: Sparing) -> AsyncIterator[Engine]:
        preparation = await self._preparation()
        if cluster:
            target = settings_to_send(self.connection, self.plan.target_database)
            async with cluster.engine(
                self.storage.url, target, self.lock.holder, preparation, self.timing, partial(end_sessions, self.pool)
            ) as engine:
                yield engine
        else:
            with ThreadPoolExecutor(self.options.jobs, thread_name_prefix="encode") as threads:
                async with aclosing(Streams(self.storage, threads)) as streams:
                    loader = Loader(streams, preparation, self.plan.is_journaled, self.timing)
                    yield SparingLoader(loader, sparing)

    async def _preparation(self) -> tuple[str, ...]:
        """The statements that the transaction of each load begins with."""
        statements = []
        if self.plan.policy.foreign_keys is ForeignKeys.UNCHECKED:
            statements.append(IGNORE_FOREIGN_KEYS)
        if self.options.lz4:
            async with one_session(self.pool) as connection:
                if await may_choose_lz4(connection):
                    statements.append(COMPRESS_BY_LZ4)
        return tuple(statements)

    async def _read_steps(self) -> tuple[Sequence[Step], list[DbrestoreError]]:
        """What is down, and what could not be put back as it was."""
        if not self.unfinished:
            return list(self.plan.deferral.steps), []
        async with one_session(self.pool) as connection:
            return await journal.read_steps(connection), await journal.read_failures(connection)

    async def _advice(self, before: ServerState | None, memory: str) -> list[str]:
        """What might make the next restore faster."""
        async with one_session(self.pool) as connection:
            after = await read_server_state(connection, memory)
        return advise(Observation(before, after, self.timing.times())) if before and after else []

    async def _enter(self, phase: Phase) -> None:
        self.progress.enter(phase)
        if self.plan.is_journaled:
            async with one_session(self.pool) as connection:
                await journal.enter(connection, phase)
        self.patience.succeeded((self.plan.source_database, phase))


def pool_size(options: RestoreOptions) -> int:
    """Connections of a run's pool: those that do something, and one that asks how far the server is."""
    return options.workers + 1


async def empty(truncated: Sequence[Sequence[Table]], pool: asyncpg.Pool, patience: Patience) -> None:
    """Truncate each group of tables, one group after the other. Raises TargetError."""
    tasks = [Task(("empty", number), partial(truncate, tables=tables)) for number, tables in enumerate(truncated)]
    await run_tasks(tasks, pool, 1, patience=patience)
