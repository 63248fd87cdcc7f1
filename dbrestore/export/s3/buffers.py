"""Where the bytes of a part lie between S3 and its decoding: memory if it is small, else a file."""

from __future__ import annotations

import asyncio
import mmap
import tempfile
import threading
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from dbrestore.errors import ExportError

if TYPE_CHECKING:
    from pathlib import Path

WRITE_BYTES = 1024**2
"""Written to a file at a time."""


class Buffer(Protocol):
    """Takes the bytes of one part, in any order, and gives the whole."""

    async def write(self, offset: int, data: bytes) -> None:
        """Put ``data`` where it belongs."""
        ...

    def content(self) -> pa.Buffer:
        """All bytes, when all were written; it may be used after `close`."""
        ...

    def close(self) -> None:
        """Nothing more is wanted of it."""
        ...


class MemoryBuffer:
    """A part in memory."""

    def __init__(self, size: int) -> None:
        self._bytes = bytearray(size)

    async def write(self, offset: int, data: bytes) -> None:
        self._bytes[offset : offset + len(data)] = data

    def content(self) -> pa.Buffer:
        return pa.py_buffer(self._bytes)

    def close(self) -> None:
        self._bytes = bytearray()


class SpoolBuffer:
    """A part in a file without a name: whatever ends the process, nothing is left of it.

    Raises ExportError where the file cannot be made or written.
    """

    def __init__(self, size: int, folder: Path | None) -> None:
        self._size = size
        self._folder = folder
        self._lock = threading.Lock()
        try:
            self._file = tempfile.TemporaryFile(dir=folder, prefix="dbrestore-", buffering=0)  # noqa: SIM115 - see close()
        except OSError as error:
            raise self._unwritable(error) from error

    async def write(self, offset: int, data: bytes) -> None:
        await asyncio.to_thread(self._write, offset, memoryview(data))

    def content(self) -> pa.Buffer:
        return pa.py_buffer(mmap.mmap(self._file.fileno(), self._size, access=mmap.ACCESS_READ))

    def close(self) -> None:
        self._file.close()

    def _write(self, offset: int, data: memoryview) -> None:
        with self._lock:
            try:
                self._file.seek(offset)
                while data:
                    data = data[self._file.write(data) :]
            except OSError as error:
                raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> ExportError:
        folder = self._folder or tempfile.gettempdir()
        return ExportError(
            f"the spool folder {folder} cannot be written: {error.strerror or error}",
            hint="Name another one with --spool-dir, or let less of it be used with --spool-limit.",
        )
