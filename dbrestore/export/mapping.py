"""Files as memory."""

from __future__ import annotations

import mmap
import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from dbrestore.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from io import IOBase, RawIOBase
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mapping:
    """Bytes that the system reads from a file when they are looked at."""

    content: pa.Buffer
    release: Callable[[], object]
    """Give back the pages of memory that were read: what is needed again is read again. Until then they count as
    memory of this process."""

    @classmethod
    def of(cls, content: pa.Buffer) -> Self:
        """What is in memory, or mapped by somebody else."""
        return cls(content, lambda: None)

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """The whole file. Raises OSError."""
        with path.open("rb") as stream:
            return cls._of_stream(stream)

    @classmethod
    def of_spooled(cls, pieces: Iterable[bytes | bytearray]) -> Self:
        """A temporary file of the pieces, one after the other, of which nothing is left whatever ends the process.

        Raises ExportError where the file cannot be written, and what making a piece raises.
        """
        with _writing():
            stream = tempfile.TemporaryFile(prefix="dbrestore-", buffering=0)  # noqa: SIM115 - the next statement does
        with stream:
            for piece in pieces:
                with _writing():
                    _write_whole(stream, piece)
            return cls._of_stream(stream)

    @classmethod
    def _of_stream(cls, stream: IOBase) -> Self:
        if not os.fstat(stream.fileno()).st_size:
            return cls.of(pa.py_buffer(b""))
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        advice = getattr(mmap, "MADV_DONTNEED", None)  # not on Windows
        return cls(pa.py_buffer(mapped), (lambda: None) if advice is None else partial(mapped.madvise, advice))


def _write_whole(stream: RawIOBase, piece: bytes | bytearray) -> None:
    """A file may take a part of it, and tell of its error with the next one."""
    rest = memoryview(piece)
    while rest:
        rest = rest[stream.write(rest) :]


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        folder = tempfile.gettempdir()
        raise ExportError(
            f"the folder for temporary files, {folder}, cannot be written: {error.strerror or error}",
            hint="Name another one, with more room, by the variable TMPDIR.",
        ) from error
