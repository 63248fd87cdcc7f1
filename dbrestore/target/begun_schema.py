"""What the target says of a schema that is being made from an archive: the table ``archive`` beside the journal's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.target.connect import transaction, translate_errors
from dbrestore.target.sql import load_queries

if TYPE_CHECKING:
    import asyncpg

POLL_SECONDS = 0.1
_QUERIES = load_queries("archive.sql")


@dataclass(frozen=True, slots=True)
class BegunSchema:
    """A schema of which some is made."""

    fingerprint: str
    """Of the archive."""
    path: str
    entries_made: int
    """Of what comes before the rows, in the order of the archive."""


async def read_begun(connection: asyncpg.Connection) -> BegunSchema | None:
    """The schema that an unfinished run has begun; None if there is none. Raises TargetError."""
    with translate_errors("looking for a schema that is half made"):
        if not await connection.fetchval(_QUERIES["state"]):
            return None
        row = await connection.fetchrow(_QUERIES["read"])
    return BegunSchema(row["fingerprint"], row["path"], row["entries_made"])


async def begin(connection: asyncpg.Connection, fingerprint: str, path: str) -> BegunSchema:
    """Write down that a schema is going to be made. Raises TargetError."""
    with translate_errors("making the journal in the schema dbrestore"):
        async with transaction(connection):
            await connection.execute(_QUERIES["begin"])
            await connection.execute(_QUERIES["record"], fingerprint, path)
    return BegunSchema(fingerprint, path, 0)


async def advance(connection: asyncpg.Connection, entries_made: int) -> None:
    """Write down how much this transaction has made."""
    await connection.execute(_QUERIES["advance"], entries_made)


async def forget(connection: asyncpg.Connection) -> None:
    """Remove what is written down, where no run has begun. Raises TargetError."""
    with translate_errors("removing the journal"):
        await connection.execute("DROP SCHEMA dbrestore CASCADE")


async def read_tables(connection: asyncpg.Connection) -> set[str]:
    """The tables that are there, as ``schema name``. Raises TargetError."""
    with translate_errors("reading the catalogue of the target"):
        return {row["name"] for row in await connection.fetch(_QUERIES["tables"])}


async def read_objects(connection: asyncpg.Connection) -> dict[str, set[str]]:
    """By kind, what there is of that which comes after the rows, as pg_restore calls it. Raises TargetError."""
    found: dict[str, set[str]] = {}
    with translate_errors("reading the catalogue of the target"):
        for row in await connection.fetch(_QUERIES["objects"]):
            found.setdefault(row["kind"], set()).add(row["name"])
    return found


@dataclass(frozen=True, slots=True)
class MissingExtension:
    """An extension that the target does not have."""

    name: str
    is_available: bool
    """The server has its files."""
    may_create: bool
    """The role may create it."""


async def read_missing_extensions(connection: asyncpg.Connection, names: list[str]) -> list[MissingExtension]:
    """Those of ``names`` that are not there. Raises TargetError."""
    with translate_errors("looking for extensions"):
        rows = await connection.fetch(_QUERIES["extensions"], names)
    return [MissingExtension(row["name"], row["is_available"], row["may_create"]) for row in rows]


async def end_programs(connection: asyncpg.Connection, application_name: str) -> None:
    """End the sessions of a pg_restore that an earlier run left behind. Raises TargetError."""
    with translate_errors("ending the sessions of an earlier pg_restore"):
        while await connection.fetchval(_QUERIES["end_programs"], application_name):
            await connection.fetchval("SELECT pg_sleep($1)", POLL_SECONDS)
