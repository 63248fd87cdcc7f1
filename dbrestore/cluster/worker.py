"""What a worker of a cluster does: it loads parts, by connections and a storage of its own.

A plugin has these, one for each run, and each task finds it by its name. Dask does not end a task that nobody waits
for any more: the plugin does, so that a coordinator that is gone leaves nothing at work.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from distributed import WorkerPlugin, get_worker

from dbrestore.cluster.connections import Connections
from dbrestore.errors import ClusterError, DbrestoreError
from dbrestore.export.opening import SourceSettings, open_storage
from dbrestore.load import Loader
from dbrestore.memory import use_little_memory
from dbrestore.streams import Streams
from dbrestore.target.connect import ConnectionSettings, open_pool
from dbrestore.target.lock import RunLock
from dbrestore.target.travel import with_own_secrets
from dbrestore.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    import asyncpg
    from distributed import Worker

    from dbrestore.plan import PlannedTable
    from dbrestore.target.lock import Backend
    from dbrestore.timing import TableTimes

APPLICATION = "dbrestore worker"
"""As the server shows its connections, with the worker's name."""
APPLICATION_BYTES = 63
"""That the server keeps of it: NAMEDATALEN - 1."""
BEGUN = "begun"
"""What a worker says of a load, by the key of its task, as soon as that has a connection."""
AGAIN_HINT = "When the cluster is there again, --resume goes on."
SHARE_SECONDS = 1.0
"""In which a worker that has no connections may be given some, before it gives back what it is to load."""
IDLE_SECONDS = 60.0
"""After which a connection is closed: who gave the work may be gone."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker has to know of a run. There is no secret in it: it goes through the scheduler, and stays there."""

    run: str
    """Name of the plugin."""
    source: str
    """Where the export is: the absolute path of a folder, or an ``s3://`` address."""
    source_settings: SourceSettings
    target: ConnectionSettings
    holder: Backend
    """Of the coordinator's lock: where it is not held, this is another server, or nobody waits for the work."""
    connections: int
    """Of all workers together, at most."""
    preparation: tuple[str, ...] = ()
    """Statements that each transaction begins with."""
    has_own_process: bool = False
    """The worker is there for this run alone."""


class Way(StrEnum):
    """How tables are loaded."""

    WHOLE = "whole"
    """All parts of one, whose rows may be frozen."""
    PARTS = "parts"
    """Some of one's."""
    TOGETHER = "together"
    """Several whose rows may reference each other's."""
    CROWD = "crowd"
    """Several small ones."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be loaded in one transaction."""

    key: str
    """Of the task."""
    run: str
    tables: tuple[PlannedTable, ...]
    """Each with those of its parts that are to be loaded."""
    way: Way


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a load."""

    failure: DbrestoreError | None = None
    """What was in the way, which Dask neither logs nor cuts off if it is returned."""
    times: Mapping[int, TableTimes] = field(default_factory=dict)
    """Of its COPYs, by the oids of the tables."""
    is_refused: bool = False
    """The worker may have no connection: another one has to do it."""


def application_of(worker: object) -> str:
    """What the server shows of a worker with this name."""
    return f"{APPLICATION} {worker}".encode("ascii", "replace")[:APPLICATION_BYTES].decode()


async def limit_connections(run: str, connections: int, dask_worker: Worker) -> int | None:
    """Let a worker have no more; return how many it still has, or None if it does not know the run yet."""
    plugin = dask_worker.plugins.get(run)
    return await plugin.connections.limit(connections) if isinstance(plugin, LoadingPlugin) else None


async def load(work: Load) -> Outcome:
    """The task."""
    plugin = get_worker().plugins.get(work.run)
    if not isinstance(plugin, LoadingPlugin):
        return Outcome(ClusterError("a worker was given a part of a run that it does not know", hint=AGAIN_HINT))
    return await plugin.load(work)


class LoadingPlugin(WorkerPlugin):  # type: ignore[misc]
    """Has what the loads of one run need, and ends them."""

    def __init__(self, assignment: Assignment) -> None:
        """On the coordinator; what travels is the assignment."""
        self.name = assignment.run
        self.assignment = assignment

    def setup(self, worker: Worker) -> None:
        """On a worker, before its first task."""
        self.connections = Connections(self._open_pool)
        self._worker = worker
        self._running: dict[str, asyncio.Task[bool]] = {}
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._loader: Loader | None = None
        if self.assignment.has_own_process:
            use_little_memory()

    async def load(self, work: Load) -> Outcome:
        """Load, or return what was in the way."""
        timing = Timing()
        task = self._running[work.key] = asyncio.create_task(self._load(work, timing))
        task.add_done_callback(lambda _: self._running.pop(work.key))
        await asyncio.wait({task})
        if task.cancelled():
            return Outcome(ClusterError("the load was cancelled", hint=AGAIN_HINT))
        error = task.exception()
        if error is not None and not isinstance(error, DbrestoreError):
            raise error
        return Outcome(error, timing.times().tables, is_refused=error is None and not task.result())

    async def _load(self, work: Load, timing: Timing) -> bool:
        """Load; False if there is no connection to load by."""
        if not await self.connections.wait_for_some(SHARE_SECONDS):
            return False
        loader = replace(await self._open_loader(), timing=timing, freezes=work.way is Way.WHOLE)
        begun = partial(self._worker.log_event, self.assignment.run, {BEGUN: work.key})
        for table in work.tables:
            loader.expect(table.parts)
        async with self.connections.session() as connection:
            match work.way:
                case Way.TOGETHER:
                    await loader.load_together(connection, work.tables, begun)
                case Way.CROWD:
                    await loader.load_crowd(connection, work.tables, begun)
                case Way.WHOLE | Way.PARTS:
                    [table] = work.tables
                    await loader.load(connection, table, table.parts, begun)
        return True

    def transition(self, key: str, start: str, finish: str, **_: Any) -> None:
        """End what is not wanted any more: Dask lets it run, and forgets it."""
        if start == "executing" and finish not in {"memory", "error"} and key in self._running:
            _cancel(self._running[key])

    async def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - as Dask calls it
        """End all that runs, and close the connections."""
        running = list(self._running.values())
        for task in running:
            _cancel(task)
        if running:
            await asyncio.wait(running)
        await self.connections.close()
        await self._stack.aclose()

    async def _open_loader(self) -> Loader:
        """What loads, opened when the first part comes. Raises a DbrestoreError; then the next one tries again."""
        async with self._opening:
            if self._loader is None:
                given = self.assignment
                async with AsyncExitStack() as stack:
                    threads = stack.enter_context(ThreadPoolExecutor(given.connections, thread_name_prefix="encode"))
                    storage = open_storage(given.source, given.source_settings, self._notify)
                    streams = Streams(await stack.enter_async_context(storage), threads)
                    self._loader = Loader(await stack.enter_async_context(aclosing(streams)), given.preparation)
                    self._stack = stack.pop_all()
            return self._loader

    def _open_pool(self) -> AbstractAsyncContextManager[asyncpg.Pool]:
        given = self.assignment
        return open_pool(
            with_own_secrets(given.target),
            1,
            RunLock(given.holder, set()).check,
            application=application_of(self._worker.name),
            idle_seconds=IDLE_SECONDS,
        )

    def _notify(self, line: str) -> None:
        self._worker.log_event(self.assignment.run, f"worker {self._worker.name}: {line}")


def _cancel(task: asyncio.Task[bool]) -> None:
    """A second time would keep it from telling the server to end its COPY."""
    if not task.cancelling():
        task.cancel()
