"""Sessions with the target."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from dbrestore.target.connect import cut, lost_writes, translate_errors
from dbrestore.target.sql import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Set

    import asyncpg

_QUERIES = load_queries("sessions.sql")


@asynccontextmanager
async def one_session(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the pool for the time of the block. Raises ConnectError.

    It is cut if the block fails: whatever it was doing ends with it.
    """
    with translate_errors("connecting to the target"):
        async with pool.acquire() as connection:
            try:
                with lost_writes():
                    yield connection
            except BaseException:
                cut(connection)
                raise


async def end_sessions(pool: asyncpg.Pool, prefix: str, ended: Set[str]) -> dict[str, int]:
    """Have the server end this role's sessions whose application is one of ``ended``.

    Returns how many there are of each application that begins with ``prefix``, those that are about to end among
    them. Raises TargetError.
    """
    async with one_session(pool) as connection:
        with translate_errors("counting the sessions of workers"):
            found = await connection.fetch(_QUERIES["end_sessions"], prefix, list(ended))
    return {row["application_name"]: row["sessions"] for row in found}
