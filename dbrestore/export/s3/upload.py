"""Files into S3: for exports that are simulated."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbrestore.export.s3.address import S3Address
from dbrestore.export.s3.client import open_client
from dbrestore.export.s3.retry import Patience, persist

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from dbrestore.export.opening import SourceSettings


@dataclass(frozen=True, slots=True)
class Uploader:
    """Writes objects below a prefix."""

    client: Any
    address: S3Address
    patience: Patience

    async def is_taken(self) -> bool:
        """Is there anything below the prefix? Raises ExportError."""
        asked = {"Bucket": self.address.bucket, "Prefix": self.address.prefix, "MaxKeys": 1}
        found = await persist(lambda: self.client.list_objects_v2(**asked), self.patience, self.address.url())
        return bool(found.get("Contents"))

    async def put(self, key: str, path: Path) -> None:
        """Write the file at ``path``, of 5 GiB at the most, as the object ``key``. Raises ExportError, OSError."""
        with path.open("rb") as file:

            async def put() -> None:
                file.seek(0)
                await self.client.put_object(Bucket=self.address.bucket, Key=self.address.prefix + key, Body=file)

            await persist(put, self.patience, self.address.url(key))


@asynccontextmanager
async def open_uploader(url: str, settings: SourceSettings) -> AsyncIterator[Uploader]:
    """What writes below ``s3://bucket/prefix``. Raises UsageError."""
    address = S3Address.parse(url)
    async with open_client(settings, url) as client:
        yield Uploader(client, address, Patience(settings.retry_for, lambda _: None))
