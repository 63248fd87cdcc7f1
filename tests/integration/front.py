"""What stands between a client and a PostgreSQL server: a pooler, or a gate that asks for a password."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

    from dbrestore.testing.postgres import PostgresServer

HOST = "127.0.0.1"
PROTOCOL = 196608
SSL_REQUEST = 80877103
CANCEL_REQUEST = 80877102
AUTHENTICATION_OK, CLEARTEXT_PASSWORD = 0, 3
MADE_UP_PROCESS = 1_000_000
ACCEPT_SECONDS = 0.02
"""Until a connection that was accepted a moment ago has its task."""
READY = frozenset({b"Z"})
ENDS = {b"Q": READY, b"S": READY, b"H": frozenset({b"T", b"n", b"E"})}
"""Messages that the server answers, and what its answer ends with; a flush here comes after a description."""
READY_OUTSIDE_TRANSACTION = b"Z\0\0\0\5I"


@dataclass(slots=True)
class _Backend:
    """A connection to the server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: bytes = b""
    """Its ParameterStatus messages."""


@dataclass(slots=True)
class Front:
    """Speaks PostgreSQL's protocol, version 3, to clients, and passes on what they say.

    https://www.postgresql.org/docs/current/protocol-message-formats.html
    """

    server: PostgresServer
    keeps_process: bool
    """A server process belongs to a client until that leaves, or only for a transaction."""
    tls: ssl.SSLContext | None = None
    admits: Callable[[str], bool] | None = None
    """Whether a password is right; None where nobody is asked for one."""
    port: int = 0
    _idle: list[_Backend] = field(default_factory=list)
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _numbers: count[int] = field(default_factory=lambda: count(MADE_UP_PROCESS))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Front]:
        """Listen on a free port until the block ends."""
        listener = await asyncio.start_server(self._accept, HOST, 0)
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            for listening in listener.sockets:  # a server that is closed forgets what it has accepted a moment before
                asyncio.get_running_loop().remove_reader(listening.fileno())
            await asyncio.sleep(ACCEPT_SECONDS)
            listener.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for writer in self._writers:
                writer.transport.abort()
                with suppress(OSError):
                    await writer.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._tasks.add(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            startup = await self._begin(reader, writer)
            if startup and await self._admit(reader, writer):
                await self._relay(reader, writer, startup)
        writer.close()

    async def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        """The client's startup packet, after TLS has begun where that is wanted; None if it wants to cancel."""
        while True:
            [length] = struct.unpack("!i", await reader.readexactly(4))
            packet = await reader.readexactly(length - 4)
            [code] = struct.unpack("!i", packet[:4])
            if code == CANCEL_REQUEST:
                return None
            if code != SSL_REQUEST:
                return packet
            writer.write(b"S" if self.tls else b"N")
            if self.tls:
                await writer.start_tls(self.tls)

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if self.admits is None:
            return True
        writer.write(_message(b"R", struct.pack("!i", CLEARTEXT_PASSWORD)))
        password = (await _read(reader))[5:].rstrip(b"\0").decode()
        if self.admits(password):
            return True
        fields = b"SFATAL\0C28000\0MPAM authentication failed\0\0"
        writer.write(_message(b"E", fields))
        await writer.drain()
        return False

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, startup: bytes) -> None:
        backend = await self._take(startup)
        key = _message(b"K", struct.pack("!ii", next(self._numbers), 0))
        writer.write(
            _message(b"R", struct.pack("!i", AUTHENTICATION_OK)) + backend.greeting + key + _message(b"Z", b"I")
        )
        held: _Backend | None = None
        self._idle.append(backend)
        while (message := await _read(reader))[:1] != b"X":
            held = held or await self._take(startup)
            held.writer.write(message)
            if message[:1] in ENDS:
                answer = await _answer(reader, writer, held, ENDS[message[:1]])
                if answer == READY_OUTSIDE_TRANSACTION and not self.keeps_process:
                    self._idle.append(held)
                    held = None
        if held:
            held.writer.close()

    async def _take(self, startup: bytes) -> _Backend:
        if self._idle:
            return self._idle.pop()
        backend = _Backend(*await asyncio.open_connection(HOST, self.server.port))
        self._writers.append(backend.writer)
        backend.writer.write(struct.pack("!i", len(startup) + 4) + startup)
        while (message := await _read(backend.reader))[:1] != b"Z":
            if message[:1] == b"S":
                backend.greeting += message
        return backend


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, backend: _Backend, ends: frozenset[bytes]
) -> bytes:
    """Pass on the server's answer, and the client's data if it asks for a COPY; return the last message."""
    while True:
        message = await _read(backend.reader)
        writer.write(message)
        await writer.drain()
        if message[:1] in ends:
            return message
        if message[:1] == b"G":
            kind = b"d"
            while kind == b"d":
                data = await _read(reader)
                kind = data[:1]
                backend.writer.write(data)
                await backend.writer.drain()


def _message(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!i", len(content) + 4) + content


async def _read(reader: asyncio.StreamReader) -> bytes:
    """A message whole, with its kind and length."""
    head = await reader.readexactly(5)
    [length] = struct.unpack("!i", head[1:])
    return head + await reader.readexactly(length - 4)
