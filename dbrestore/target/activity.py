"""What the server says of how far its processes are.

PostgreSQL documentation, "Progress Reporting": pg_stat_progress_create_index, _copy (since 14), _analyze, _vacuum. A
role sees the figures of its own sessions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.target.connect import translate_errors
from dbrestore.target.sql import load_queries

if TYPE_CHECKING:
    import asyncpg

SECONDS_TO_ANSWER = 5.0
HAS_COPY = 14
"""The first version that tells how far a COPY is."""

_QUERIES = load_queries("activity.sql")


@dataclass(frozen=True, slots=True)
class Figure:
    """How far the server says that one of its processes is (``pg_stat_progress_*``)."""

    pid: int
    phase: str
    """In the server's words: ``building index: scanning table``."""
    done: int
    """Blocks, rows or whatever the phase counts; for a COPY its rows."""
    total: int
    """0 where the server does not know it."""

    @property
    def share(self) -> float | None:
        """Between 0 and 1; None where that is unknown."""
        return min(self.done / self.total, 1.0) if self.total else None


async def read_figures(pool: asyncpg.Pool) -> list[Figure]:
    """How far each process is that works on this database and tells so. Raises TargetError."""
    with translate_errors("asking how far the server is"):
        async with pool.acquire(timeout=SECONDS_TO_ANSWER) as connection:
            query = _QUERIES["figures"]
            if connection.get_server_version().major >= HAS_COPY:
                query += _QUERIES["copies"]
            return [Figure(**row) for row in await connection.fetch(query, timeout=SECONDS_TO_ANSWER)]
