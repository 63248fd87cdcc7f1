"""Where a simulated export is written to: a folder, or S3."""

from __future__ import annotations

import asyncio
import re
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dbrestore.errors import ExportError, UsageError
from dbrestore.export.opening import S3_SCHEME, SOURCE_HINT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dbrestore.export.opening import SourceSettings
    from dbrestore.export.s3.upload import Uploader

# AWS: begins with a letter, then letters, digits and hyphens; at most 60 characters.
WRITE_HINT = "Make room there, or choose a folder that is writable."
_EXPORT_ID = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,59}")


class Destination(Protocol):
    """Takes the files of one export."""

    @property
    def url(self) -> str:
        """What a restore takes as its source."""
        ...

    @property
    def folder(self) -> Path:
        """Where files are written before they are stored."""
        ...

    def store(self, path: Path) -> None:
        """``path``, a file below the folder, is finished. May take long; called from a thread. Raises ExportError."""
        ...


@dataclass(frozen=True, slots=True)
class LocalDestination:
    """A folder: a file that is finished is where it belongs."""

    folder: Path

    @property
    def url(self) -> str:
        return str(self.folder)

    def store(self, path: Path) -> None:
        pass


@dataclass(frozen=True, slots=True)
class S3Destination:
    """A prefix in S3: a file that is finished is uploaded, and removed here."""

    url: str
    folder: Path
    uploader: Uploader
    loop: asyncio.AbstractEventLoop

    def store(self, path: Path) -> None:
        key = path.relative_to(self.folder).as_posix()
        try:
            asyncio.run_coroutine_threadsafe(self.uploader.put(key, path), self.loop).result()
            path.unlink()
        except OSError as error:
            raise ExportError(f"cannot write {path}: {error.strerror or error}", hint=WRITE_HINT) from error


@asynccontextmanager
async def open_destination(destination: str, export_id: str, settings: SourceSettings) -> AsyncIterator[Destination]:
    """The place for the export ``export_id`` in ``destination``: a folder's path or ``s3://bucket/prefix``.

    Raises ``UsageError`` for an export id that AWS would refuse, and a place that has something in it; ``ExportError``
    where S3 refuses it.
    """
    if not _EXPORT_ID.fullmatch(export_id):
        raise UsageError(
            f"{export_id!r} cannot be an export's id",
            hint="An id begins with a letter and has up to 60 letters, digits and hyphens.",
        )
    if destination.startswith(S3_SCHEME):
        async with _open_s3(f"{destination.rstrip('/')}/{export_id}", settings) as opened:
            yield opened
    elif "://" in destination:
        raise UsageError(f"{destination} is neither a folder nor s3://bucket/prefix", hint=SOURCE_HINT)
    else:
        yield LocalDestination(await asyncio.to_thread(_make_folder, Path(destination) / export_id))


@asynccontextmanager
async def _open_s3(url: str, settings: SourceSettings) -> AsyncIterator[S3Destination]:
    from dbrestore.export.s3.upload import open_uploader  # noqa: PLC0415 - AWS's libraries take half a second

    with tempfile.TemporaryDirectory(dir=settings.spool_dir, prefix="dbrestore-") as folder:
        async with open_uploader(url, settings) as uploader:
            if await uploader.is_taken():
                raise _not_empty(url)
            yield S3Destination(url, Path(folder), uploader, asyncio.get_running_loop())


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise _not_empty(str(folder))
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}", hint=WRITE_HINT) from error
    return folder


def _not_empty(url: str) -> UsageError:
    return UsageError(f"{url} is not empty", hint="Choose another destination or export id, or remove what is there.")
