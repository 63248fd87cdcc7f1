"""Whole databases of a server: making one, making one like another, and putting it in the other's place."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import asyncpg

from dbrestore.errors import ConnectError, PrivilegeError, TargetError, UsageError
from dbrestore.target.address import named_database
from dbrestore.target.connect import open_pool, transaction, translate_errors
from dbrestore.target.quoting import quote_identifier, quote_literal
from dbrestore.target.sessions import one_session
from dbrestore.target.sql import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from dbrestore.target.connect import ConnectionSettings

MAINTENANCE = ("postgres", "template1")
"""Databases that are there on nearly every server, to connect to for work on others."""
LONGEST_NAME = 63
"""Bytes of a name (NAMEDATALEN)."""
POLL_SECONDS = 0.1
LISTS = {
    "local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries",
    "temp_tablespaces", "unix_socket_directories",
}  # fmt: skip
"""Settings whose value is kept with its quotes (variable_is_guc_list_quote, src/bin/pg_dump/dumputils.c)."""
_QUERIES = load_queries("databases.sql")


def target_name(settings: ConnectionSettings) -> str:
    """The database that the settings name. Raises UsageError if they leave it to a default."""
    name = settings.database or (settings.dsn and named_database(settings.dsn.get_secret_value()))
    if found := name or os.environ.get("PGDATABASE"):
        return found
    raise UsageError("no database is named", hint="Name it at the end of --dsn, or with --db-name.")


@asynccontextmanager
async def maintenance_session(settings: ConnectionSettings) -> AsyncIterator[asyncpg.Connection]:
    """A connection to another database of the target's server. Raises ConnectError."""
    live = settings.database or (settings.dsn and named_database(settings.dsn.get_secret_value()))
    first, *others = (name for name in MAINTENANCE if name != live)
    async with AsyncExitStack() as stack:
        try:
            pool = await stack.enter_async_context(open_pool(replace(settings, database=first), 1))
        except ConnectError:
            if not others:
                raise
            pool = await stack.enter_async_context(open_pool(replace(settings, database=others[0]), 1))
        yield await stack.enter_async_context(one_session(pool))


@dataclass(frozen=True, slots=True)
class Server:
    """The databases of a server, through a connection to one that nothing is done with."""

    connection: asyncpg.Connection

    async def has(self, name: str) -> bool:
        """Whether there is one of this name."""
        with translate_errors("looking for databases"):
            found: bool = await self.connection.fetchval(_QUERIES["exists"], name)
        return found

    async def comment(self, name: str) -> str:
        """The comment on a database; empty if it has none."""
        with translate_errors("looking for databases"):
            return await self.connection.fetchval(_QUERIES["comment"], name) or ""

    async def set_comment(self, name: str, comment: str | None) -> None:
        """Write the comment on a database."""
        with translate_errors(f"commenting on the database {name}"):
            await self.connection.execute(_comment(name, comment))

    async def check_may_create(self) -> None:
        """Raises PrivilegeError if the role may not make databases."""
        with translate_errors("looking for databases"):
            if not await self.connection.fetchval(_QUERIES["may_create"]):
                hint = "ALTER ROLE … CREATEDB, or have an administrator make the database and leave --create out."
                raise PrivilegeError("the role may not create databases", hint=hint)

    async def check_owned(self, name: str) -> None:
        """Raises PrivilegeError if the database is not the role's, or that of a role that it is a member of."""
        with translate_errors("looking for databases"):
            if not await self.connection.fetchval(_QUERIES["is_owned"], name):
                raise PrivilegeError(
                    f"the role does not own the database {name}, and may not rename it",
                    hint="Use the role that owns it, or GRANT that role to this one.",
                )

    async def create(self, name: str, like: str | None = None) -> None:
        """Make an empty database in UTF8 with the server's locale, or with encoding and locale of another one.

        Raises TargetError, or PrivilegeError if the role may not.
        """
        await self.check_may_create()
        with translate_errors(f"creating the database {name}"):
            words = (
                ["ENCODING 'UTF8'"] if like is None else _form(await self.connection.fetchrow(_QUERIES["form"], like))
            )
            await self.connection.execute(
                f"CREATE DATABASE {quote_identifier(name)} TEMPLATE template0 {' '.join(words)}"
            )

    async def drop(self, name: str) -> None:
        """Remove a database that nobody uses. Raises TargetError."""
        with translate_errors(f"dropping the database {name}"):
            await self.connection.execute(f"DROP DATABASE {quote_identifier(name)}")

    async def unused_name(self, name: str) -> str:
        """A name for a database that gives way: the old one and the time."""
        with translate_errors("asking for the time"):
            suffix = f"_old_{await self.connection.fetchval(_QUERIES['now'])}"
        kept = name.encode()[: LONGEST_NAME - len(suffix)].decode(errors="ignore")
        return kept + suffix

    async def carry_over(self, source: str, to: str) -> list[str]:
        """Give a database the owner, privileges, settings and connection limit of another.

        Returns a warning for each of them that the role may not give.
        """
        with translate_errors(f"reading the settings of the database {source}"):
            statements = await self._statements(source, quote_identifier(to))
        warnings = []
        for statement in statements:
            try:
                await self.connection.execute(statement)
            except asyncpg.PostgresError as error:
                warnings.append(f"not carried over from {source}: {statement} ({error})")
        return warnings

    async def _statements(self, source: str, to: str) -> list[str]:
        found = await self.connection.fetchrow(_QUERIES["properties"], source)
        statements = [f"ALTER DATABASE {to} OWNER TO {quote_identifier(found['owner'])}"]
        if found["has_acl"]:
            statements.append(f"REVOKE ALL ON DATABASE {to} FROM PUBLIC")
            statements += [_grant(grant, to) for grant in await self.connection.fetch(_QUERIES["grants"], source)]
        statements += [_setting(row, to) for row in await self.connection.fetch(_QUERIES["settings"], source)]
        if found["connection_limit"] >= 0:
            statements.append(f"ALTER DATABASE {to} CONNECTION LIMIT {found['connection_limit']}")
        return statements


async def swap(settings: ConnectionSettings, live: str, new: str, old: str | None) -> None:
    """Rename ``live`` to ``old`` and ``new`` to ``live``, in one transaction, ending the sessions that use ``live``.

    ``old`` is None where there is no database ``live``. The server lets nobody connect while it waits for the last
    session to end (RenameDatabase, src/backend/commands/dbcommands.c). Raises TargetError; then nothing has changed.
    """
    async with maintenance_session(settings) as connection, maintenance_session(settings) as other:
        renaming = asyncio.create_task(_rename(connection, live, new, old))
        try:
            kept: set[str] = set()
            while old is not None and not renaming.done():
                kept = await _end_sessions(other, live)
                await asyncio.wait([renaming], timeout=POLL_SECONDS)
            await renaming
        except asyncpg.ObjectInUseError as error:
            who = f" of {', '.join(sorted(kept))}" if kept else ""
            hint = "Have them end, or GRANT pg_signal_backend to the role; --resume then puts the new one in its place."
            raise TargetError(f"the database {live} has sessions{who} that the role may not end", hint=hint) from error
        finally:
            renaming.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await renaming


async def _rename(connection: asyncpg.Connection, live: str, new: str, old: str | None) -> None:
    comment = await Server(connection).comment(live) if old else None
    async with transaction(connection):
        if old is not None:
            await connection.execute(f"ALTER DATABASE {quote_identifier(live)} RENAME TO {quote_identifier(old)}")
        await connection.execute(f"ALTER DATABASE {quote_identifier(new)} RENAME TO {quote_identifier(live)}")
        await connection.execute(_comment(live, comment or None))


async def _end_sessions(connection: asyncpg.Connection, name: str) -> set[str]:
    """The roles whose sessions may not be ended."""
    kept = set()
    for session in await connection.fetch(_QUERIES["sessions"], name):
        try:
            await connection.fetchval(_QUERIES["end_session"], session["pid"])
        except asyncpg.InsufficientPrivilegeError:
            kept.add(session["role"])
    return kept


def _comment(name: str, comment: str | None) -> str:
    return f"COMMENT ON DATABASE {quote_identifier(name)} IS {'NULL' if comment is None else quote_literal(comment)}"


def _form(row: asyncpg.Record) -> Iterator[str]:
    """Encoding, locale and tablespace, in the words of CREATE DATABASE."""
    for word, value in (("ENCODING", row["encoding"]), ("LC_COLLATE", row["collate"]), ("LC_CTYPE", row["ctype"])):
        yield f"{word} {quote_literal(value)}"
    providers = {"i": ("icu", "ICU_LOCALE"), "b": ("builtin", "BUILTIN_LOCALE")}
    if row["provider"] in providers:
        provider, word = providers[row["provider"]]
        yield f"LOCALE_PROVIDER {provider} {word} {quote_literal(row['locale'])}"
    if row["tablespace"] != "pg_default":
        yield f"TABLESPACE {quote_identifier(row['tablespace'])}"


def _grant(row: asyncpg.Record, database: str) -> str:
    grantee = "PUBLIC" if row["grantee"] is None else quote_identifier(row["grantee"])
    ending = " WITH GRANT OPTION" if row["is_grantable"] else ""
    return f"GRANT {row['privilege']} ON DATABASE {database} TO {grantee}{ending}"


def _setting(row: asyncpg.Record, database: str) -> str:
    value = row["value"] if row["name"].lower() in LISTS and row["value"] else quote_literal(row["value"])
    name = ".".join(map(quote_identifier, row["name"].split(".")))
    if row["role"] is None:
        return f"ALTER DATABASE {database} SET {name} TO {value}"
    return f"ALTER ROLE {quote_identifier(row['role'])} IN DATABASE {database} SET {name} TO {value}"
