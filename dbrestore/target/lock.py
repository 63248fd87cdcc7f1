"""The lock that keeps two runs on one database apart, and what its loss means.

The lock belongs to a connection that does nothing else. As long as the server has that connection, it has not gone
down since: no commit is lost, not even one that did not wait for the disk. So each new connection looks whether the
lock is still held before it is used. Where it is not, the journal has to be read again before anything goes on.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from dbrestore.errors import ConcurrentRunError, ConnectError, Fault, TargetError
from dbrestore.target.connect import cut, on_loss, open_pool, translate_errors
from dbrestore.target.sessions import one_session
from dbrestore.target.sql import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    import asyncpg

    from dbrestore.target.connect import ConnectionSettings

KEY = int.from_bytes(b"dbrestor")
"""Of the advisory lock."""
BEAT_SECONDS = 15.0
"""Between two signs of life that the server is asked for."""
SILENCE_SECONDS = 10.0
"""That are waited for an answer, SILENCES times: what holds up this process is no silence of the server."""
SILENCES = 4
END_SECONDS = 30.0
"""In which the server ends a process that it was told to end."""
LOOK_SECONDS = 0.05
GO_ON_HINT = "Look at the server's log and at the network; --resume goes on when the server is there again."

Backend: TypeAlias = "tuple[int, datetime]"
"""A process of the server: its id and when it began, which tell it from all others."""

_QUERIES = load_queries("lock.sql")


@dataclass(frozen=True, slots=True)
class RunLock:
    """The lock, as long as its connection lives."""

    holder: Backend
    backends: set[Backend]
    """All that worked for this run so far, the holder among them."""

    async def check(self, connection: asyncpg.Connection) -> None:
        """Count a new connection among those of the run. Raises ConnectError if the lock is not held any more."""
        row = await connection.fetchrow(_QUERIES["session"], KEY, *self.holder)
        self.backends.add((row["pid"], row["backend_start"]))
        if not row["is_held"]:
            raise _lost()


def _lost() -> ConnectError:
    return ConnectError(
        "the connection that keeps other runs off the target was lost", hint=GO_ON_HINT, fault=Fault.LOCK_LOST
    )


@asynccontextmanager
async def only_run(settings: ConnectionSettings, backends: set[Backend] | None = None) -> AsyncIterator[RunLock]:
    """Keep other runs off the database for the time of the block.

    ``backends`` are those of earlier attempts of this run, which are ended before; the new ones are added.

    Raises:
        ConcurrentRunError: there is another run.
        TargetError: the target takes no writes (Fault.STANDBY).
        ConnectError: the lock was lost during the block, which then is cancelled (Fault.LOCK_LOST).
    """
    own = set() if backends is None else backends
    async with open_pool(settings, 1) as pool, one_session(pool) as connection:
        with translate_errors("keeping other runs off the target"):
            await _end_backends(connection, own)
            lock = await _take(connection, own)
        async with _watched(connection):
            yield lock


async def is_held(connection: asyncpg.Connection) -> bool:
    """Whether a run holds the lock."""
    held: bool = await connection.fetchval(_QUERIES["is_held"], KEY)
    return held


async def _end_backends(connection: asyncpg.Connection, backends: set[Backend]) -> None:
    """End what an earlier attempt left at work: its client is gone, and it may not know that yet."""
    deadline = asyncio.get_running_loop().time() + END_SECONDS
    pids, starts = [pid for pid, _ in backends], [start for _, start in backends]
    while backends and await connection.fetchval(_QUERIES["end_backends"], pids, starts):
        if asyncio.get_running_loop().time() > deadline:
            raise ConnectError(
                "a server process of the lost connections does not end", hint=GO_ON_HINT, fault=Fault.NOT_READY
            )
        await asyncio.sleep(LOOK_SECONDS)
    backends.clear()


async def _take(connection: asyncpg.Connection, backends: set[Backend]) -> RunLock:
    holder = tuple(await connection.fetchrow(_QUERIES["backend"]))
    backends.add(holder)  # first: the answer of what follows may be lost when the lock is taken
    row = await connection.fetchrow(_QUERIES["take"], KEY)
    if row["is_read_only"]:
        hint = "Connect to the primary server, and look at default_transaction_read_only."
        raise TargetError("the target is read-only", hint=hint, fault=Fault.STANDBY)
    if not row["is_taken"]:
        raise ConcurrentRunError(
            "another run of dbrestore is working on this database",
            hint="`dbrestore status` says how far it is. Wait for its end, or stop that process.",
        )
    await connection.execute(_QUERIES["stay_idle"])
    return RunLock(holder, backends)


@asynccontextmanager
async def _watched(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Cancel the block when the connection is lost, or the server silent; raise ConnectError then."""
    loop = asyncio.get_running_loop()
    touch = asyncio.create_task(_stay_in_touch(connection))
    try:
        async with asyncio.timeout(None) as scope:
            # asyncio.timeout tells its own cancellation from that by Ctrl-C.
            with on_loss(connection, lambda: scope.reschedule(loop.time())):
                touch.add_done_callback(lambda ended: None if ended.cancelled() else cut(connection))
                yield
    except TimeoutError:
        if scope.expired():
            raise _lost() from None
        raise
    finally:
        touch.cancel()
        await asyncio.gather(touch, return_exceptions=True)


async def _stay_in_touch(connection: asyncpg.Connection) -> None:
    """Return when the server does not answer any more."""
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        beat = asyncio.create_task(connection.execute("SELECT"))
        try:
            for _ in range(SILENCES):
                if (await asyncio.wait({beat}, timeout=SILENCE_SECONDS))[0]:
                    break
            else:
                return
            await beat
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
