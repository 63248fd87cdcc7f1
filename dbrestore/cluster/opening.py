"""A Dask cluster: started on this machine for the time of a restore, or one that runs elsewhere."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import tempfile
import threading
import warnings
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.util import find_spec
from math import ceil
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask
from distributed import Client, LocalCluster

from dbrestore.cluster.engine import ClusterEngine
from dbrestore.cluster.options import INSTALL_HINT
from dbrestore.cluster.shares import Shares
from dbrestore.cluster.versions import check_versions
from dbrestore.cluster.worker import AGAIN_HINT, BEGUN, Assignment, LoadingPlugin
from dbrestore.errors import ClusterError, UsageError
from dbrestore.report.quantities import counted
from dbrestore.target.travel import DSN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from dbrestore.cluster.options import ClusterOptions
    from dbrestore.cluster.shares import EndSessions
    from dbrestore.load import Begun
    from dbrestore.target.connect import ConnectionSettings
    from dbrestore.target.lock import Backend
    from dbrestore.timing import Timing

    Notify = Callable[[str], None]

TASKS_PER_CONNECTION = 2
"""One is loaded while the next one is fetched."""
ARRIVAL_SECONDS = 20.0
"""In which the first worker of a cluster has to be there."""
GOODBYE_SECONDS = 30.0
"""In which workers that live have told that they are at nothing any more."""
LOOPBACK = "127.0.0.1"
EVERYTHING = "all"
"""The topic in which a scheduler tells of its workers."""
ADDRESS_HINT = (
    "--dask takes an address like tcp://scheduler:8786. For tls:// Dask has to be told a certificate, by its "
    "configuration or by DASK_DISTRIBUTED__COMM__TLS__CA_FILE, DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT and …__KEY."
)
TALKATIVE = {"bokeh", "distributed", "tornado"}
SILENT = logging.CRITICAL + 1


@dataclass(frozen=True, slots=True)
class Cluster:
    """Workers that load, whose connections have one bound."""

    client: Client
    options: ClusterOptions
    connections: int
    """Of all workers together."""
    notify: Notify

    @asynccontextmanager
    async def engine(
        self,
        source: str,
        target: ConnectionSettings,
        holder: Backend,
        preparation: tuple[str, ...],
        timing: Timing,
        end_sessions: EndSessions,
    ) -> AsyncIterator[ClusterEngine]:
        """What loads the export at ``source`` into ``target``, which has no secrets, while ``holder`` holds the lock.

        ``timing`` takes in the time of the COPYs, and ``end_sessions`` ends those of workers that are gone. When the
        block ends, no worker is at it any more.
        """
        assignment = Assignment(
            run=_name(target),
            source=_absolute(source),
            source_settings=await self._source_settings(),
            target=target,
            holder=holder,
            connections=self.connections,
            preparation=preparation,
            has_own_process=not self.options.scheduler,
        )
        shares = Shares(self.client, assignment.run, self.connections, end_sessions)
        given: dict[str, Begun] = {}
        try:
            with self._notices(assignment.run, shares, given):
                await self.client.register_plugin(LoadingPlugin(assignment))
                async with shares.kept():
                    tasks = TASKS_PER_CONNECTION * self.connections
                    yield ClusterEngine(self.client, assignment.run, shares, tasks, timing, given)
        finally:
            await self._end(assignment.run)

    async def _source_settings(self) -> Any:
        """Those of one worker: the workers of a machine share what may lie in its spool folder."""
        source = self.options.source
        hosts = Counter(worker["host"] for worker in (await _identify(self.client))["workers"].values())
        return replace(source, spool_limit=source.spool_limit // max(hosts.values(), default=1))

    async def _end(self, run: str) -> None:
        """Have the workers end what they do; where the scheduler is gone they do so by themselves."""
        if self.client.status == "running":
            with suppress(OSError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await self.client.unregister_worker_plugin(run)

    @contextmanager
    def _notices(self, run: str, shares: Shares, given: Mapping[str, Begun]) -> Iterator[None]:
        """Pass on what workers have to say, and what the scheduler says of them."""

        def hear(event: tuple[float, Any]) -> None:
            if isinstance(event[1], str):
                self.notify(event[1])
            elif begun := given.get(event[1][BEGUN]):
                begun()

        def watch(event: tuple[float, Any]) -> None:
            happened = event[1]
            shares.change()
            if happened.get("action") == "remove-worker" and not happened.get("expected"):
                self.notify(f"the worker {happened['worker']} is gone: another one loads its parts")

        self.client.subscribe_topic(run, hear)
        self.client.subscribe_topic(EVERYTHING, watch)
        try:
            yield
        finally:
            for topic in (run, EVERYTHING):
                self.client.unsubscribe_topic(topic)


def _absolute(source: str) -> str:
    """Where the workers look for an export, whatever folder they run in."""
    return source if "://" in source else str(Path(source).absolute())


def _name(target: ConnectionSettings) -> str:
    """Of the plugin: the one of a new run takes the place of what an earlier one left at the workers."""
    return f"dbrestore-{sha256(repr((target, target.dsn and target.dsn.get_secret_value())).encode()).hexdigest()[:16]}"


@asynccontextmanager
async def open_cluster(
    options: ClusterOptions, connection: ConnectionSettings, connections: int, notify: Notify
) -> AsyncIterator[Cluster]:
    """As `dbrestore.cluster.options.open_cluster`, where a cluster is wanted."""
    async with AsyncExitStack() as stack:
        stack.enter_context(_silence())
        if options.scheduler:
            client = await stack.enter_async_context(_connected(options.scheduler))
        else:
            bound = _bound(options.workers, connections, options)
            client = await stack.enter_async_context(_started(options.workers, bound, connection))
        workers = len((await _identify(client))["workers"])
        bound = _bound(workers, connections, options)
        notify(f"{counted(workers, 'Dask worker')} with {counted(bound, 'connection')}{_dashboard(client)}")
        yield Cluster(client, options, bound, notify)


def _bound(workers: int, connections: int, options: ClusterOptions) -> int:
    """The most connections of all workers together."""
    if not workers:
        raise ClusterError("the Dask cluster has no workers", hint="Start some: dask worker ADDRESS")
    if connections < workers and not options.may_add_connections:
        raise UsageError(
            f"{workers} workers need a connection each, but --jobs lets them have {connections}",
            hint=f"--jobs {workers} or more, or fewer workers.",
        )
    return max(connections, workers)


def _dashboard(client: Client) -> str:
    try:
        return f"; dashboard: {client.dashboard_link}"
    except KeyError:  # a scheduler without one
        return ""


@asynccontextmanager
async def _started(workers: int, connections: int, target: ConnectionSettings) -> AsyncIterator[Client]:
    """A cluster on this machine. Nobody but its own processes can talk to it: certificates are made for it."""
    secrets = {DSN_VARIABLE: target.dsn.get_secret_value()} if target.dsn else {}
    with (
        tempfile.TemporaryDirectory(prefix="dbrestore-dask-") as folder,
        dask.config.set(_worker_loop()),
        _deaf_children(),
    ):
        async with AsyncExitStack() as stack:
            try:
                cluster = await stack.enter_async_context(
                    LocalCluster(
                        n_workers=workers,
                        threads_per_worker=TASKS_PER_CONNECTION * ceil(connections / workers),
                        memory_limit=None,  # what a load takes is bounded by dbrestore itself
                        host=LOOPBACK,
                        dashboard_address=f"{LOOPBACK}:0",
                        security=True,
                        asynchronous=True,
                        silence_logs=SILENT,
                        local_directory=folder,
                        env=secrets,
                    )
                )
                client = await stack.enter_async_context(Client(cluster, asynchronous=True, set_as_default=False))
            except ImportError as error:
                raise UsageError(f"--workers needs more than Dask: {error}", hint=INSTALL_HINT) from error
            except (OSError, RuntimeError) as error:
                hint = "Look at the memory and at the limit of processes (ulimit -u), or start fewer workers."
                raise ClusterError(f"the workers cannot be started: {error}", hint=hint) from error
            opened = stack.pop_all()
        try:
            yield client
        finally:
            await _close_whole(opened)


async def _close_whole(opened: AsyncExitStack) -> None:
    """Who is cancelled meanwhile waits for the end of it: processes would live on."""
    closing = asyncio.create_task(opened.aclose())
    try:
        await asyncio.shield(closing)
    except asyncio.CancelledError:
        await asyncio.wait({closing})
        raise


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Ctrl-C reaches all processes of a terminal: this one heeds it, and ends those that it starts in the block.

    A blocked signal stays blocked in children. Here a thread takes it instead, which wakes the event loop.
    """
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # would unblock it again while it starts
    over = threading.Event()
    listener = threading.Thread(target=over.wait, name="signals", daemon=True)
    listener.start()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        over.set()
        listener.join()


def _worker_loop() -> Mapping[str, str]:
    return {"distributed.admin.event-loop": "uvloop" if find_spec("uvloop") else "asyncio"}


@asynccontextmanager
async def _connected(address: str) -> AsyncIterator[Client]:
    """A cluster that runs."""
    async with AsyncExitStack() as stack:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions that differ, which are looked at here
            client = await _connect(address, stack)
        with suppress(TimeoutError):
            await client.wait_for_workers(1, ARRIVAL_SECONDS)
        await check_versions(client)
        yield client


async def _connect(address: str, stack: AsyncExitStack) -> Client:
    try:
        client = Client(address, asynchronous=True, set_as_default=False)
        stack.push_async_callback(client.close)
        await client
    except (OSError, ValueError, TypeError) as error:
        raise ClusterError(
            f"no Dask scheduler at {address}: {error}",
            hint=ADDRESS_HINT,
        ) from error
    return client


async def _identify(client: Client) -> dict[str, Any]:
    try:
        found: dict[str, Any] = await client.scheduler.identity(n_workers=-1)
    except OSError as error:
        raise ClusterError(f"the Dask scheduler does not answer: {error}", hint=AGAIN_HINT) from error
    return found


@contextmanager
def _silence() -> Iterator[None]:
    """What goes wrong in a cluster is told once, and in our words."""
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.split(".")[0] in TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(SILENT)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
