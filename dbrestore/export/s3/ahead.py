"""Parts that are brought here before they are needed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbrestore.export.s3.buffers import MemoryBuffer, SpoolBuffer
from dbrestore.room import Room

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pyarrow as pa

    from dbrestore.export.s3.buffers import Buffer
    from dbrestore.export.s3.download import Downloader
    from dbrestore.export.storage import StoredFile

SMALL_BYTES = 16 * 1024**2
"""A part that is not larger may lie in memory."""
MEMORY_BYTES = 32 * 1024**2
"""All parts in memory at a time."""


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A part on its way, or here."""

    size: int
    room: Room
    download: asyncio.Task[Buffer]


@dataclass(slots=True)
class Arrivals:
    """Brings parts: those that are expected while there is room, those that are needed at once.

    Bytes are bounded: MEMORY_BYTES and the spool's limit together; a single part may be larger.
    """

    downloader: Downloader
    spool_folder: Path | None
    spool: Room
    memory: Room = field(default_factory=lambda: Room(MEMORY_BYTES))
    _expected: dict[str, StoredFile] = field(default_factory=dict)
    _coming: dict[str, _Arrival] = field(default_factory=dict)

    def expect(self, file: StoredFile) -> None:
        """Bring ``file`` as soon as there is room, after those that were expected before."""
        if file.key not in self._coming:
            self._expected[file.key] = file
            self._bring_expected()

    def find(self, file: StoredFile) -> pa.Buffer | None:
        """All bytes of ``file``, if it was expected and has been brought."""
        arrival = self._coming.get(file.key)
        if arrival is None or not arrival.download.done():
            return None
        if arrival.download.cancelled() or arrival.download.exception():
            return None
        try:
            return arrival.download.result().content()
        except OSError:  # no more mappings, say: fetch() will meet it again, where it can be told
            return None

    @asynccontextmanager
    async def fetch(self, file: StoredFile) -> AsyncIterator[pa.Buffer]:
        """All bytes of ``file``. Raises ExportError."""
        self._expected.pop(file.key, None)
        arrival = self._coming.pop(file.key, None)
        if arrival is None:
            room = await self._take_room(file.size)
            arrival = self._begin(file, room)
        else:
            arrival.room.need(arrival.size)
        try:
            yield (await arrival.download).content()
        finally:
            await _stop(arrival)
            arrival.room.free(arrival.size)
            self._bring_expected()

    async def close(self) -> None:
        """Stop and forget all that was not needed in the end."""
        self._expected.clear()
        for arrival in self._coming.values():
            await _stop(arrival)
        self._coming.clear()

    def _bring_expected(self) -> None:
        for key, file in list(self._expected.items()):
            room = next((room for room in self._rooms(file.size) if room.take_ahead(file.size)), None)
            if room is None:
                return
            del self._expected[key]
            self._coming[key] = self._begin(file, room)

    async def _take_room(self, size: int) -> Room:
        for room in self._rooms(size):
            if room.take_now(size):
                return room
        await self.spool.take(size)
        return self.spool

    def _rooms(self, size: int) -> list[Room]:
        return [self.memory, self.spool] if size <= SMALL_BYTES else [self.spool]

    def _begin(self, file: StoredFile, room: Room) -> _Arrival:
        return _Arrival(file.size, room, asyncio.create_task(self._download(file, in_memory=room is self.memory)))

    async def _download(self, file: StoredFile, *, in_memory: bool) -> Buffer:
        buffer = MemoryBuffer(file.size) if in_memory else SpoolBuffer(file.size, self.spool_folder)
        try:
            await self.downloader.read(file, buffer.write)
        except BaseException:
            buffer.close()
            raise
        return buffer


async def _stop(arrival: _Arrival) -> None:
    arrival.download.cancel()
    [ended] = await asyncio.gather(arrival.download, return_exceptions=True)
    if not isinstance(ended, BaseException):
        ended.close()
