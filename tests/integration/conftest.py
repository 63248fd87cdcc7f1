from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dbrestore.testing.postgres import PostgresServer


@pytest.fixture
async def scratch(server: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    """A connection in a transaction that is rolled back when the test ends: quicker than a database for each test."""
    connection = await asyncpg.connect(server.dsn())
    transaction = connection.transaction(isolation="repeatable_read")
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()
