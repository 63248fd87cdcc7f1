"""The journal: the schema ``dbrestore`` in the target, which has what is down until it is back.

What is taken down is written to it by the transaction that takes it down, and what is put back by the one that puts
it back: it is right after any crash.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from dbrestore.errors import ConcurrentRunError, DbrestoreError, PrivilegeError, TargetError, UnfinishedRunError
from dbrestore.target.connect import transaction, translate_errors
from dbrestore.target.deferral.model import Step
from dbrestore.target.sql import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    import asyncpg

SCHEMA = "dbrestore"
ABORT_HINT = "`dbrestore abort` puts back what it took down, and keeps the rows."
LOCK_KEY = int.from_bytes(b"dbrestor")
"""Of the advisory lock that keeps two runs on one database apart."""

_QUERIES = load_queries("journal.sql")
_COLUMNS = [field.name for field in fields(Step)]


@dataclass(frozen=True, slots=True)
class Journal:
    """What the target says of an earlier run, and whether there can be a new one."""

    problem: DbrestoreError | None = None
    """What is in the way of a new run."""
    obstacle: DbrestoreError | None = None
    """Why a new run could not keep a journal."""


async def find_journal(connection: asyncpg.Connection) -> Journal:
    """Look for the journal of an earlier run. Raises TargetError."""
    with translate_errors("looking for an unfinished restore"):
        state = await connection.fetchrow(_QUERIES["state"])
        if not state["has_schema"]:
            return Journal(obstacle=None if state["may_create"] else _no_privilege())
        if not state["is_owned"]:
            return Journal(PrivilegeError(f"the schema {SCHEMA} of the target belongs to another role"))
        if not state["is_ours"]:
            hint = "Rename or drop it: dbrestore keeps its journal in a schema of this name."
            return Journal(TargetError(f"the target has a schema {SCHEMA} that is no journal", hint=hint))
        run = await connection.fetchrow(_QUERIES["run"])
    return Journal(_unfinished(run))


async def refuse_unfinished(connection: asyncpg.Connection) -> None:
    """Raise TargetError if there is the journal of an earlier run, or something else where it has to be."""
    found = await find_journal(connection)
    if found.problem:
        raise found.problem


def _no_privilege() -> DbrestoreError:
    return PrivilegeError(
        f"the role may not create the schema {SCHEMA}, in which what is taken down is recorded",
        hint="GRANT CREATE ON DATABASE … to the role, for the time of the restore.",
    )


def _unfinished(run: asyncpg.Record | None) -> DbrestoreError:
    if run is None:
        return UnfinishedRunError("a restore that hardly began is unfinished", hint=ABORT_HINT)
    return UnfinishedRunError(
        f"the restore of {run['export_id']} that began {run['started_at']:%Y-%m-%d %H:%M} UTC is unfinished, "
        f"{run['down']} keys, indexes or triggers are down",
        hint=ABORT_HINT,
    )


async def begin(connection: asyncpg.Connection, export_id: str, milestones: Iterable[Step]) -> None:
    """Make the journal of a run."""
    with translate_errors(f"making the journal in the schema {SCHEMA}"):
        async with transaction(connection):
            await connection.execute(_QUERIES["create"])
            await connection.execute(_QUERIES["begin"], export_id)
            await record(connection, milestones)


async def record(connection: asyncpg.Connection, steps: Iterable[Step]) -> None:
    """Write down the steps that put back what this transaction takes down."""
    await connection.copy_records_to_table(
        "deferred",
        schema_name=SCHEMA,
        columns=[*_COLUMNS, "is_down"],
        records=[(*(getattr(step, name) for name in _COLUMNS), bool(step.statements)) for step in steps],
    )


async def mark_done(connection: asyncpg.Connection, step: Step) -> None:
    """Write down that this transaction takes a step."""
    await connection.execute(_QUERIES["put_back"], step.key)


async def read_steps(connection: asyncpg.Connection) -> list[Step] | None:
    """The milestones, and the steps that are not taken yet; None where there is no journal. Raises TargetError."""
    found = await find_journal(connection)
    if found.problem is None:
        return None
    if not isinstance(found.problem, UnfinishedRunError):
        raise found.problem
    with translate_errors("reading the journal"):
        rows = await connection.fetch(_QUERIES["steps"])
    return [_step(row) for row in rows]


def _step(row: asyncpg.Record) -> Step:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    return Step(**values)


async def finish(connection: asyncpg.Connection) -> None:
    """Remove the journal, unless something is still down."""
    with translate_errors("removing the journal"):
        async with transaction(connection):
            if not await connection.fetchval(_QUERIES["is_down"]):
                await connection.execute(_QUERIES["drop"])


@asynccontextmanager
async def only_run(pool: asyncpg.Pool) -> AsyncIterator[None]:
    """Keep other runs off the database for the time of the block, with a connection of its own that holds a lock.

    Raises ConcurrentRunError if there is one.
    """
    with translate_errors("keeping other runs off the target"):
        async with pool.acquire() as connection:
            if not await connection.fetchval(_QUERIES["lock"], LOCK_KEY):
                raise ConcurrentRunError("another run of dbrestore is working on this database")
            await connection.execute(_QUERIES["stay_idle"])
            yield
