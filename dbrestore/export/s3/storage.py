"""An export in S3, under the interface of every storage."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.export.s3.address import S3Address
from dbrestore.export.s3.ahead import Arrivals
from dbrestore.export.s3.client import open_client
from dbrestore.export.s3.download import Downloader
from dbrestore.export.s3.listing import Lister
from dbrestore.export.s3.retry import Patience
from dbrestore.export.storage import Storage
from dbrestore.room import Room

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    import pyarrow as pa

    from dbrestore.export.opening import Notify, SourceSettings
    from dbrestore.export.storage import StoredFile


@dataclass(frozen=True, slots=True)
class S3Storage(Storage):
    """The `Storage` of an export below ``address``."""

    address: S3Address
    lister: Lister
    downloader: Downloader
    arrivals: Arrivals

    @property
    def url(self) -> str:
        """``s3://bucket/prefix``."""
        return self.address.url()

    def list_files(self, prefix: str = "") -> AsyncIterator[StoredFile]:
        """All files whose key starts with ``prefix``. Raises ExportError."""
        return self.lister.files(prefix)

    async def list_folders(self) -> list[str]:
        """The names of the folders in the root. Raises ExportError."""
        return [folder.rstrip("/") for folder in await self.lister.folders()]

    async def read_range(self, file: StoredFile, start: int, length: int) -> bytes:
        """``length`` bytes of ``file`` from byte ``start``; fewer only at the file's end. Raises ExportError."""
        found = bytearray(max(0, min(length, file.size - start)))

        async def write(offset: int, data: bytes) -> None:
            found[offset - start : offset - start + len(data)] = data

        await self.downloader.read_range(file, start, start + len(found), write)
        return bytes(found)

    def expect(self, file: StoredFile) -> None:
        """Bring ``file`` as soon as there is room for it."""
        self.arrivals.expect(file)

    def find(self, file: StoredFile) -> pa.Buffer | None:
        """The bytes of ``file``, if it was expected and has been brought."""
        return self.arrivals.find(file)

    def fetch(self, file: StoredFile) -> AbstractAsyncContextManager[pa.Buffer]:
        """The bytes of ``file``. Raises ExportError."""
        return self.arrivals.fetch(file)

    async def fetch_few(self, files: Sequence[StoredFile]) -> list[pa.Buffer]:
        """The bytes of each file. Raises ExportError."""
        found = []
        for file in files:
            async with self.arrivals.fetch(file) as content:
                found.append(content)
        return found


@asynccontextmanager
async def open_s3(url: str, settings: SourceSettings, notify: Notify) -> AsyncIterator[S3Storage]:
    """The storage of ``s3://bucket/prefix``.

    Raises:
        UsageError: the address or the settings make no sense.
        ExportError: there are no credentials.
    """
    address = S3Address.parse(url)
    patience = Patience(settings.retry_for, notify)
    parameters = {"RequestPayer": "requester"} if settings.aws_requester_pays else {}
    async with open_client(settings, url) as client:
        downloader = Downloader(client, address, patience, parameters)
        arrivals = Arrivals(downloader, settings.spool_dir, Room(settings.spool_limit))
        try:
            yield S3Storage(address, Lister(client, address, patience, parameters), downloader, arrivals)
        finally:
            await arrivals.close()
