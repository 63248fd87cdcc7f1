"""The rows of the target, hashed as they arrive."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.target.catalog import TableKind
from dbrestore.target.connect import transaction, translate_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    import asyncpg

    from dbrestore.target.catalog import Table

BLOCK_BYTES = 1024**2
"""Of COPY's stream, hashed at once."""
BLOCKS_PER_RANGE = 32 * 1024
"""Pages of a large table that one COPY reads: 256 MiB."""
TID_RANGES = 140000
"""Since this version a scan can begin and end at a page (PostgreSQL 14, "TID Range Scan")."""
EXACT_TEXT = "SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'"
"""A role or a database may have other settings, by which different values have the same text."""


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Rows of the target, read by one connection."""

    connection: asyncpg.Connection
    threads: Executor

    async def read(self, query: str, take: Callable[[bytes], None]) -> None:
        """Give ``take`` the stream of COPY's binary format in pieces of whole rows, in a thread."""
        blocks = _Blocks(take, self.threads)
        async with transaction(self.connection):
            await self.connection.execute(EXACT_TEXT)
            await self.connection.copy_from_query(query, output=blocks.add, format="binary")
            await blocks.flush()


class _Blocks:
    def __init__(self, take: Callable[[bytes], None], threads: Executor) -> None:
        self._take = take
        self._threads = threads
        self._pieces: list[bytes] = []
        self._size = 0

    async def add(self, data: bytes) -> None:
        # COPY sends one message for each row, and asyncpg passes whole messages on.
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= BLOCK_BYTES:
            await self.flush()

    async def flush(self) -> None:
        pieces, self._pieces, self._size = self._pieces, [], 0
        if pieces:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._take, b"".join(pieces))


def page_ranges(pages: int) -> list[str]:
    """A condition for each range of a table of so many pages; a single empty one for a small table."""
    starts = range(BLOCKS_PER_RANGE, pages, BLOCKS_PER_RANGE)
    begins = ["", *(f"ctid >= '({start},0)'" for start in starts)]
    ends = [*(f"ctid < '({start},0)'" for start in starts), ""]
    return [_where(begin, end) for begin, end in zip(begins, ends, strict=True)]


def _where(*conditions: str) -> str:
    given = [condition for condition in conditions if condition]
    return f" WHERE {' AND '.join(given)}" if given else ""


async def count_pages(connection: asyncpg.Connection, tables: Sequence[Table], server_version: int) -> dict[int, int]:
    """The pages of the tables, by oid, that are better read in ranges of them. Raises TargetError."""
    if server_version < TID_RANGES:
        return {}
    oids = [table.oid for table in tables if table.kind is TableKind.TABLE]
    with translate_errors("asking for the size of the tables"):
        rows = await connection.fetch(
            "SELECT oid, pg_relation_size(oid) / current_setting('block_size')::int8 AS pages"
            "  FROM unnest($1::oid[]) AS oid",
            oids,
        )
    return {row["oid"]: row["pages"] or 0 for row in rows}
