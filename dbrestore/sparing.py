"""Loads into tables whose indexes are spared, as long as nothing is in the way of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.errors import DataError, TargetError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import asyncpg

    from dbrestore.load import Begun, Loader
    from dbrestore.plan import PlannedPart, PlannedTable
    from dbrestore.target.deferral.sparing import Sparing


@dataclass(frozen=True, slots=True)
class SparingLoader:
    """An `Engine`: a `Loader` that tries once more without the indexes of what it could not load."""

    loader: Loader
    sparing: Sparing

    @property
    def elsewhere(self) -> int:
        """As the loader has it."""
        return self.loader.elsewhere

    def expect(self, parts: Sequence[PlannedPart], table: PlannedTable | None = None) -> None:
        """As the loader does."""
        self.loader.expect(parts, table)

    async def load(
        self, connection: asyncpg.Connection, table: PlannedTable, parts: Sequence[PlannedPart], begun: Begun
    ) -> None:
        """As the loader does, and raises what it does."""
        await self._load(connection, [table], lambda: self.loader.load(connection, table, parts, begun))

    async def load_together(self, connection: asyncpg.Connection, tables: Sequence[PlannedTable], begun: Begun) -> None:
        """As the loader does, and raises what it does."""
        await self._load(connection, tables, lambda: self.loader.load_together(connection, tables, begun))

    async def load_crowd(self, connection: asyncpg.Connection, tables: Sequence[PlannedTable], begun: Begun) -> None:
        """As the loader does, and raises what it does."""
        await self._load(connection, tables, lambda: self.loader.load_crowd(connection, tables, begun))

    async def _load(
        self, connection: asyncpg.Connection, tables: Sequence[PlannedTable], load: Callable[[], Awaitable[None]]
    ) -> None:
        try:
            await load()
        except (DataError, TargetError) as error:
            oids = [table.table.oid for table in tables]
            if error.fault or not await self.sparing.give_way(connection, oids):
                raise
            await load()
