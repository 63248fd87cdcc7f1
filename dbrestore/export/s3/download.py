"""Bytes of objects, as often as it takes: a body that ends early goes on from the byte that was reached."""

from __future__ import annotations

import re
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from dbrestore.concurrency import run_all
from dbrestore.export.s3.faults import FOREIGN_ERRORS, WrongBodyError, changed
from dbrestore.export.s3.retry import Attempts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from dbrestore.export.s3.address import S3Address
    from dbrestore.export.s3.retry import Patience
    from dbrestore.export.storage import StoredFile

RANGE_BYTES = 8 * 1024**2
"""Larger objects come in ranges of this size."""
RANGES_AT_A_TIME = 4
"""Of one object."""
BLOCK_BYTES = 256 * 1024
"""Handed over at a time."""

Write: TypeAlias = "Callable[[int, bytes], Awaitable[None]]"
"""Takes an offset in the object and the bytes that are there."""

_CONTENT_RANGE = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<size>\d+|\*)")


@dataclass(frozen=True, slots=True)
class Downloader:
    """Reads the objects of one bucket."""

    client: Any
    address: S3Address
    patience: Patience
    parameters: Mapping[str, str]
    """Of every request."""

    async def read(self, file: StoredFile, write: Write) -> None:
        """The whole of ``file``, in ranges side by side if it is large. Raises ExportError."""
        starts = range(0, file.size, RANGE_BYTES)
        ranges = (self.read_range(file, start, min(start + RANGE_BYTES, file.size), write) for start in starts)
        await run_all(ranges, min(RANGES_AT_A_TIME, len(starts)))

    async def read_range(self, file: StoredFile, start: int, stop: int, write: Write) -> None:
        """The bytes of ``file`` from ``start`` to before ``stop``. Raises ExportError."""
        attempts = Attempts(self.patience, self.address.url(file.key))
        while start < stop:
            try:
                async with aclosing(self._blocks(file, start, stop)) as blocks:
                    async for block in blocks:
                        self.patience.met = True
                        await write(start, block)
                        start += len(block)
                        attempts.progress()
            except FOREIGN_ERRORS as error:
                await attempts.pause(error)

    async def _blocks(self, file: StoredFile, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The range in blocks, as far as one request gets."""
        wanted = {} if (start, stop) == (0, file.size) else {"Range": f"bytes={start}-{stop - 1}"}
        if file.version:
            wanted["IfMatch"] = f'"{file.version}"'
        response = await self.client.get_object(
            Bucket=self.address.bucket, Key=self.address.prefix + file.key, **wanted, **self.parameters
        )
        async with response["Body"] as body:
            self._check_version(response, file)
            position = _first_byte(response, file, start, stop)
            async with aclosing(_gathered(body)) as pieces:
                async for piece in pieces:
                    if wanted_piece := piece[max(0, start - position) : stop - position]:
                        yield wanted_piece
                    position += len(piece)
                    if position >= stop:
                        return
        raise WrongBodyError(f"the body ends at byte {position:,} of {stop:,}")

    def _check_version(self, response: Mapping[str, Any], file: StoredFile) -> None:
        found = plain_etag(response.get("ETag"))
        if found and file.version and found != file.version:
            raise changed(self.address.url(file.key))


def plain_etag(value: str | None) -> str:
    """An ETag as it is kept: without quotes, and without the mark of a weak one."""
    return (value or "").removeprefix("W/").strip('"')


async def _gathered(body: Any) -> AsyncGenerator[bytes, None]:
    """The body in blocks of BLOCK_BYTES or a little more; what was read before a fault comes before it is raised."""
    pieces: list[bytes] = []
    size = 0
    fault: Exception | None = None
    while fault is None:
        try:
            piece = await body.read(BLOCK_BYTES)
        except FOREIGN_ERRORS as error:
            fault, piece = error, b""
        pieces.append(piece)
        size += len(piece)
        if size >= BLOCK_BYTES or not piece:
            if size:
                yield b"".join(pieces)
            pieces.clear()
            size = 0
            if not piece:
                break
    if fault is not None:
        raise fault


def _first_byte(response: Mapping[str, Any], file: StoredFile, start: int, stop: int) -> int:
    """Where in the object the body begins.

    Some servers answer a range with the whole object, or with the range but as if that were the whole: what the
    headers say is believed, not what was asked for.
    """
    length = response.get("ContentLength")
    if match := _CONTENT_RANGE.match(response.get("ContentRange") or ""):
        first, whole = int(match["start"]), match["size"] in ("*", str(file.size))
        if first <= start and whole:
            return first
    elif length == file.size:
        return 0
    elif length == stop - start:
        return start
    raise WrongBodyError(f"asked for bytes {start}-{stop - 1} of {file.size}, S3 answers with {length} others")
