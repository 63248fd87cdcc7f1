"""A restore beside the database that is in use, which it takes the place of when all is there."""

from __future__ import annotations

import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dbrestore.archive.archive import ArchiveOptions, dump_schema
from dbrestore.databases import Databases
from dbrestore.errors import TargetError, UnfinishedRunError, UsageError
from dbrestore.export.layout import read_export
from dbrestore.restore import restore
from dbrestore.running import Unfinished
from dbrestore.surveying import choose_databases
from dbrestore.target.begun_schema import read_begun, read_tables
from dbrestore.target.connect import PLACEHOLDER, open_pool
from dbrestore.target.databases import LONGEST_NAME, Server, maintenance_session, swap, target_name
from dbrestore.target.journal import find_journal
from dbrestore.target.sessions import one_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from dbrestore.export.storage import Storage
    from dbrestore.progress import Progress
    from dbrestore.running import RestoreOptions
    from dbrestore.target.connect import ConnectionSettings

SUFFIX = "_dbrestore_new"
"""Of the database that becomes the new one."""
BEGUN = "dbrestore restores into this database"
RESTORED = "dbrestore has restored this database, and it waits to be renamed"
"""Comments on such a database: how far it is."""


@dataclass(frozen=True, slots=True)
class Making:
    """What is made of databases that are not there yet, or that get another one's place."""

    is_created: bool = False
    """A database that is not there is made."""
    is_swapped: bool = False
    """The restore goes into a new database, which takes the name when all is there."""
    drops_old: bool = False
    """The database that had the name before is dropped, not kept under another one."""
    bin_dir: Path | None = None
    """Where PostgreSQL's programs are; None for the PATH."""


async def restore_making(
    storage: Storage, connection: ConnectionSettings, options: RestoreOptions, making: Making, progress: Progress
) -> None:
    """Restore into databases that are made for it. Raises a DbrestoreError.

    Where they take the place of others, these are as they were unless all of their restores came to their end.
    """
    if making.is_created and options.schema is None and not making.is_swapped:
        hint = "Give --schema as well: an archive of pg_dump --schema-only."
        raise UsageError("--create makes an empty database, and nothing says which tables go into it", hint=hint)
    export = await read_export(storage)
    names = choose_databases(export, connection, options.databases)
    if not making.is_swapped:
        for name in names:
            await _create(connection.of_database(name), progress)
        await restore(storage, connection, options, progress)
        return
    beside = [Beside(connection.of_database(name), name, making) for name in names]
    for each in beside:
        await each.prepare(options, progress)
    await _restore_beside(storage, connection, options, beside, progress)
    for each in beside:
        await each.take_place(progress)


async def _create(connection: ConnectionSettings, progress: Progress) -> None:
    name = target_name(connection)
    async with maintenance_session(connection) as session:
        server = Server(session)
        if not await server.has(name):
            await server.create(name)
            progress.note(f"created the database {name}")


async def _restore_beside(
    storage: Storage,
    connection: ConnectionSettings,
    options: RestoreOptions,
    beside: Sequence[Beside],
    progress: Progress,
) -> None:
    """Restore into the new databases, but for those where an earlier run has come to the end of that."""
    unfinished = [each for each in beside if not await each.is_restored()]
    if not unfinished:
        return

    async def mark() -> None:
        for each in unfinished:
            await each.mark_restored()

    async with _schemas(options, unfinished) as schema:
        options = replace(options, schema=schema, databases=Databases(tuple(each.source for each in unfinished)))
        new = replace(connection, database=target_name(connection) + SUFFIX)
        await restore(storage, new, options, progress, when_restored=mark)


@asynccontextmanager
async def _schemas(options: RestoreOptions, beside: Sequence[Beside]) -> AsyncIterator[ArchiveOptions]:
    """The archive that was given, or one of the schema of each database that is there."""
    if options.schema is not None:
        yield options.schema
        return
    with tempfile.TemporaryDirectory(prefix="dbrestore-schema-") as folder:
        for each in beside:
            await dump_schema(each.connection, Path(folder) / f"{each.source}.dump", each.making.bin_dir)
        yield ArchiveOptions(Path(folder) / f"{PLACEHOLDER}.dump", each.making.bin_dir, keep_owners=True)


@dataclass(frozen=True, slots=True)
class Beside:
    """A database, and the one beside it that takes its place."""

    connection: ConnectionSettings
    """To the database that is in use."""
    source: str
    """Its name in the export."""
    making: Making

    @property
    def live(self) -> str:
        """The name that both have in turn."""
        return target_name(self.connection)

    @property
    def new(self) -> str:
        """The name of the database that is restored into."""
        return self.live + SUFFIX

    async def prepare(self, options: RestoreOptions, progress: Progress) -> None:
        """Have an empty database, or that of an unfinished run. Raises TargetError where there could be no swap."""
        if len(self.new.encode()) > LONGEST_NAME:
            message = f"the name {self.new} would be longer than the {LONGEST_NAME} bytes that a server keeps"
            raise TargetError(message, hint="Restore without --swap, into a database that you rename yourself.")
        async with maintenance_session(self.connection) as session:
            server = Server(session)
            await server.check_may_create()
            has_live = await server.has(self.live)
            if has_live:
                await server.check_owned(self.live)
            elif not self.making.is_created:
                raise TargetError(f"there is no database {self.live}", hint="--create makes it, with --schema.")
            elif options.schema is None:
                raise UsageError(f"there is no database {self.live} to take the schema of", hint="Give --schema.")
            if not await self._is_there(server, options.unfinished):
                await server.create(self.new, self.live if has_live else None)
                await server.set_comment(self.new, BEGUN)
                progress.note(f"restoring into {self.new}, which takes the name {self.live} at the end")

    async def _is_there(self, server: Server, unfinished: Unfinished) -> bool:
        """Whether an unfinished run's database is there to go on with."""
        if not await server.has(self.new):
            return False
        if await server.comment(self.new) not in {BEGUN, RESTORED}:
            hint = "Drop it, or rename it: dbrestore restores into a database of this name."
            raise TargetError(f"there is a database {self.new} that is not dbrestore's", hint=hint)
        if unfinished is Unfinished.REFUSE:
            raise UnfinishedRunError(
                f"an earlier restore into {self.new} is unfinished; {self.live} is as it was",
                hint="--resume goes on with it; --restart drops it and begins anew.",
            )
        if unfinished is Unfinished.RESTART:
            await server.drop(self.new)
            return False
        if await self._is_over():
            hint = f"Repair it and rename both databases by hand; or --restart drops {self.new} and begins anew."
            raise UnfinishedRunError(f"the restore into {self.new} is over, but rows break keys there", hint=hint)
        return True

    async def _is_over(self) -> bool:
        """Whether there is no run to go on with, though there are tables."""
        if await self.is_restored():
            return False
        async with open_pool(replace(self.connection, database=self.new), 1) as pool, one_session(pool) as session:
            is_unfinished = (await find_journal(session)).is_unfinished or await read_begun(session) is not None
            return not is_unfinished and bool(await read_tables(session))

    async def is_restored(self) -> bool:
        """Whether all is there and only the name is missing."""
        async with maintenance_session(self.connection) as session:
            if await Server(session).comment(self.new) != RESTORED:
                return False
        async with open_pool(replace(self.connection, database=self.new), 1) as pool, one_session(pool) as session:
            return not (await find_journal(session)).is_unfinished

    async def mark_restored(self) -> None:
        """Write down that all is there."""
        async with maintenance_session(self.connection) as session:
            await Server(session).set_comment(self.new, RESTORED)

    async def take_place(self, progress: Progress) -> None:
        """Rename both databases. Raises TargetError; then the one that was in use is as it was."""
        old = None
        async with maintenance_session(self.connection) as session:
            server = Server(session)
            if await server.has(self.live):
                old = await server.unused_name(self.live)
                progress.warn(await server.carry_over(self.live, self.new))
        await swap(self.connection, self.live, self.new, old)
        if old and self.making.drops_old:
            async with maintenance_session(self.connection) as session:
                await Server(session).drop(old)
        before = (
            f"the one before it is {'dropped' if self.making.drops_old else old}" if old else "there was none before"
        )
        progress.note(f"{self.live} is the restored database now; {before}")
