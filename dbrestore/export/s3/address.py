"""``s3://bucket/prefix``."""

from __future__ import annotations

from dataclasses import dataclass

from dbrestore.errors import UsageError


@dataclass(frozen=True, slots=True)
class S3Address:
    """A bucket and what the keys in question begin with."""

    bucket: str
    prefix: str
    """Empty, or with ``/`` at its end."""

    @classmethod
    def parse(cls, url: str) -> S3Address:
        """The address that ``url`` is. Raises UsageError."""
        bucket, _, key = url.removeprefix("s3://").partition("/")
        if not bucket:
            raise UsageError(f"{url} names no bucket", hint="s3://bucket/prefix/export-id")
        folder = key.strip("/")
        return cls(bucket, f"{folder}/" if folder else "")

    def url(self, key: str = "") -> str:
        """The address of ``key``, which is relative to the prefix."""
        return f"s3://{self.bucket}/{self.prefix}{key}".rstrip("/")
