"""Connections to the target, and the one place where asyncpg's errors become ours.

What a connection needs comes from the settings and, for what they leave out, from libpq's environment (PGHOST,
PGPORT, PGUSER, PGPASSWORD, PGDATABASE, ~/.pgpass), which asyncpg reads itself; PGSERVICE it reads too late to heed
(asyncpg 0.31 and 0.32), and TLS has a module of its own.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any
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
from dbrestore.target.address import check_dsn, find_parameters, find_service, rewrite_dsn, shown_hosts
from dbrestore.target.faults import fault_of
from dbrestore.target.hints import hint_of
from dbrestore.target.iam import IamOptions, find_login, open_token_maker
from dbrestore.target.pooler import refuse_transaction_pooler
from dbrestore.target.refusals import explained, hint_for
from dbrestore.target.silence import SERVER_SETTINGS, keep_alive
from dbrestore.target.tls import TlsMode, TlsOptions, find_mode, load_certificate, make_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from typing import TypeAlias

    OnStatement: TypeAlias = Callable[[int, str, float, BaseException | None], None]
    """Is told the server's process, the statement without its parameters, the seconds, and what went wrong."""

    Check: TypeAlias = Callable[[asyncpg.Connection], Awaitable[None]]

    from dbrestore.target.address import Parameters

APPLICATION = "dbrestore"
SESSION_SETTINGS = {
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "row_security": "off",  # a policy that would filter is an error, never fewer rows
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "synchronous_commit": "off",  # make_durable() at the end waits for all of them at once
    **SERVER_SETTINGS,
}
CONNECT_SECONDS = 60.0
"""In which a new connection has to be made: a serverless database may have to wake up first."""

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
GOODBYE_SECONDS = 2.0
LAST_WORDS_SECONDS = 1.0
"""In which a lost connection's own error is waited for."""
WRITTEN_TOO_LATE = "the handler is closed"
"""What uvloop's RuntimeError says of a write to a closed connection."""
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
    tls: TlsOptions = field(default_factory=TlsOptions)
    iam: IamOptions | None = None
    """For a token of AWS IAM in place of a password."""

    @property
    def parameters(self) -> dict[str, str | None]:
        """Those of libpq that are given here rather than in the DSN."""
        port = str(self.port) if self.port else None
        return {"host": self.host, "port": port, "user": self.user, "dbname": self.database, **self.tls.parameters}

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
            except ssl.SSLError:  # some of which are ValueErrors
                raise
            except ValueError as error:
                hint = "Look at --dsn, --db-host and the like, and at PGHOST, PGPORT, PGSSLMODE and the like."
                raise UsageError(f"the connection settings make no sense: {error}", hint=hint) from error
            except KeyError as error:  # getpass.getuser() of a user id without a name, as containers have them
                raise UsageError("no role to connect as is given", hint="Name one with --db-user or PGUSER.") from error
    except ConnectError as error:
        error.hint = hint_for(error.__cause__) or error.hint or CONNECT_HINT
        raise


@asynccontextmanager
async def open_pool(
    settings: ConnectionSettings,
    size: int,
    check: Check | None = None,
    on_statement: OnStatement | None = None,
    *,
    application: str = APPLICATION,
    idle_seconds: float = 0,
) -> AsyncIterator[asyncpg.Pool]:
    """A pool of at most ``size`` connections, with the session settings that a load needs.

    ``check`` looks at each new connection before it is used, and raises what is wrong with it. ``on_statement`` is
    told each statement but COPY when the server has run it. The server shows the connections as ``application``;
    after ``idle_seconds`` without work one is closed, unless that is 0. Raises UsageError where the settings make no
    sense, ConnectError where they lead to no database or to a pooler that keeps no sessions.
    """

    async def prepare(connection: asyncpg.Connection) -> None:
        keep_alive(connection)
        if on_statement:
            _log(connection, on_statement)
        await prepare_session(connection)
        if check:
            await check(connection)

    dsn = settings.dsn.get_secret_value() if settings.dsn else "postgresql://"
    check_dsn(dsn)
    service, in_service = find_service(dsn)
    parameters = find_parameters(dsn, in_service, settings.parameters)
    async with AsyncExitStack() as stack:
        arguments = {
            "dsn": rewrite_dsn(dsn, settings.tls.parameters),
            "service": service,
            "host": settings.host,
            "port": settings.port,
            "user": settings.user,
            "database": settings.database,
            "command_timeout": None,
            "timeout": CONNECT_SECONDS,
            "server_settings": {"application_name": application},
            **await _choose_protection(settings, parameters, stack),
        }
        with _connection_errors(settings, dsn):
            pool = await asyncpg.create_pool(
                **arguments,
                min_size=0,  # or the pool would go on connecting by itself, and talk of what it meets
                max_size=size,
                max_inactive_connection_lifetime=idle_seconds,
                init=prepare,
                reset=_keep,
            )
        try:
            with _connection_errors(settings, dsn):
                async with pool.acquire() as connection:
                    await refuse_transaction_pooler(connection, partial(asyncpg.connect, **arguments))
            yield pool
        except BaseException:
            pool.terminate()
            raise
        else:
            await _close(pool)


async def _choose_protection(
    settings: ConnectionSettings, parameters: Parameters, stack: AsyncExitStack
) -> dict[str, Any]:
    """What asyncpg is told of TLS, and of the password where that is a token. Raises UsageError."""
    mode = find_mode(parameters)
    chosen: dict[str, Any] = {"ssl": mode}
    if settings.iam is not None:
        mode = mode or TlsMode.REQUIRE
        if not mode.is_sure:
            hint = "Take require, or verify-full with --db-sslrootcert."
            raise UsageError(f"--db-iam-auth needs TLS, and sslmode is {mode}", hint=hint)
        chosen["password"] = await stack.enter_async_context(open_token_maker(settings.iam, find_login(parameters)))
    if mode and mode.is_sure:
        chosen["ssl"] = make_context(mode, parameters)
    elif mode is not TlsMode.DISABLE:
        load_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), parameters)  # asyncpg's errors would not name it
    return chosen


async def prepare_session(connection: asyncpg.Connection) -> None:
    """Set what a load relies on. Not as startup parameters, of which a pooler takes few."""
    await connection.execute("; ".join(f"SET {name} = '{value}'" for name, value in SESSION_SETTINGS.items()))


async def _close(pool: asyncpg.Pool) -> None:
    """Say goodbye to the server, if it is there."""
    try:
        async with asyncio.timeout(GOODBYE_SECONDS):
            await pool.close()
    except FOREIGN_ERRORS:
        pool.terminate()


def _log(connection: asyncpg.Connection, on_statement: OnStatement) -> None:
    pid = connection.get_server_pid()

    def log(query: Any) -> None:
        on_statement(pid, query.query, query.elapsed, query.exception)

    connection.add_query_logger(log)


async def _keep(_: asyncpg.Connection) -> None:
    """Nothing is to be reset when a connection goes back to the pool: all that we set, we set for a transaction."""


@asynccontextmanager
async def transaction(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Commit at the end of the block, or roll back and raise what ended it, even if the connection is lost by then."""
    begun = connection.transaction()
    try:
        with lost_writes():
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
        with lost_writes():
            async with asyncio.timeout(ROLLBACK_SECONDS):
                await begun.rollback()
    except FOREIGN_ERRORS:
        cut(connection)


@contextmanager
def lost_writes() -> Iterator[None]:
    """Tell as asyncpg does of a lost connection that asyncpg did not know to be lost when it wrote to it."""
    try:
        yield
    except RuntimeError as error:
        if WRITTEN_TOO_LATE not in str(error):
            raise
        raise asyncpg.ConnectionDoesNotExistError("the connection was lost") from error


def cut(connection: asyncpg.Connection) -> None:
    """Close a connection without a word to the server; nothing happens if it is lost already."""
    with suppress(asyncpg.InterfaceError):  # a lost connection is the pool's again
        connection.terminate()


@asynccontextmanager
async def while_connected(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """End a COPY when its connection is lost.

    asyncpg 0.32 waits forever for room in the socket, or for the source, where nobody listens any more.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as scope:
            with (
                lost_writes(),
                on_loss(connection, lambda: scope.reschedule(loop.time() + LAST_WORDS_SECONDS)),
            ):
                yield
    except TimeoutError:
        if scope.expired():
            raise asyncpg.ConnectionDoesNotExistError("the connection was lost in the middle of a COPY") from None
        raise


@contextmanager
def on_loss(connection: asyncpg.Connection, act: Callable[[], object]) -> Iterator[None]:
    """Call ``act`` when the connection ends within the block."""
    is_over = False

    def listen(_: asyncpg.Connection) -> None:
        if not is_over:
            act()

    connection.add_termination_listener(listen)
    try:
        yield
    finally:
        is_over = True
        with suppress(asyncpg.InterfaceError):  # a lost connection is the pool's again
            connection.remove_termination_listener(listen)


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
    while isinstance(error, asyncpg.InterfaceError) and isinstance(error.__context__, FOREIGN_ERRORS):
        error = error.__context__  # asyncpg met it when it was about to roll back what that had ended
    kind = next(ours for foreign, ours in _CLASSES if isinstance(error, foreign))
    text = getattr(error, "message", None) or explained(error) or str(error) or type(error).__name__
    detail = getattr(error, "detail", None)
    shown = f"{_cut(text)} ({_cut(detail)})" if detail else _cut(text)
    return kind(f"{doing}: {shown}", hint=hint_of(error), fault=fault_of(error))


def _cut(text: str) -> str:
    return text if len(text) <= MESSAGE_SHOWN else f"{text[:MESSAGE_SHOWN]}…"
