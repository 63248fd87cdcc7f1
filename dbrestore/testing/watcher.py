"""A look at a target from outside while it is restored, which the target's crashes interrupt only."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import asyncpg

if TYPE_CHECKING:
    from types import TracebackType

    from dbrestore.testing.databases import Database

NO_JOURNAL = "no journal"
AWAY = "no server"


class Watcher:
    """A connection to a database that is made again when it is lost."""

    def __init__(self, database: Database) -> None:
        """Not connected yet."""
        self._database = database
        self._connection: asyncpg.Connection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection:
            self._connection.terminate()

    async def now(self) -> object:
        """The server's time."""
        return await self.ask("SELECT clock_timestamp()")

    async def phase(self) -> str:
        """That the journal has."""
        try:
            return str(await self.ask("SELECT phase FROM dbrestore.run") or AWAY)
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            return NO_JOURNAL

    async def ask(self, query: str, *arguments: object) -> Any:
        """The one value that the query has; None if nobody answers."""
        lost = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.OperatorInterventionError)
        with suppress(*lost):
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(self._database.dsn)
            return await self._connection.fetchval(query, *arguments)
        return None
