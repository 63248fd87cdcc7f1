"""Sessions with the target."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from dbrestore.target.connect import cut, lost_writes, translate_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg


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
