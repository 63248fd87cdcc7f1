"""A TCP proxy whose connections a test can slow down, hold and cut, whatever protocol they carry."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    Waiting = asyncio.Queue[tuple[float, bytes]]
    """When bytes are due to be sent, and the bytes; none at the end."""

HOST = "127.0.0.1"
CHUNK_BYTES = 64 * 1024
WAITING_CHUNKS = 64
"""Chunks on their way in each direction of a connection; the sender waits when there are more."""
THROTTLE_STEPS = 50
"""Pieces a second in which a throttled direction goes."""
CALL_SECONDS = 10
"""In which the proxy's thread does what it is told, and connects to the server."""
POLL_SECONDS = 0.02

_LINGER_NOT = struct.pack("ii", 1, 0)
"""SO_LINGER that makes close() send a RST (socket(7))."""


class Direction(Enum):
    """Which way bytes go."""

    TO_SERVER = "to server"
    TO_CLIENT = "to client"


class Ending(Enum):
    """How both sides of a connection are closed."""

    FIN = "FIN"
    """After the bytes that are already forwarded: a peer that closes."""
    RST = "RST"
    """At once, and bytes that are already forwarded may be lost: a peer that crashes."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """What ends a connection that has carried ``after`` bytes."""

    after: int
    direction: Direction
    ending: Ending


@dataclass(eq=False, slots=True)
class _Link:
    """A client's connection and the one to the server that belongs to it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    carried: Counter[Direction] = field(default_factory=Counter)
    pumps: list[asyncio.Task[None]] = field(default_factory=list)
    ended: bool = False

    def end(self, ending: Ending) -> None:
        """Close both sides; the first ending is the one that counts."""
        if self.ended:
            return
        self.ended = True
        for pump in self.pumps:
            pump.cancel()
        if ending is Ending.RST:
            self.reset()
        else:
            self.client.close()
            self.server.close()

    def reset(self) -> None:
        """Drop what an ending with FIN may still have to send."""
        _reset(self.client)
        _reset(self.server)


class Proxy:
    """Forwards connections to a server, in a thread of its own, from the ``with`` block's start to its end.

    Its methods and attributes are for other threads. They act on open connections as well as on new ones.
    """

    def __init__(self, target: tuple[str, int] | Path) -> None:
        """``target`` is a host and a port, or the path of a Unix socket."""
        self.delay = 0.0
        """Seconds that bytes take, in each direction."""
        self.bytes_per_second: float | None = None
        """In each direction of each connection; None: as fast as it goes."""
        self.connections = 0
        """Accepted so far."""
        self.carried: Counter[Direction] = Counter()
        """Bytes forwarded so far."""
        self._target = target
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        """On 127.0.0.1."""
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._cuts: list[_Cut] = []
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def open_connections(self) -> int:
        """Connections that have not ended."""
        return sum(not link.ended for link in tuple(self._links))

    def cut(self, ending: Ending = Ending.RST) -> None:
        """End all open connections."""
        self._call(lambda: self._end_links(ending))

    def cut_after(
        self, count: int, direction: Direction = Direction.TO_CLIENT, ending: Ending = Ending.RST, *, times: int = 1
    ) -> None:
        """End a connection as soon as it has carried ``count`` bytes in a direction; the first ``times`` that do."""
        self._call(lambda: self._cuts.extend([_Cut(count, direction, ending)] * times))

    def hold(self) -> None:
        """Take connections and bytes, and forward nothing: a black hole."""
        self._call(self._flowing.clear)

    def release(self) -> None:
        """Forward what was held, and go on."""
        self._call(self._flowing.set)

    def refuse(self) -> None:
        """Refuse new connections; the open ones go on."""
        self._call(self._stop_listening)

    def accept(self) -> None:
        """Take new connections again."""
        self._listener = socket.create_server((HOST, self.port))
        self._run(self._listen())

    def _call(self, function: Callable[[], object]) -> None:
        async def call() -> None:
            function()

        self._run(call())

    def _run(self, coroutine: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(CALL_SECONDS)

    async def _listen(self) -> None:
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept)

    def _stop_listening(self) -> None:
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener)
            self._listener.close()

    def _end_links(self, ending: Ending) -> None:
        for link in self._links:
            link.end(ending)

    async def _stop(self) -> None:
        self._stop_listening()
        while self._tasks:  # a connection that is being made has no link yet
            self._end_links(Ending.RST)
            for link in self._links:
                link.reset()
            await asyncio.wait(self._tasks, timeout=POLL_SECONDS)

    def _accept(self) -> None:
        """At once: an asyncio.Server that is closed forgets to close what it has accepted a moment before."""
        with suppress(BlockingIOError, ConnectionError):
            client, _ = self._listener.accept()
            client.setblocking(False)
            self.connections += 1
            task = self._loop.create_task(self._serve(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=client)
        try:
            server_reader, server_writer = await self._connect()
        except OSError:
            _reset(writer)
            with suppress(OSError):
                await writer.wait_closed()
            return
        link = _Link(writer, server_writer)
        self._links.add(link)
        self._pump(link, Direction.TO_SERVER, reader, server_writer)
        self._pump(link, Direction.TO_CLIENT, server_reader, writer)
        await asyncio.wait(link.pumps)
        link.end(Ending.FIN)
        for side in (writer, server_writer):
            with suppress(OSError):
                await side.wait_closed()
        self._links.discard(link)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(CALL_SECONDS):
            if isinstance(self._target, Path):
                return await asyncio.open_unix_connection(self._target)
            return await asyncio.open_connection(*self._target)

    def _pump(
        self, link: _Link, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        waiting: Waiting = asyncio.Queue(WAITING_CHUNKS)
        for work in (partial(self._receive, reader, waiting), partial(self._send, link, direction, waiting, writer)):
            link.pumps.append(self._loop.create_task(_ending_on_errors(link, work)))

    async def _receive(self, reader: asyncio.StreamReader, waiting: Waiting) -> None:
        data = b"..."
        while data:
            data = await reader.read(CHUNK_BYTES)
            await waiting.put((self._loop.time() + self.delay, data))

    async def _send(self, link: _Link, direction: Direction, waiting: Waiting, writer: asyncio.StreamWriter) -> None:
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(due - self._loop.time())
            await self._flowing.wait()
            if not data:
                writer.write_eof()
                return
            size = self._piece_bytes()
            for start in range(0, len(data), size):
                await self._forward(link, direction, writer, data[start : start + size])

    def _piece_bytes(self) -> int:
        return CHUNK_BYTES if self.bytes_per_second is None else max(1, int(self.bytes_per_second / THROTTLE_STEPS))

    async def _forward(self, link: _Link, direction: Direction, writer: asyncio.StreamWriter, data: bytes) -> None:
        carried = link.carried[direction]
        cut = self._take_cut(direction, carried + len(data))
        if cut is not None:
            data = data[: max(0, cut.after - carried)]
        if self.bytes_per_second is not None:
            await asyncio.sleep(len(data) / self.bytes_per_second)
        link.carried[direction] += len(data)
        self.carried[direction] += len(data)
        writer.write(data)
        await writer.drain()
        if cut is not None:
            link.end(cut.ending)

    def _take_cut(self, direction: Direction, carried: int) -> _Cut | None:
        """The cut that a connection has come to, which is for no other one then."""
        for cut in self._cuts:
            if cut.direction is direction and carried >= cut.after:
                self._cuts.remove(cut)
                return cut
        return None


async def _ending_on_errors(link: _Link, work: Callable[[], Coroutine[None, None, None]]) -> None:
    try:
        await work()
    except ConnectionError:
        link.end(Ending.RST)


def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.transport.abort()
