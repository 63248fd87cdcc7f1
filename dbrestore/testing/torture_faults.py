"""What `make torture` does to restores."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from dbrestore.testing.postgres import HOST
from dbrestore.testing.proxy import Ending, Proxy
from dbrestore.testing.s3 import CLIENT_ENVIRONMENT, S3Server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from random import Random
    from types import TracebackType

    from dbrestore.testing.databases import Database
    from dbrestore.testing.postgres import PostgresServer
    from dbrestore.testing.watcher import Watcher

SESSIONS = "FROM pg_stat_activity WHERE application_name = 'dbrestore' AND datname = current_database()"
LONGEST_OUTAGE = 0.5
"""Seconds."""
BUCKET = "torture"


@dataclass(frozen=True, slots=True)
class Victim:
    """A restore that is running."""

    target: Database
    process: asyncio.subprocess.Process
    watcher: Watcher


class Fault(ABC):
    """A kind of fault, from the ``with`` block's start to its end."""

    is_deadly: ClassVar[bool] = False
    """It ends the restore, which is to be resumed; it is to be borne otherwise."""

    def __init__(self, server: PostgresServer) -> None:
        """Of restores into that server's databases."""
        self.server = server
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def environment(self) -> Mapping[str, str]:
        """What the process of a restore has in its environment besides."""
        return {}

    def publish(self, export: Path) -> str:
        """Put the export where restores read it; return where."""
        return str(export)

    def dsn(self, target: Database) -> str:
        """How restores reach the target."""
        return target.dsn

    @abstractmethod
    async def strike(self, victim: Victim, chance: Random) -> None:
        """Do it once."""


class Kill(Fault):
    """The process is killed."""

    is_deadly = True

    async def strike(self, victim: Victim, _chance: Random) -> None:
        victim.process.kill()


class Terminate(Fault):
    """The server ends one of the restore's connections, or all of them."""

    async def strike(self, victim: Victim, chance: Random) -> None:
        limit = chance.choice(["1", "1", "ALL"])
        pids = f"SELECT pid {SESSIONS} ORDER BY random() LIMIT {limit}"
        await victim.watcher.ask(f"SELECT count(pg_terminate_backend(pid)) FROM ({pids}) AS chosen")


class Restart(Fault):
    """The server is stopped in immediate mode and started again, or one of its processes is killed and it recovers."""

    async def strike(self, victim: Victim, chance: Random) -> None:
        pid = await victim.watcher.ask(f"SELECT pid {SESSIONS} ORDER BY random() LIMIT 1")
        if pid and chance.random() < 0.5:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        else:
            await asyncio.to_thread(self.server.crash)
            await asyncio.sleep(LONGEST_OUTAGE * chance.random())
            await asyncio.to_thread(self.server.start_again)
        while await victim.watcher.now() is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Network(Fault):
    """What lies between the restore and the target cuts, delays, holds and refuses connections."""

    def __init__(self, server: PostgresServer) -> None:
        super().__init__(server)
        self.proxy = self._stack.enter_context(Proxy(self._address()))

    def _address(self) -> tuple[str, int]:
        return HOST, self.server.port

    def dsn(self, target: Database) -> str:
        return target.dsn.replace(f":{self.server.port}/", f":{self.proxy.port}/")

    async def strike(self, _victim: Victim, chance: Random) -> None:
        act: Callable[[float], object] = chance.choice(
            [self._cut, self._hold, self._black_hole, self._refuse, self._delay]
        )
        await asyncio.to_thread(act, chance.random())

    def _cut(self, share: float) -> None:
        self.proxy.cut(Ending.FIN if share < 0.5 else Ending.RST)

    def _hold(self, share: float) -> None:
        self.proxy.hold()
        self._wait(share)
        self.proxy.release()

    def _black_hole(self, share: float) -> None:
        self.proxy.hold()
        self._wait(share)
        self.proxy.cut()
        self.proxy.release()

    def _refuse(self, share: float) -> None:
        self.proxy.refuse()
        self.proxy.cut()
        self._wait(share)
        self.proxy.accept()

    def _delay(self, share: float) -> None:
        self.proxy.delay = 0.01 * share

    @staticmethod
    def _wait(share: float) -> None:
        time.sleep(LONGEST_OUTAGE * share)


class StorageNetwork(Network):
    """The same between the restore and S3."""

    def __init__(self, server: PostgresServer) -> None:
        self.s3 = S3Server()
        super().__init__(server)

    def _address(self) -> tuple[str, int]:
        self._stack.enter_context(self.s3)
        host, _, port = self.s3.url.removeprefix("http://").partition(":")
        return host, int(port)

    @property
    def environment(self) -> Mapping[str, str]:
        return {**CLIENT_ENVIRONMENT, "DBRESTORE_AWS_ENDPOINT_URL": f"http://{HOST}:{self.proxy.port}"}

    def publish(self, export: Path) -> str:
        self.s3.make_bucket(BUCKET)
        self.s3.put_folder(BUCKET, export.name, export)
        return f"s3://{BUCKET}/{export.name}"

    def dsn(self, target: Database) -> str:
        return target.dsn


FAULTS: Mapping[str, type[Fault]] = {
    "kill": Kill,
    "terminate": Terminate,
    "restart": Restart,
    "network": Network,
    "s3": StorageNetwork,
}
"""By their names in FAULT."""
