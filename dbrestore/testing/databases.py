"""Databases on a throw-away server, each one made for a single use."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Protocol

import asyncpg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dbrestore.testing.postgres import PostgresServer

STRATEGIES_SINCE = 15

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Database:
    """A database that its maker drops."""

    server: PostgresServer
    name: str

    @property
    def dsn(self) -> str:
        """Its connection URI, as the server's superuser."""
        return self.server.dsn(self.name)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection that closes with the ``async with`` block."""
        connection = await asyncpg.connect(self.dsn)
        try:
            yield connection
        finally:
            await connection.close()

    def execute(self, sql: str) -> str:
        """Run a script through psql; see ``PostgresServer.execute``."""
        return self.server.execute(sql, self.name)

    def drop(self) -> None:
        """Remove it and cut the connections to it."""
        self.server.execute(f'DROP DATABASE "{self.name}" WITH (FORCE)')


class MakeDatabase(Protocol):
    """Makes a database, empty or a copy of the database that ``template`` names."""

    def __call__(self, template: str | None = None) -> Database: ...


class MakeTemplate(Protocol):
    """Makes a database to copy out of an SQL script, once for each ``name``; returns the database's name."""

    def __call__(self, name: str, sql: str) -> str: ...


def create_database(server: PostgresServer, template: str | None = None) -> Database:
    """A new database, empty or a copy of ``template``, under a name that nobody else has."""
    database = Database(server, f"db_{next(_numbers)}")
    # Where nothing waits for a disk it is quicker than to write the copy into the log, as servers do since version 15.
    strategy = " STRATEGY file_copy" if server.major_version >= STRATEGIES_SINCE else ""
    server.execute(f'CREATE DATABASE "{database.name}" TEMPLATE "{template or "template0"}"{strategy}')
    return database
