"""The role of a restore: it owns what it creates, and may do nothing else."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from dbrestore.target.connect import SESSION_SETTINGS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dbrestore.testing.databases import Database


def create_owner(database: Database, sql: str = "") -> str:
    """A role without any attribute, which runs ``sql``."""
    role = f"owner_{database.name}"
    database.execute(f"CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS; GRANT ALL ON SCHEMA public TO {role};")
    database.execute(f"SET ROLE {role}; {sql}")
    return role


@asynccontextmanager
async def connected(database: Database, role: str) -> AsyncIterator[asyncpg.Connection]:
    """A session of ``role`` with the settings of a restore's."""
    connection = await asyncpg.connect(database.dsn, user=role, server_settings=SESSION_SETTINGS)
    try:
        yield connection
    finally:
        await connection.close()
