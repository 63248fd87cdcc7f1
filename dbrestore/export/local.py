"""An export in a local folder."""

from __future__ import annotations

import asyncio
import os
import stat
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from dbrestore.errors import ExportError, LayoutError
from dbrestore.export.storage import Storage, StoredFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

LISTING_CHUNK = 1000
"""Files that are listed in one go, off the event loop."""
TAILS_AT_ONCE = 16
"""It takes longer to tell a thread of each than to read it; where the file system is slow, several threads do."""


class LocalStorage(Storage):
    """The `Storage` of an export in the folder ``root``.

    Links to files inside of ``root`` are followed. A link that leads out of it is refused, since an export is data
    that somebody else wrote; so is one to a folder, where the same rows would be found twice.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def url(self) -> str:
        """The folder's path, as it was given."""
        return str(self._root)

    async def list_files(self, prefix: str = "") -> AsyncIterator[StoredFile]:
        """All files whose key starts with ``prefix``.

        Raises:
            LayoutError: the folder does not exist or is none, a file vanished, or a link is refused.
            ExportError: the operating system refuses to read a folder.
        """
        files = self._walk(prefix)
        while chunk := await asyncio.to_thread(lambda: list(islice(files, LISTING_CHUNK))):
            for file in chunk:
                yield file

    async def list_folders(self) -> list[str]:
        """The names of the folders in the root, but for hidden ones. Raises as `list_files` does."""
        entries = await asyncio.to_thread(_entries, self._root)
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False) and entry.name[0] != ".")

    async def read_range(self, file: StoredFile, start: int, length: int) -> bytes:
        """``length`` bytes of ``file`` from byte ``start``; fewer only at the file's end.

        Raises:
            LayoutError: the file vanished.
            ExportError: it changed since it was listed, or cannot be read.
        """
        return await asyncio.to_thread(self._read, file, start, length)

    @property
    def tails_at_once(self) -> int:
        """So many that a thread spends its time on reading them."""
        return TAILS_AT_ONCE

    async def read_tails(self, files: Sequence[StoredFile], length: int) -> list[bytes]:
        """The last ``length`` bytes of each of ``files``, by one thread. Raises as `read_range` does."""

        def read() -> list[bytes]:
            return [self._read(file, max(0, file.size - length), length) for file in files]

        return await asyncio.to_thread(read)

    def expect(self, file: StoredFile) -> None:
        """Nothing has to be brought."""

    def find(self, file: StoredFile) -> Path:
        """The file's own path; whether it is there, and as it was, `fetch` will see."""
        return self._root / file.key

    @asynccontextmanager
    async def fetch(self, file: StoredFile) -> AsyncIterator[Path]:
        """The file's own path: nothing is copied. Raises as `read_range` does."""
        await asyncio.to_thread(self._read, file, 0, 0)
        yield self._root / file.key

    async def fetch_few(self, files: Sequence[StoredFile]) -> list[Path]:
        """The paths of the files, by one thread: to be told of each would take longer. Raises as `read_range` does."""

        def check() -> list[Path]:
            for file in files:
                self._read(file, 0, 0)
            return [self._root / file.key for file in files]

        return await asyncio.to_thread(check)

    def _walk(self, prefix: str) -> Iterator[StoredFile]:
        with _translated(self._root):
            home = os.path.realpath(self._root, strict=True)
        folders = [""]
        while folders:
            folder = folders.pop()
            for entry in _entries(self._root / folder):
                key = folder + _readable(entry.name, self._root / folder)
                if entry.is_dir(follow_symlinks=False):
                    if key.startswith(prefix) or prefix.startswith(key + "/"):
                        folders.append(key + "/")
                elif key.startswith(prefix):
                    yield self._stored(key, entry, home)

    def _stored(self, key: str, entry: os.DirEntry[str], home: str) -> StoredFile:
        path = self._root / key
        with _translated(path):
            if entry.is_symlink():
                _refuse_way_out(path, home)
            status = entry.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a link to a folder" if stat.S_ISDIR(status.st_mode) else "neither a file nor a folder"
            raise LayoutError(f"{path} is {kind}", hint="Remove it, or put the files themselves there.")
        return StoredFile(key, status.st_size, _version(status))

    def _read(self, file: StoredFile, start: int, length: int) -> bytes:
        path = self._root / file.key
        with _translated(path), path.open("rb") as stream:
            if _version(os.fstat(stream.fileno())) != file.version:
                raise ExportError(
                    f"{path} has changed since the export was listed",
                    hint="If the export is still being copied, wait for the end and start again.",
                )
            stream.seek(start)
            return stream.read(length)


def _readable(name: str, folder: Path) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise LayoutError(
            f"{folder} holds a name that is not UTF-8: {os.fsencode(name)!r}",
            hint="AWS writes no such name: remove it, or copy the export again.",
        ) from None
    return name


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with _translated(folder), os.scandir(folder) as entries:
        return list(entries)


def _version(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _refuse_way_out(link: Path, home: str) -> None:
    aim = os.path.realpath(link, strict=True)
    if not Path(aim).is_relative_to(home):
        raise LayoutError(
            f"{link} is a link that leads out of the export, to {aim}",
            hint="Put the file itself there: nothing outside of the export's folder is read.",
        )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        hint = "Name the folder that holds export_info_<id>.json, or s3://bucket/prefix."
        raise LayoutError(f"{path} does not exist", hint=hint) from None
    except NotADirectoryError:
        hint = "Name the folder that holds export_info_<id>.json."
        raise LayoutError(f"{path} is not a folder", hint=hint) from None
    except PermissionError:
        hint = "Run as a user who may read all of the export."
        raise ExportError(f"{path} cannot be read: permission denied", hint=hint) from None
    except OSError as error:
        hint = "The disk or the network file system may be at fault; copy the export to another one if it goes on."
        raise ExportError(f"{path} cannot be read: {error.strerror or error}", hint=hint) from error
