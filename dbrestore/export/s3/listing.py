"""The objects below a prefix, listed in several places at once.

S3 gives 1,000 keys a request, each request beginning where the last one ended: a million keys take a thousand requests
in a row. An export's tables are folders, so that their names, once listed, divide the keys among several listers.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from dbrestore.concurrency import run_all
from dbrestore.export.s3.download import plain_etag
from dbrestore.export.s3.retry import persist
from dbrestore.export.storage import StoredFile

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence

    from dbrestore.export.s3.address import S3Address
    from dbrestore.export.s3.retry import Patience

LISTERS = 16

Page = list[StoredFile]


@dataclass(frozen=True, slots=True)
class Lister:
    """Lists one prefix of a bucket."""

    client: Any
    address: S3Address
    patience: Patience
    parameters: Mapping[str, Any]
    """Of every request."""

    async def files(self, prefix: str) -> AsyncGenerator[StoredFile, None]:
        """All files whose key starts with ``prefix``, but for S3's folder markers. Raises ExportError."""
        pages: asyncio.Queue[Page | None] = asyncio.Queue()
        listing = asyncio.create_task(self._list_all(prefix, pages.put_nowait))
        listing.add_done_callback(lambda _: pages.put_nowait(None))
        try:
            while (page := await pages.get()) is not None:
                for file in page:
                    yield file
            await listing
        finally:
            listing.cancel()
            await asyncio.gather(listing, return_exceptions=True)

    async def folders(self, prefix: str = "") -> list[str]:
        """The folders at ``prefix``, each with it and with ``/`` at the end, in the order of S3: by UTF-8 bytes."""
        return await self._list_level(prefix, lambda _: None)

    async def _list_all(self, prefix: str, take: Callable[[Page], None]) -> None:
        for folder in await self._list_level(prefix, take):
            tables = await self._list_level(folder, take)
            await run_all((self._list_between(folder, *ends, take) for ends in _sections(tables)), LISTERS)

    async def _list_level(self, prefix: str, take: Callable[[Page], None]) -> list[str]:
        """Hand the files at ``prefix`` to ``take``; return the folders there."""
        folders: list[str] = []
        async for response in self._pages(prefix, Delimiter="/"):
            take(self._files(response))
            folders += [self._relative(found["Prefix"]) for found in response.get("CommonPrefixes", ())]
        return folders

    async def _list_between(self, prefix: str, first: str, end: str | None, take: Callable[[Page], None]) -> None:
        """Hand over all files of the folders from ``first`` to before ``end``, which are folders at ``prefix``.

        Not all servers begin after StartAfter (rclone does not if there is no such key): what is before is left out.
        """
        start = first.encode()
        async for response in self._pages(prefix, StartAfter=self.address.prefix + first):
            page = self._files(response)
            inside = [file for file in page if end is None or file.key.encode() < end.encode()]
            take([file for file in inside if file.key.encode() >= start and "/" in file.key[len(prefix) :]])
            if len(inside) < len(page):
                return

    async def _pages(self, prefix: str, **how: str) -> AsyncIterator[Mapping[str, Any]]:
        url = self.address.url(prefix)
        asked = {"Bucket": self.address.bucket, "Prefix": self.address.prefix + prefix}
        going_on: dict[str, str] = {}
        while True:
            ask = partial(self.client.list_objects_v2, **asked, **how, **going_on, **self.parameters)
            response = await persist(ask, self.patience, url)
            yield response
            if not response.get("IsTruncated"):
                return
            going_on = {"ContinuationToken": response["NextContinuationToken"]}

    def _files(self, response: Mapping[str, Any]) -> Page:
        return [
            StoredFile(self._relative(found["Key"]), found["Size"], plain_etag(found.get("ETag")))
            for found in response.get("Contents", ())
            if not found["Key"].endswith("/")
        ]

    def _relative(self, key: str) -> str:
        return key.removeprefix(self.address.prefix)


def _sections(folders: Sequence[str]) -> list[tuple[str, str | None]]:
    """The first folder of each lister's section, and the first one after it."""
    step = max(1, -(-len(folders) // LISTERS))
    firsts = folders[::step]
    return list(zip_longest(firsts, firsts[1:]))
