"""Connections to the target, and the one place where asyncpg's errors become ours.

What a connection needs comes from the settings and, for what they leave out, from libpq's environment (PGHOST,
PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE, ~/.pgpass), which asyncpg reads itself; PGSERVICE it reads too late
to heed (asyncpg 0.31 and 0.32).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

import asyncpg
from pydantic import SecretStr

from dbrestore.errors import (
    ConnectError,
    ConstraintError,
    DataError,
    DbrestoreError,
    InvalidValueError,
    PrivilegeError,
    SchemaError,
    TargetError,
    UsageError,
)
from dbrestore.target.address import check_dsn, find_service, shown_hosts
from dbrestore.target.hints import hint_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from typing import Any, TypeAlias

    OnStatement: TypeAlias = Callable[[int, str, float, BaseException | None], None]
    """Is told the server's process, the statement without its parameters, the seconds, and what went wrong."""

SESSION_SETTINGS = {
    "application_name": "dbrestore",
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "row_security": "off",  # a policy that would filter is an error, never fewer rows
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "synchronous_commit": "off",  # make_durable() at the end waits for all of them at once
}

_CLASSES: tuple[tuple[type[Exception], type[DbrestoreError]], ...] = (
    (asyncpg.IntegrityConstraintViolationError, ConstraintError),
    (asyncpg.DataError, InvalidValueError),
    (asyncpg.RaiseError, DataError),  # a trigger that refuses a row
    (asyncpg.InsufficientPrivilegeError, PrivilegeError),
    (asyncpg.SyntaxOrAccessError, SchemaError),
    (asyncpg.InvalidAuthorizationSpecificationError, ConnectError),
    (asyncpg.InvalidCatalogNameError, ConnectError),
    (asyncpg.PostgresConnectionError, ConnectError),
    (asyncpg.TooManyConnectionsError, ConnectError),
    (asyncpg.PostgresError, TargetError),
    (asyncpg.InterfaceError, ConnectError),
    (asyncpg.InternalClientError, ConnectError),  # a statement on a connection that was lost during the one before
    (OSError, ConnectError),
    (TimeoutError, ConnectError),
)
FOREIGN_ERRORS = tuple(foreign for foreign, _ in _CLASSES)
"""What asyncpg raises."""

PLACEHOLDER = "{database}"
"""Stands in a DSN or a database's name for the name that the database has in the export."""

CONNECT_HINT = (
    "Does the server run, and can it be reached from here (host, port, firewall, security group)? --dsn or "
    "--db-host and the like say where it is, else PGHOST and the like."
)
ROLLBACK_SECONDS = 2.0
MESSAGE_SHOWN = 500
"""Characters of a message or detail of the server: some of them hold a whole value."""


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Where the target is; None leaves a thing to the DSN, then to libpq's environment, then to its defaults."""

    dsn: SecretStr | None = None
    host: str | None = None
    port: int | None = None
    user: str | None = None
    database: str | None = None

    @property
    def has_placeholder(self) -> bool:
        """Whether the DSN or the database is a template, with ``{database}`` in it."""
        return PLACEHOLDER in (self.database or "") or PLACEHOLDER in (self.dsn.get_secret_value() if self.dsn else "")

    def of_database(self, name: str) -> ConnectionSettings:
        """The settings with ``name`` where a template leaves it open."""
        dsn = SecretStr(self.dsn.get_secret_value().replace(PLACEHOLDER, quote(name, safe=""))) if self.dsn else None
        database = self.database.replace(PLACEHOLDER, name) if self.database else None
        return replace(self, dsn=dsn, database=database)


@contextmanager
def _connection_errors(settings: ConnectionSettings, dsn: str) -> Iterator[None]:
    host = settings.host or shown_hosts(dsn)
    try:
        with translate_errors(f"connecting to the target{f' at {host}' if host else ''}"):
            try:
                yield
            except ValueError as error:
                hint = "Look at --dsn, --db-host and the like, and at PGHOST, PGPORT, PGSSLMODE and the like."
                raise UsageError(f"the connection settings make no sense: {error}", hint=hint) from error
            except KeyError as error:  # getpass.getuser() of a user id without a name, as containers have them
                raise UsageError("no role to connect as is given", hint="Name one with --db-user or PGUSER.") from error
    except ConnectError as error:
        error.hint = error.hint or CONNECT_HINT
        raise


@asynccontextmanager
async def open_pool(
    settings: ConnectionSettings, size: int, on_statement: OnStatement | None = None
) -> AsyncIterator[asyncpg.Pool]:
    """A pool of at most ``size`` connections, with the session settings that a load needs.

    ``on_statement`` is told each statement but COPY when the server has run it.
    Raises UsageError where the settings make no sense, ConnectError where they lead to no database.
    """
    dsn = settings.dsn.get_secret_value() if settings.dsn else "postgresql://"
    check_dsn(dsn)
    with _connection_errors(settings, dsn):
        pool = await asyncpg.create_pool(
            dsn,
            service=find_service(dsn),
            host=settings.host,
            port=settings.port,
            user=settings.user,
            database=settings.database,
            min_size=1,
            max_size=size,
            max_inactive_connection_lifetime=0,
            command_timeout=None,
            reset=_keep,
            init=_logging(on_statement) if on_statement else None,
            server_settings=SESSION_SETTINGS,
        )
    try:
        yield pool
    except BaseException:
        pool.terminate()
        raise
    else:
        await pool.close()


def _logging(on_statement: OnStatement) -> Callable[[asyncpg.Connection], Awaitable[None]]:
    async def init(connection: asyncpg.Connection) -> None:
        pid = connection.get_server_pid()

        def log(query: Any) -> None:
            on_statement(pid, query.query, query.elapsed, query.exception)

        connection.add_query_logger(log)

    return init


async def _keep(_: asyncpg.Connection) -> None:
    """Nothing is to be reset when a connection goes back to the pool: all that we set, we set for a transaction."""


@asynccontextmanager
async def transaction(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Commit at the end of the block, or roll back and raise what ended it, even if the connection is lost by then."""
    begun = connection.transaction()
    try:
        await begun.start()
        yield
        await begun.commit()
    except BaseException:
        await _roll_back(connection, begun)
        raise


async def _roll_back(connection: asyncpg.Connection, begun: asyncpg.transaction.Transaction) -> None:
    """Roll back, or cut the connection, at which the server does.

    asyncpg 0.32 waits forever for the end of a COPY whose source fails, or is cancelled, after the server has already
    refused a row of it.
    """
    try:
        async with asyncio.timeout(ROLLBACK_SECONDS):
            await begun.rollback()
    except FOREIGN_ERRORS:
        cut(connection)


def cut(connection: asyncpg.Connection) -> None:
    """Close a connection without a word to the server; nothing happens if it is lost already."""
    with suppress(asyncpg.InterfaceError):  # a lost connection is the pool's again
        connection.terminate()


async def make_durable(connection: asyncpg.Connection) -> None:
    """Wait until every commit before this one is on disk, whichever session made it: WAL is flushed in order."""
    with translate_errors("flushing the target's write-ahead log"):
        async with connection.transaction():
            await connection.execute("SET LOCAL synchronous_commit = on")
            # A commit waits only if its transaction wrote something (RecordTransactionCommit, src/backend/access/
            # transam/xact.c): here, a message to whoever decodes the log.
            await connection.execute("SELECT pg_logical_emit_message(true, 'dbrestore', '')")


@contextmanager
def translate_errors(doing: str) -> Iterator[None]:
    """Raise what asyncpg raises as a TargetError or DataError that says what was going on."""
    try:
        yield
    except FOREIGN_ERRORS as error:
        raise translated(error, doing) from error


def translated(error: Exception, doing: str) -> DbrestoreError:
    """The error of dbrestore that an error of asyncpg is, with the server's own message, detail and hint."""
    kind = next(ours for foreign, ours in _CLASSES if isinstance(error, foreign))
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    detail = getattr(error, "detail", None)
    shown = f"{_cut(text)} ({_cut(detail)})" if detail else _cut(text)
    return kind(f"{doing}: {shown}", hint=hint_of(error))


def _cut(text: str) -> str:
    return text if len(text) <= MESSAGE_SHOWN else f"{text[:MESSAGE_SHOWN]}…"
