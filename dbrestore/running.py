"""One database's restore, from phase to phase: take down, empty, load and put back, finish, verify."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from dbrestore.databases import Databases
from dbrestore.events import Kind
from dbrestore.finishing import Finishing, FinishingOptions
from dbrestore.load import Loader
from dbrestore.planning.choices import Choices
from dbrestore.planning.resumption import record_plan, remaining_plan
from dbrestore.scheduler import Task, run_tasks
from dbrestore.target import journal
from dbrestore.target.connect import make_durable
from dbrestore.target.deferral.execution import PuttingBack, choose_build_memory, take_down
from dbrestore.target.deferral.policy import ForeignKeys, Policy
from dbrestore.target.recorded import Phase
from dbrestore.target.rows import truncate
from dbrestore.target.sessions import one_session
from dbrestore.target.survey import IGNORE_FOREIGN_KEYS
from dbrestore.tasks import BUILDS, LOADS, find_loads, load_tasks, put_back_tasks
from dbrestore.verify import count_tables, verify_counts
from dbrestore.watching import watching

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from dbrestore.errors import DbrestoreError
    from dbrestore.export.storage import Storage
    from dbrestore.plan import Plan
    from dbrestore.progress import Progress
    from dbrestore.target.catalog import Table
    from dbrestore.target.deferral.model import Step
    from dbrestore.target.recorded import RecordedRun


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
    jobs: int = 1
    """COPYs at a time."""
    index_jobs: int | None = None
    """Index builds at a time; None for as many as ``jobs``."""
    maintenance_work_mem: str | None = None
    """Memory of each index build, as the server reads it; None for a share of the server's."""
    finishing: FinishingOptions = field(default_factory=FinishingOptions)

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
    pool: asyncpg.Pool
    options: RestoreOptions
    progress: Progress
    unfinished: RecordedRun | None = None
    """The run that is gone on with."""

    async def carry_out(self) -> list[DbrestoreError]:
        """Do what is left to do, and verify all of it; return what rows, or views, were in the way of.

        Raises a DbrestoreError; then the run is unfinished.
        """
        if self.unfinished and self.unfinished.phase is Phase.DONE:
            return []
        loaded = self.unfinished.loaded if self.unfinished else set()
        self.progress.planned(self.plan, loaded)
        async with one_session(self.pool) as connection:
            memory = await choose_build_memory(connection, self.options.builds, self.options.maintenance_work_mem)
        with self.progress.telling_how_to_go_on(is_journaled=self.plan.is_journaled):
            rows_before = await self._begin()
            self.progress.enter(Phase.LOADING)
            finishing = Finishing(self.plan, self.options.finishing, self.progress)
            async with watching(self.pool, self.progress):
                failures = await self._load_and_put_back(loaded, memory)
                await self._enter(Phase.FINISHING)
                await finishing.run(self.pool, self.options.workers)
            self.progress.enter("verifying")
            await verify_counts(self.plan, rows_before, self.pool, self.options.workers)
        self.progress.warn(finishing.warnings)
        failures += finishing.failures
        if not failures:
            await self._enter(Phase.DONE)
            self.progress.finished(self.plan)
        return failures

    async def close(self) -> None:
        """Remove the journal, unless something is still down."""
        async with one_session(self.pool) as connection:
            if self.plan.is_journaled:
                await journal.finish(connection)
            await make_durable(connection)

    async def _begin(self) -> Mapping[int, int]:
        """Have all ready for loading; return the rows that tables keep, by oid."""
        if self.unfinished:
            return self.unfinished.rows_before
        self.progress.enter(Phase.TAKING_DOWN)
        kept = (table for table in self.plan.tables if table.keeps_rows)
        rows_before = await count_tables(kept, self.pool, self.options.workers)
        async with one_session(self.pool) as connection:
            if self.plan.is_journaled:
                recorded = record_plan(self.plan, self.options.choices, rows_before)
                await journal.begin(connection, recorded, self.plan.deferral.milestones)
            with self.progress.doing(Kind.TAKE_DOWN, "keys, indexes and triggers", connection):
                await take_down(connection, self.plan.deferral)
        if self.plan.truncated:
            await self._enter(Phase.EMPTYING)
            await empty(self.plan.truncated, self.pool)
        await self._enter(Phase.LOADING)
        return rows_before

    async def _load_and_put_back(self, loaded: set[str], memory: str) -> list[DbrestoreError]:
        """Return what rows were in the way of; ``memory`` is for each index build."""
        options = self.options
        steps, earlier_failures = await self._read_steps()
        putting_back = PuttingBack({step.key: step for step in steps}, memory)
        is_unchecked = self.plan.policy.foreign_keys is ForeignKeys.UNCHECKED
        with ThreadPoolExecutor(options.jobs, thread_name_prefix="encode") as threads:
            loader = Loader(
                self.storage, threads, (IGNORE_FOREIGN_KEYS,) if is_unchecked else (), self.plan.is_journaled
            )
            sizes = {table.table.oid: table.size for table in self.plan.tables}
            self.progress.putting_back(steps)
            tasks = [
                *load_tasks(remaining_plan(self.plan, loaded), loader, self.progress),
                *put_back_tasks(putting_back, find_loads(self.plan), sizes, self.progress),
            ]
            await run_tasks(tasks, self.pool, options.workers, {LOADS: options.jobs, BUILDS: options.builds})
        return [*earlier_failures, *putting_back.failures]

    async def _read_steps(self) -> tuple[Sequence[Step], list[DbrestoreError]]:
        """What is down, and what could not be put back as it was."""
        if not self.unfinished:
            return list(self.plan.deferral.steps), []
        async with one_session(self.pool) as connection:
            return await journal.read_steps(connection), await journal.read_failures(connection)

    async def _enter(self, phase: Phase) -> None:
        self.progress.enter(phase)
        if self.plan.is_journaled:
            async with one_session(self.pool) as connection:
                await journal.enter(connection, phase)


def pool_size(options: RestoreOptions) -> int:
    """Connections of a run: those that do something, one that keeps others off, one that asks how far the server is."""
    return options.workers + 2


async def empty(truncated: Sequence[Sequence[Table]], pool: asyncpg.Pool) -> None:
    """Truncate each group of tables, one group after the other. Raises TargetError."""
    await run_tasks(
        [Task(number, partial(truncate, tables=tables)) for number, tables in enumerate(truncated)], pool, 1
    )
