"""The journal: the schema ``dbrestore`` in the target, which has what a run is to do and what of it is done.

What a transaction does to the target, it also writes to the journal: a part is marked as loaded by the transaction of
its COPY, what comes down is recorded by the one that takes it down, and what is back by the one that puts it back. So
the journal is right after any crash, and whatever it says is done is done once.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from dbrestore.errors import (
    ConstraintError,
    DbrestoreError,
    PrivilegeError,
    TargetError,
    UnfinishedRunError,
)
from dbrestore.target.connect import transaction, translate_errors, while_connected
from dbrestore.target.deferral.model import Step
from dbrestore.target.lock import is_held
from dbrestore.target.recorded import Phase, RecordedPart, RecordedRun, RecordedTable, Summary
from dbrestore.target.sql import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

SCHEMA = "dbrestore"
ABORT_HINT = "`dbrestore abort` puts back what it took down, and keeps the rows."
UNFINISHED_HINT = f"--resume goes on with it; --restart empties what it loaded and begins anew; {ABORT_HINT}"
OTHER_ROLE_HINT = (
    "That role began a restore: let it go on (--resume) or end it (`dbrestore abort`). \\dn in psql names it."
)

_QUERIES = load_queries("journal.sql")
_COLUMNS = [field.name for field in fields(Step)]


@dataclass(frozen=True, slots=True)
class Journal:
    """What the target says of an earlier run, and whether there can be a new one."""

    problem: DbrestoreError | None = None
    """What is in the way of a new run."""
    obstacle: DbrestoreError | None = None
    """Why a new run could not keep a journal."""

    @property
    def is_unfinished(self) -> bool:
        """Whether there is the journal of an earlier run."""
        return isinstance(self.problem, UnfinishedRunError)


async def find_journal(connection: asyncpg.Connection) -> Journal:
    """Look for the journal of an earlier run. Raises TargetError."""
    with translate_errors("looking for an unfinished restore"):
        state = await connection.fetchrow(_QUERIES["state"])
        if not state["has_schema"]:
            return Journal(obstacle=None if state["may_create"] else _no_privilege())
        if not state["is_owned"]:
            message = f"the schema {SCHEMA} of the target belongs to another role"
            return Journal(PrivilegeError(message, hint=OTHER_ROLE_HINT))
        if state["is_begun_schema"]:
            return Journal()
        if not state["is_ours"]:
            hint = "Rename or drop it: dbrestore keeps its journal in a schema of this name."
            return Journal(TargetError(f"the target has a schema {SCHEMA} that is no journal", hint=hint))
        return Journal(_unfinished(await _summarize(connection)))


async def read_summary(connection: asyncpg.Connection) -> Summary | None:
    """How far an unfinished run is; None if there is none. Raises TargetError."""
    if not await _is_unfinished(connection):
        return None
    with translate_errors("reading the journal"):
        return await _summarize(connection)


async def _summarize(connection: asyncpg.Connection) -> Summary:
    row = await connection.fetchrow(_QUERIES["summary"])
    is_running = await is_held(connection)
    return Summary(**{**row, "phase": Phase(row["phase"]), "down": tuple(row["down"])}, is_running=is_running)


async def _is_unfinished(connection: asyncpg.Connection) -> bool:
    found = await find_journal(connection)
    if found.problem and not found.is_unfinished:
        raise found.problem
    return found.is_unfinished


def _no_privilege() -> DbrestoreError:
    return PrivilegeError(
        f"the role may not create the schema {SCHEMA}, in which what is taken down is recorded",
        hint="GRANT CREATE ON DATABASE … to the role, for the time of the restore.",
    )


def _unfinished(run: Summary) -> UnfinishedRunError:
    return UnfinishedRunError(
        f"the restore of {run.export_id} that began {run.started_at:%Y-%m-%d %H:%M} UTC is unfinished, "
        f"{len(run.down)} keys, indexes or triggers are down, "
        f"{run.parts_loaded:,} of {run.parts:,} parts are loaded",
        hint=UNFINISHED_HINT,
    )


async def begin(connection: asyncpg.Connection, run: RecordedRun, milestones: Iterable[Step]) -> None:
    """Make the journal of a run. Raises TargetError."""
    with translate_errors(f"making the journal in the schema {SCHEMA}"):
        async with transaction(connection):
            await connection.execute(_QUERIES["create"])
            settings, skipped = json.dumps(run.settings), sorted(run.skipped)
            await connection.execute(
                _QUERIES["begin"], run.export_id, run.source_database, settings, skipped, run.phase.value
            )
            tables = [
                (table.oid, table.name, table.columns, table.copy_format, table.rows_before) for table in run.tables
            ]
            parts = (
                (part.key, table.oid, part.size, part.version, part.rows, False)
                for table in run.tables
                for part in table.parts
            )
            async with while_connected(connection):
                await connection.copy_records_to_table("loaded_table", schema_name=SCHEMA, records=tables)
                await connection.copy_records_to_table("part", schema_name=SCHEMA, records=parts)
            await record(connection, milestones)


async def enter(connection: asyncpg.Connection, phase: Phase) -> None:
    """Write down what the run does from now on. Raises TargetError."""
    with translate_errors("writing to the journal"):
        await connection.execute(_QUERIES["enter"], phase.value)


async def claim_parts(connection: asyncpg.Connection, keys: Sequence[str]) -> set[str]:
    """Mark parts as loaded by this transaction; return those that were not loaded yet, which it has to load.

    It comes before the COPY. Where an earlier transaction was cut off while it committed the same parts, this waits
    until the server knows how that ended: a load can be run again without asking.
    """
    return {row["key"] for row in await connection.fetch(_QUERIES["claim_parts"], keys)}


async def record(connection: asyncpg.Connection, steps: Iterable[Step]) -> None:
    """Write down the steps that put back what this transaction takes down."""
    async with while_connected(connection):
        await connection.copy_records_to_table(
            "deferred",
            schema_name=SCHEMA,
            columns=[*_COLUMNS, "is_down"],
            records=[(*(getattr(step, name) for name in _COLUMNS), bool(step.statements)) for step in steps],
        )


async def claim_step(connection: asyncpg.Connection, step: Step, failure: DbrestoreError | None = None) -> bool:
    """Write down that this transaction takes a step; False if that is done already, by a transaction like this.

    ``failure`` says what was in the way, where the step's fallback is what is done.
    """
    message, hint = (failure.message, failure.hint) if failure else (None, None)
    return await connection.fetchval(_QUERIES["claim_step"], step.key, message, hint) is not None


async def read_run(connection: asyncpg.Connection) -> RecordedRun | None:
    """The unfinished run, when all that its server processes were doing has ended; None if there is none.

    To be called under the lock of ``lock.only_run``: whoever else writes to the journal has lost its client. Raises
    TargetError.
    """
    if not await _is_unfinished(connection):
        return None
    with translate_errors("reading the journal"):
        await connection.execute(_QUERIES["end_writers"])
        async with transaction(connection):
            await connection.execute(_QUERIES["wait_for_writers"])
            run = await connection.fetchrow(_QUERIES["run"])
            tables = await connection.fetch(_QUERIES["tables"])
            parts: dict[int, list[RecordedPart]] = defaultdict(list)
            for table_oid, *values in await connection.fetch(_QUERIES["parts"]):
                parts[table_oid].append(RecordedPart(*values))
    return RecordedRun(
        run["export_id"],
        run["source_database"],
        json.loads(run["settings"]),
        tuple(_table(row, parts[row["oid"]]) for row in tables),
        frozenset(run["skipped"]),
        Phase(run["phase"]),
    )


def _table(row: asyncpg.Record, parts: Iterable[RecordedPart]) -> RecordedTable:
    return RecordedTable(
        row["oid"], row["name"], tuple(row["columns"]), row["copy_format"], tuple(parts), row["rows_before"]
    )


async def read_steps(connection: asyncpg.Connection) -> list[Step]:
    """The milestones, and the steps that are not taken yet. Raises TargetError."""
    with translate_errors("reading the journal"):
        rows = await connection.fetch(_QUERIES["steps"])
    return [_step(row) for row in rows]


async def read_failures(connection: asyncpg.Connection) -> list[DbrestoreError]:
    """What was in the way of steps that are taken in another way than they should. Raises TargetError."""
    with translate_errors("reading the journal"):
        rows = await connection.fetch(_QUERIES["failures"])
    return [ConstraintError(row["failure"], hint=row["failure_hint"]) for row in rows]


def _step(row: asyncpg.Record) -> Step:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    return Step(**values)


async def finish(connection: asyncpg.Connection, *, keeps_schema: bool = False) -> None:
    """Remove the journal, unless there is none any more, or something is still down.

    ``keeps_schema`` but for what it says of an archive.
    """
    with translate_errors("removing the journal"):
        async with transaction(connection):
            state = await connection.fetchrow(_QUERIES["state"])
            if state["is_ours"] and not await connection.fetchval(_QUERIES["is_down"]):
                keeps_schema = keeps_schema and await connection.fetchval(_QUERIES["has_begun_schema"])
                await connection.execute(_QUERIES["drop_run" if keeps_schema else "drop"])
