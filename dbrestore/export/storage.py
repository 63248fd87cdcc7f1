"""Where an export's files are: the small interface that a local folder and S3 have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    import pyarrow as pa

Content: TypeAlias = "Path | pa.Buffer"
"""A whole file: where it is, or its bytes."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of an export."""

    key: str
    """Path relative to the export's root, with ``/`` between names on every platform."""
    size: int
    """Bytes."""
    version: str
    """Changes when the file's content does (S3: the ETag; local: size and modification time)."""


class Storage(Protocol):
    """A place that holds one export, or a folder of exports. Raises ``ExportError`` and its kin, nothing else."""

    @property
    def url(self) -> str:
        """How people call the place: a folder's path or an ``s3://`` address. Never holds a secret."""
        ...

    def list_files(self, prefix: str = "") -> AsyncIterator[StoredFile]:
        """All files whose key starts with ``prefix``, in no particular order."""
        ...

    async def list_folders(self) -> list[str]:
        """The names of the folders in the root."""
        ...

    async def read_range(self, file: StoredFile, start: int, length: int) -> bytes:
        """``length`` bytes of ``file`` from byte ``start``; fewer only at the file's end."""
        ...

    @property
    def tails_at_once(self) -> int:
        """Files whose last bytes are best read by one call: one, where each of them is a request of its own."""
        return 1

    async def read_tails(self, files: Sequence[StoredFile], length: int) -> list[bytes]:
        """The last ``length`` bytes of each of ``files``; fewer only of what has no more."""
        return [await self.read_range(file, max(0, file.size - length), length) for file in files]

    def expect(self, file: StoredFile) -> None:
        """``file`` is going to be fetched soon, after those that were expected before: it may be brought here now."""
        ...

    def find(self, file: StoredFile) -> Content | None:
        """The whole file, if it is here already; it stays readable until what was expected is fetched, and let go."""
        ...

    def fetch(self, file: StoredFile) -> AbstractAsyncContextManager[Content]:
        """The whole file, which has a share of the room for parts until the context ends; it stays readable."""
        ...

    async def fetch_few(self, files: Sequence[StoredFile]) -> list[Content]:
        """Small files, one after the other: who kept room for some while waiting for more might wait for ever."""
        ...
