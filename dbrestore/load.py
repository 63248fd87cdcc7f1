"""Parts into one COPY inside one transaction."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import asyncpg

from dbrestore.concurrency import Ahead
from dbrestore.encoding import EncodedTable, encode_few
from dbrestore.errors import DbrestoreError, Fault, VerificationError
from dbrestore.export.rows import read_value
from dbrestore.places import find_position, place_of, shorten
from dbrestore.room import Room
from dbrestore.streams import Streams, has_large_rows
from dbrestore.target import journal
from dbrestore.target.connect import FOREIGN_ERRORS, transaction, translated, while_connected
from dbrestore.target.freezing import make_new
from dbrestore.timing import CopyClock, Timing
from dbrestore.wire.fields import shown_value
from dbrestore.wire.registry import CopyFormat

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
    from typing import TypeAlias

    from dbrestore.plan import PlannedPart, PlannedTable

    Begun: TypeAlias = Callable[[], object]
    """Called once a load has a connection, maybe more than once."""

FREEZE_BYTES = 1024**2
"""Of a table's parts, from which on frozen rows are worth the statements that it takes."""
LARGE_ROWS_BYTES = 128 * 1024**2
"""Of all large rows at a time; a single one may be larger."""
TEXT_COPIES = 3
"""Of a large row, as it is escaped and joined."""
OTHER_BOUNDS_HINT = (
    "The partition has other bounds than in the snapshot: --partitions via-parent brings each row to its place."
)


def _nothing() -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads parts of any table of an export."""

    streams: Streams
    preparation: tuple[str, ...] = ()
    """Statements that each transaction begins with."""
    is_journaled: bool = True
    """The target has a journal, by which no part is loaded twice."""
    timing: Timing = field(default_factory=Timing)
    freezes: bool = True
    """A table that is loaded as a whole may be frozen; whoever calls knows whether it is one."""
    _room: Room = field(default_factory=lambda: Room(LARGE_ROWS_BYTES))
    """For large rows."""

    @property
    def elsewhere(self) -> int:
        """None of its loads runs without a connection."""
        return 0

    def expect(self, parts: Sequence[PlannedPart], table: PlannedTable | None = None) -> None:
        """``parts`` are going to be loaded soon, by ``load`` where ``table`` says whose they are."""
        for part in parts:
            self.streams.storage.expect(part.file)
        if table is not None:
            self.streams.expect(table, parts)

    async def load(
        self,
        connection: asyncpg.Connection,
        table: PlannedTable,
        parts: Sequence[PlannedPart],
        begun: Begun = _nothing,
    ) -> None:
        """Load ``parts`` of ``table`` that are not loaded yet, all rows or none.

        Called again after a connection was lost, it loads nothing twice, whatever became of the commit.

        Raises:
            PartError: a part cannot be read.
            DataError: the target refused a row; the message says which.
            VerificationError: the server took fewer or more rows than the parts have.
            TargetError: anything else that the server says.
        """
        begun()
        missing = parts
        try:
            async with self._room_for(table), self._prepared(connection):
                if missing := await self._claim(connection, parts):
                    is_whole = self.freezes and len(missing) == len(table.parts) and table.size >= FREEZE_BYTES
                    freeze = is_whole and await make_new(connection, table.table)
                    await self._copy(connection, table, missing, freeze=freeze)
        except FOREIGN_ERRORS as error:
            raise self._judged(await self._explained(error, table, missing)) from error
        finally:
            await self.streams.forget(parts)

    def _judged(self, error: DbrestoreError) -> DbrestoreError:
        """Without a journal nobody knows what became of a commit whose answer was lost."""
        if not self.is_journaled and error.fault is not Fault.CLASH:
            error.fault = None
        return error

    @asynccontextmanager
    async def _room_for(self, *tables: PlannedTable) -> AsyncIterator[None]:
        """Room for the largest rows of ``tables``, if they are large.

        Taken before anything is locked in the target: who waits here must not be waited for there.
        """
        size = max(_room_needed(table) for table in tables)
        if size:
            await self._room.take(size)
        try:
            yield
        finally:
            self._room.free(size)

    @asynccontextmanager
    async def _prepared(self, connection: asyncpg.Connection) -> AsyncIterator[None]:
        """A transaction."""
        async with transaction(connection):
            if self.preparation:
                await connection.execute("; ".join(self.preparation))
            yield

    async def _claim(self, connection: asyncpg.Connection, parts: Sequence[PlannedPart]) -> Sequence[PlannedPart]:
        """Those of ``parts`` that are not loaded yet."""
        if not self.is_journaled:
            return parts
        claimed = await journal.claim_parts(connection, [part.file.key for part in parts])
        return [part for part in parts if part.file.key in claimed]

    async def load_together(
        self, connection: asyncpg.Connection, tables: Sequence[PlannedTable], begun: Begun = _nothing
    ) -> None:
        """Load whole tables whose rows may reference those of later ones, all rows or none: keys are checked at last.

        Raises as ``load`` does.
        """
        begun()
        names = ", ".join(table.table.dotted for table in tables)
        try:
            async with self._room_for(*tables), self._prepared(connection):
                await connection.execute("SET CONSTRAINTS ALL DEFERRED")
                for table in tables:
                    if missing := await self._claim(connection, table.parts):
                        await self._copy_explaining(connection, table, missing)
        except FOREIGN_ERRORS as error:
            raise self._judged(translated(error, f"loading {names} in one transaction")) from error

    async def load_crowd(
        self, connection: asyncpg.Connection, tables: Sequence[PlannedTable], begun: Begun = _nothing
    ) -> None:
        """Load small tables that have nothing to do with each other, all rows or none: for the statements it saves.

        Raises as ``load`` does.
        """
        begun()
        try:
            async with self._room_for(*tables), self._prepared(connection):
                missing = await self._claim(connection, [part for table in tables for part in table.parts])
                keys = {part.file.key for part in missing}
                left = [(table, [part for part in table.parts if part.file.key in keys]) for table in tables]
                await self._copy_crowd(connection, [(table, parts) for table, parts in left if parts])
        except FOREIGN_ERRORS as error:
            raise self._judged(translated(error, f"loading {len(tables)} small tables in one transaction")) from error

    async def _copy_crowd(
        self, connection: asyncpg.Connection, crowd: Sequence[tuple[PlannedTable, Sequence[PlannedPart]]]
    ) -> None:
        """A thread encodes the next few tables while the last few are being sent."""
        tables = await self._fetched(crowd)
        waiting = CopyClock()
        async with aclosing(Ahead(encode_few(tables), self.streams.threads, waiting.wait_for_client)) as encoded:
            async for few in encoded:
                for each in few:
                    await self._copy_explaining(connection, each.table, each.parts, each.chunks)
                    self.timing.encoded(each.table.table.oid, each.clock, waiting)
                    each.chunks = None  # memory

    async def _fetched(self, crowd: Sequence[tuple[PlannedTable, Sequence[PlannedPart]]]) -> list[EncodedTable]:
        """With what their parts hold; each waited for all of them."""
        clock = CopyClock()
        files = [part.file for _, parts in crowd for part in parts]
        contents = iter(await clock.wait_for_storage(self.streams.storage.fetch_few(files)))
        waited = clock.storage / max(1, len(crowd))
        return [
            EncodedTable(table, parts, list(islice(contents, len(parts))), CopyClock(storage=waited))
            for table, parts in crowd
        ]

    async def _copy_explaining(
        self,
        connection: asyncpg.Connection,
        table: PlannedTable,
        parts: Sequence[PlannedPart],
        encoded: Sequence[Any] | None = None,
    ) -> None:
        try:
            await self._copy(connection, table, parts, encoded=encoded)
        except FOREIGN_ERRORS as error:
            raise self._judged(await self._explained(error, table, parts)) from error

    async def _copy(
        self,
        connection: asyncpg.Connection,
        table: PlannedTable,
        parts: Sequence[PlannedPart],
        *,
        freeze: bool = False,
        encoded: Sequence[Any] | None = None,
    ) -> None:
        """``encoded`` is the whole stream, if that is there already."""
        async with (
            self.timing.copy(table.table.oid) as clock,
            aclosing(self.streams.send(table, parts, clock) if encoded is None else _each(encoded)) as stream,
            while_connected(connection),
        ):
            status = await connection.copy_to_table(
                table.table.name,
                schema_name=table.table.schema,
                columns=[column.name for column in table.columns],
                format=table.copy_format.value,
                freeze=freeze or None,
                source=stream,
            )
        loaded, expected = int(status.rpartition(" ")[2]), sum(part.rows for part in parts)
        if loaded != expected:
            raise VerificationError(
                f"{place_of(table, parts)}: the server took {loaded} of {expected} rows",
                hint="A trigger of the target may have left out or added rows.",
            )

    async def _explained(self, error: Exception, table: PlannedTable, parts: Sequence[PlannedPart]) -> DbrestoreError:
        """The server's error with the part, row, column and value that it is about, where it says so."""
        position = find_position(error, table)
        if position is None:
            return translated(error, place_of(table, parts))
        row, column = position
        for part in parts:
            if row < part.rows:
                break
            row -= part.rows
        place = f"{place_of(table, [part])}, row {row + 1}"
        if column is not None:
            place += f", column {column}, value {await self._shown_value(part, column, row)}"
        explained = translated(error, place)
        if (
            table.table.parent is not None
            and isinstance(error, asyncpg.CheckViolationError)
            and not error.constraint_name
        ):
            explained.hint = OTHER_BOUNDS_HINT
        return explained

    async def _shown_value(self, part: PlannedPart, column: str, row: int) -> str:
        async with self.streams.storage.fetch(part.file) as content:
            value = await asyncio.to_thread(read_value, content, part.file.key, column, row)
            return shorten(shown_value(value))


async def _each(chunks: Sequence[Any]) -> AsyncGenerator[Any, None]:
    for chunk in chunks:
        yield chunk


def _room_needed(table: PlannedTable) -> int:
    """Bytes that a row of ``table`` takes while it is loaded; 0 where rows are small."""
    copies = 1 if table.copy_format is CopyFormat.BINARY else TEXT_COPIES
    return copies * max((part.row_bytes for part in table.parts if has_large_rows(part)), default=0)
