"""The encoded rows of parts; of those that come next, the first are made before their COPY begins.

Within a part a thread makes the next chunk while the server takes the last one. Between two parts the server would wait
until the first rows of the second are decoded: so that is begun when all of the first have been.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from dbrestore.concurrency import Ahead, one_at_a_time
from dbrestore.encoding import encode_part
from dbrestore.timing import CopyClock
from dbrestore.wire.registry import stream_encoder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence
    from concurrent.futures import Executor

    import pyarrow as pa

    from dbrestore.export.storage import Content, Storage
    from dbrestore.plan import PlannedPart, PlannedTable

LARGE_ROW_BYTES = 8 * 1024**2
"""Of an average row, from which on there has to be room for each of them, and none is made ahead of need."""
SENT_BYTES = 1024**2
"""At a time."""
KEPT_BYTES = 8 * 1024**2
"""Of a chunk, up to which it may stay in memory while the next one is made."""


@dataclass(frozen=True, slots=True)
class _Begun:
    """A part that is being encoded."""

    chunks: Ahead[pa.Buffer] | AsyncGenerator[pa.Buffer, None]
    clock: CopyClock
    """Of waiting for chunks, decoding and encoding."""


@dataclass(slots=True)
class Streams:
    """What is sent to the server."""

    storage: Storage
    threads: Executor
    """Where parts are decoded and encoded."""
    _expected: dict[str, tuple[PlannedTable, Sequence[PlannedPart]]] = field(default_factory=dict)
    """What may be begun, by the key of the first part, in order."""
    _begun: dict[str, _Begun] = field(default_factory=dict)
    """What no COPY has asked for yet: one part, since each takes the memory of a page per column."""
    _decoding: set[str] = field(default_factory=set)
    """The keys of what still has rows to be decoded."""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a large row is decoded, which takes several times its size."""

    def expect(self, table: PlannedTable, parts: Sequence[PlannedPart]) -> None:
        """``parts`` are going to be sent soon in one COPY, after those that were expected before."""
        self._expected[parts[0].file.key] = table, parts
        if not self._decoding:
            self._begin_expected()

    async def send(
        self, table: PlannedTable, parts: Sequence[PlannedPart], clock: CopyClock
    ) -> AsyncGenerator[pa.Buffer | memoryview | bytes, None]:
        """The stream of one COPY. Raises PartError, InvalidValueError, ExportError."""
        encoder = stream_encoder(table.columns, table.copy_format)
        if encoder.header:
            yield encoder.header
        try:
            for place in range(len(parts)):
                async with aclosing(self._chunks(table, parts[place:], clock)) as chunks:
                    async for chunk in chunks:
                        pieces = _sliced(chunk)
                        del chunk  # it would be kept while the next one is made
                        for piece in pieces:
                            yield piece
        finally:
            await self.forget(parts)
        if encoder.trailer:
            yield encoder.trailer

    async def forget(self, parts: Sequence[PlannedPart]) -> None:
        """``parts`` are not going to be sent any more."""
        for key in (part.file.key for part in parts):
            self._expected.pop(key, None)
            if begun := self._begun.pop(key, None):
                await self._end(key, begun)

    async def aclose(self) -> None:
        """Forget all that was not sent in the end."""
        self._expected.clear()
        while self._begun:
            await self._end(*self._begun.popitem())

    async def _chunks(
        self, table: PlannedTable, parts: Sequence[PlannedPart], clock: CopyClock
    ) -> AsyncGenerator[pa.Buffer, None]:
        """Of the first of ``parts``; the others are going to be sent after it."""
        part, key = parts[0], parts[0].file.key
        self._expected.pop(key, None)
        async with AsyncExitStack() as stack:
            content = await clock.wait_for_storage(stack.enter_async_context(self.storage.fetch(part.file)))
            begun = self._begun.pop(key, None) or self._begin(table, parts, content)
            try:
                async for chunk in begun.chunks:
                    yield chunk
                    del chunk
            finally:
                await self._end(key, begun)
                clock.add(begun.clock)

    def _begin(self, table: PlannedTable, parts: Sequence[PlannedPart], content: Content) -> _Begun:
        part, clock = parts[0], CopyClock()
        encoder = stream_encoder(table.columns, table.copy_format)
        encoded = encode_part(content, part, table, encoder, clock)
        self._decoding.add(part.file.key)
        if has_large_rows(part):
            return _Begun(one_at_a_time(encoded, self.threads, clock.wait_for_client, self._turn), clock)
        decoded = partial(self._decoded, table, parts)
        return _Begun(Ahead(encoded, self.threads, clock.wait_for_client, decoded), clock)

    def _decoded(self, table: PlannedTable, parts: Sequence[PlannedPart]) -> None:
        """The first of ``parts`` is: a thread and the memory of its pages are free."""
        self._decoding.discard(parts[0].file.key)
        if len(parts) == 1 or not self._begin_ahead(table, parts[1:]):
            self._begin_expected()

    def _begin_expected(self) -> None:
        for table, parts in list(self._expected.values()):
            if self._begin_ahead(table, parts):
                return

    def _begin_ahead(self, table: PlannedTable, parts: Sequence[PlannedPart]) -> bool:
        """Whether the first of ``parts`` is begun, or has to wait until another has been asked for."""
        part = parts[0]
        if self._begun:
            return True
        content = None if has_large_rows(part) else self.storage.find(part.file)
        if content is None:
            return False
        self._expected.pop(part.file.key, None)
        self._begun[part.file.key] = self._begin(table, parts, content)
        return True

    async def _end(self, key: str, begun: _Begun) -> None:
        self._decoding.discard(key)
        await begun.chunks.aclose()


def has_large_rows(part: PlannedPart) -> bool:
    """Whether each row takes memory that has to be counted."""
    return part.row_bytes >= LARGE_ROW_BYTES


def _sliced(chunk: pa.Buffer) -> Iterator[pa.Buffer | memoryview | bytes]:
    """``chunk`` in pieces of SENT_BYTES: asyncpg copies each of them, and keeps the last one and what that is of."""
    if chunk.size <= SENT_BYTES:
        yield chunk
        return
    whole = memoryview(chunk)
    for start in range(0, len(whole), SENT_BYTES):
        piece = whole[start : start + SENT_BYTES]
        yield piece if len(whole) <= KEPT_BYTES else bytes(piece)
