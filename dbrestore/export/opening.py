"""From what a user calls an export to the storage that holds it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from dbrestore.errors import UsageError
from dbrestore.export.local import LocalStorage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dbrestore.export.storage import Storage

S3_SCHEME = "s3://"
SOURCE_HINT = "Name a folder, or s3://bucket/prefix; --aws-endpoint-url says where an S3 server is that is not AWS's."

Notify: TypeAlias = "Callable[[str], None]"
"""Tells people a line while something is still going on."""


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """How a storage is reached; None leaves a thing to AWS's own settings and defaults."""

    aws_profile: str | None = None
    aws_region: str | None = None
    aws_endpoint_url: str | None = None
    aws_anonymous: bool = False
    aws_requester_pays: bool = False
    spool_dir: Path | None = None
    spool_limit: int = 2 * 1024**3
    """Bytes."""
    retry_for: float = 600.0
    """Seconds without progress after which a fault that may pass is taken for good."""
    read_timeout: float = 30.0
    """Seconds that S3 may be silent before a request is made again."""


@asynccontextmanager
async def open_storage(source: str, settings: SourceSettings, notify: Notify) -> AsyncIterator[Storage]:
    """The storage at ``source``: a folder's path or ``s3://bucket/prefix``.

    Raises:
        UsageError: it is neither, or the settings make no sense.
    """
    if source.startswith(S3_SCHEME):
        from dbrestore.export.s3.storage import open_s3  # noqa: PLC0415 - AWS's libraries take half a second

        async with open_s3(source, settings, notify) as storage:
            yield storage
    elif "://" in source:
        raise UsageError(f"{source} is neither a folder nor s3://bucket/prefix", hint=SOURCE_HINT)
    else:
        yield LocalStorage(Path(source))
