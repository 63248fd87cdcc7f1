"""Makes the schema of an archive: tables and types before the rows, keys, indexes and triggers after them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.archive.archive import POST_DATA, PRE_DATA, Archive
from dbrestore.archive.environment import APPLICATION_NAME, program_target
from dbrestore.archive.failures import explain_failures, run_script
from dbrestore.errors import (
    DbrestoreError,
    PrivilegeError,
    SchemaError,
    TargetError,
    UnfinishedRunError,
    raise_problems,
)
from dbrestore.planning.naming import list_names
from dbrestore.target import begun_schema
from dbrestore.target.connect import FOREIGN_ERRORS, transaction, translate_errors, translated
from dbrestore.target.sessions import one_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from dbrestore.archive.archive import ArchiveOptions
    from dbrestore.archive.entries import Entry
    from dbrestore.target.begun_schema import BegunSchema
    from dbrestore.target.connect import ConnectionSettings

ENTRIES_AT_A_TIME = 250
"""That one transaction makes: each of them locks a table or more until its end."""
FAILED_QUERY = "could not execute query"
"""What pg_restore says of a single thing that could not be made."""
GO_ON_HINT = "Remove what is in the way, then go on with --resume: what is made is not made again."
EXTENSION, TABLE = "EXTENSION", "TABLE"
_NEVER_MADE = ("COMMENT - EXTENSION ", "COMMENT - SCHEMA public ")
"""What belongs to whoever made the extension or the database."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema of an archive, to be made in one target."""

    archive: Archive
    connection: ConnectionSettings

    @classmethod
    async def open(cls, options: ArchiveOptions, connection: ConnectionSettings) -> Schema:
        """Raises UsageError if there is no such archive, or no pg_restore that can read it."""
        return cls(await Archive.open(options), connection)

    async def make_pre_data(self, pool: asyncpg.Pool) -> None:
        """Make what comes before the rows, or what an earlier run has not made of it.

        A transaction for each few hundred things, which also writes down that they are made. Raises TargetError, or
        UnfinishedRunError if the target has the schema of another archive half made.
        """
        fingerprint = await self.archive.fingerprint()
        entries = await self.archive.entries(PRE_DATA)
        async with one_session(pool) as connection:
            begun = await begun_schema.read_begun(connection)
            if begun is None:
                await self._check_target(connection, list(filter(self._is_wanted, entries)))
                begun = await begun_schema.begin(connection, fingerprint, self.archive.path)
            self._check_begun(begun, fingerprint)
            for start in range(begun.entries_made, len(entries), ENTRIES_AT_A_TIME):
                await self._make(connection, entries[start : start + ENTRIES_AT_A_TIME], start)
            with translate_errors("resetting the session"):
                await connection.execute("RESET ALL")

    def _is_wanted(self, entry: Entry) -> bool:
        skipped = tuple(f"{EXTENSION} - {name} " for name in self.archive.options.skip_extensions)
        return not entry.text.startswith((*_NEVER_MADE, *skipped))

    def _check_begun(self, begun: BegunSchema, fingerprint: str) -> None:
        if begun.fingerprint != fingerprint:
            raise UnfinishedRunError(
                f"the target has the schema of another archive half made: {begun.path} as it was then",
                hint="Go on with that one; or drop the database and begin anew.",
            )

    async def _check_target(self, connection: asyncpg.Connection, entries: Sequence[Entry]) -> None:
        there = await begun_schema.read_tables(connection)
        tables = (entry.name(TABLE, there) for entry in entries if entry.is_of(TABLE))
        if names := [name.replace(" ", ".", 1) for name in tables if name]:
            raise SchemaError(
                f"the target has tables of {self.archive.path} already: {list_names(names)}",
                hint="Leave --schema out to restore into them, or name a database without them; --create makes one.",
            )
        prefix = f"{EXTENSION} - "
        wanted = [entry.text.removeprefix(prefix).strip() for entry in entries if entry.text.startswith(prefix)]
        missing = await begun_schema.read_missing_extensions(connection, wanted)
        raise_problems([problem for each in missing if (problem := _extension_problem(each))])

    async def _make(self, connection: asyncpg.Connection, entries: Sequence[Entry], made: int) -> None:
        """All of the entries or none; if they cannot be made together, those before the one that cannot."""
        wanted = list(filter(self._is_wanted, entries))
        script = await self.archive.script(PRE_DATA, wanted) if wanted else ""
        try:
            async with transaction(connection):
                await run_script(connection, script)
                await begun_schema.advance(connection, made + len(entries))
        except FOREIGN_ERRORS as error:
            if len(entries) == 1:
                raise _explained(error, entries[0], self.archive.path) from error
            for place, entry in enumerate(entries):
                await self._make(connection, [entry], made + place)

    async def make_post_data(self, pool: asyncpg.Pool, jobs: int, memory: str) -> list[DbrestoreError]:
        """Have pg_restore make what comes after the rows and is not there yet; return what could not be made.

        ``jobs`` things at a time, each with ``memory`` as maintenance_work_mem. What rows are in the way of is made
        as far as it can be. Raises TargetError where pg_restore could make nothing at all.
        """
        async with one_session(pool) as connection:
            await begun_schema.end_programs(connection, APPLICATION_NAME)
            missing = await self._missing(connection)
        if not missing:
            return []
        target = program_target(self.connection, {"maintenance_work_mem": memory})
        output = await self.archive.make(POST_DATA, missing, jobs, target)
        if not output.code:
            return []
        if FAILED_QUERY not in output.said:
            raise TargetError(f"pg_restore failed: {output.said}", hint=GO_ON_HINT)
        async with one_session(pool) as connection:
            left = [entry for entry in await self._missing(connection) if entry.lasting_kind]
            failures = await explain_failures(connection, self.archive, left)
        message = f"pg_restore could not make all of {self.archive.path}: {output.said}"
        return failures or [TargetError(message, hint=GO_ON_HINT)]

    async def _missing(self, connection: asyncpg.Connection) -> list[Entry]:
        """What is not there, and what can be made again."""
        there = await begun_schema.read_objects(connection)
        entries = [entry for entry in await self.archive.entries(POST_DATA) if self._is_wanted(entry)]
        return [
            entry
            for entry in entries
            if (kind := entry.lasting_kind) is None or entry.name(kind, there.get(kind, set())) is None
        ]


def _extension_problem(extension: begun_schema.MissingExtension) -> DbrestoreError | None:
    skip = f"--skip-extensions {extension.name} goes without it."
    if not extension.is_available:
        message = f"the server has no extension {extension.name}, which the schema wants"
        return SchemaError(message, hint=f"Install it on the server; {skip}")
    if not extension.may_create:
        message = f"the role may not create the extension {extension.name}, which the schema wants"
        return PrivilegeError(message, hint=f"Have an administrator run CREATE EXTENSION in the database; {skip}")
    return None


def _explained(error: Exception, entry: Entry, path: str) -> DbrestoreError:
    problem = translated(error, f"making {entry.shown} of {path}")
    return type(problem)(problem.message, hint=problem.hint or "What was made before it stays; run it again to go on.")
