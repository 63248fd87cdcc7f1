"""What a load needs for ``COPY … WITH (FREEZE)``: a table that was truncated in the same transaction.

Its rows come out as VACUUM FREEZE would leave them, so that nobody has to mark them later. At wal_level=minimal the
server writes no WAL for a table that is new in the transaction, and syncs its file at the commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from dbrestore.target.connect import translate_errors
from dbrestore.target.sql import load_queries

if TYPE_CHECKING:
    from dbrestore.target.catalog import Table

_QUERIES = load_queries("freezing.sql")


async def skips_wal(connection: asyncpg.Connection) -> bool:
    """Whether the server writes no WAL for what ``make_new`` made new. Raises TargetError."""
    with translate_errors("reading the target's wal_level"):
        skips: bool = await connection.fetchval(_QUERIES["skips_wal"])
    return skips


async def make_new(connection: asyncpg.Connection, table: Table) -> bool:
    """Truncate a table that is empty and that nobody uses, for this transaction to freeze its rows.

    False where that cannot be: then nothing is changed. Nobody is waited for, since nothing would be lost without it;
    but all who come later wait for the end of the transaction. To be called in a transaction; raises what asyncpg
    raises.
    """
    if not await connection.fetchval(_QUERIES["can_freeze"], table.oid) or await _has_rows(connection, table):
        return False
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE ONLY {table.sql} IN ACCESS EXCLUSIVE MODE NOWAIT")
    except asyncpg.LockNotAvailableError:
        return False
    if await _has_rows(connection, table):  # somebody's that came before the lock
        return False
    await connection.execute(f"TRUNCATE ONLY {table.sql}")
    return True


async def _has_rows(connection: asyncpg.Connection, table: Table) -> bool:
    found: bool = await connection.fetchval(f"SELECT EXISTS (SELECT FROM ONLY {table.sql})")
    return found
