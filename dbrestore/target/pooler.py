"""Poolers that give each transaction another server process, on which no restore can rely.

Such a pooler (PgBouncer with pool_mode=transaction, pgcat, Supavisor) takes from a session what dbrestore needs one
for: the advisory lock that keeps two runs apart, and its settings. It is known by what it does, not by its name.
A pooler that keeps a server process for each session is as good as none.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from dbrestore.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Connect: TypeAlias = Callable[[], Awaitable[asyncpg.Connection]]

ROUNDS = 6
"""Transactions that are looked at: a pooler may happen to give the same process several times."""
PROBE_SECONDS = 30.0
HINT = "Connect to the server itself, not to the pooler; or have that keep a server process for each session."
POOLER_ERRORS = (
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
    asyncpg.ProtocolViolationError,
)
"""What statements fail with that a pooler sends to another process than the one that prepared them, or refuses."""


async def refuse_transaction_pooler(connection: asyncpg.Connection, connect: Connect) -> None:
    """Raise ConnectError if a session does not keep its server process; ``connect`` opens another one to see that.

    A server's own process says its number when the connection begins. A pooler has to say another one, because it
    does not know yet which process there will be, or because a cancel request comes to the pooler.
    """
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            if await _process(connection) == connection.get_server_pid():
                return
            is_kept = await _keeps_process(connection, connect)
    except POOLER_ERRORS as error:
        raise ConnectError(f"a pooler between here and the target refuses a session: {error}", hint=HINT) from error
    except TimeoutError:
        raise ConnectError("a pooler between here and the target has no second connection to give", hint=HINT) from None
    if not is_kept:
        raise ConnectError(
            "a pooler between here and the target gives each transaction another server process", hint=HINT
        )


async def _keeps_process(connection: asyncpg.Connection, connect: Connect) -> bool:
    """Whether the session has one process while another session takes what processes are free."""
    seen = set()
    other = await connect()
    try:
        for _ in range(ROUNDS):
            async with other.transaction():
                theirs = await other.fetchval("SELECT pg_backend_pid()")
                seen.add(await _process(connection))
            seen.add(await _process(connection))
            if len(seen) > 1 or theirs in seen:
                return False
    finally:
        other.terminate()
    return True


async def _process(connection: asyncpg.Connection) -> int:
    async with connection.transaction():
        number: int = await connection.fetchval("SELECT pg_backend_pid()")
        return number
