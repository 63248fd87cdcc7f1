"""Loads that wait in the middle of their COPY, until they are let go."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from dbrestore.testing.databases import Database

_LOCK = 77
_WAIT = f"""
    CREATE FUNCTION wait() RETURNS bool LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock_shared({_LOCK}); RETURN true; END $$;
    ALTER TABLE {{table}} ADD CONSTRAINT wait CHECK (wait()) NOT VALID;
"""


@asynccontextmanager
async def locked_rows(database: Database, table: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Let no row into ``table`` until what the block is given is called, or ends."""
    database.execute(_WAIT.format(table=table))
    async with database.connect() as connection:
        await connection.execute(f"SELECT pg_advisory_lock({_LOCK})")

        async def let_go() -> None:
            await connection.execute("SELECT pg_advisory_unlock_all()")

        yield let_go
    database.execute(f"ALTER TABLE {table} DROP CONSTRAINT wait")
