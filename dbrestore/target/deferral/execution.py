"""Takes down and puts back, each time in one transaction with the journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbrestore.errors import DataError, DbrestoreError
from dbrestore.target import journal
from dbrestore.target.connect import transaction, translate_errors
from dbrestore.target.sql import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import asyncpg

    from dbrestore.target.deferral.model import Deferral, Deferred, Step

RELATIONS_AT_A_TIME = 64
"""Tables that one transaction of taking down may lock, unless a single object has more."""
LOCK_TIMEOUT = "30s"
"""How long taking down waits for others to let go of a table."""
MOST_BUILD_BYTES = 1024**3
"""Memory of one index build, unless the server's own setting is more."""
ORPHANS_SHOWN = 10

_QUERIES = load_queries("deferral.sql")


async def take_down(connection: asyncpg.Connection, deferral: Deferral) -> None:
    """Take down all that is deferred, and write to the journal how it goes back.

    It takes several transactions, so that none locks more tables than the server's lock table has room for; after a
    crash the journal has just what was down by then. Raises TargetError.
    """
    for batch in _batches(deferral.objects):
        async with transaction(connection):
            await take_down_in(connection, batch)
            with translate_errors("writing to the journal what is taken down"):
                await journal.record(connection, [step for deferred in batch for step in deferred.steps])


async def take_down_in(connection: asyncpg.Connection, objects: Iterable[Deferred]) -> None:
    """Take objects down in the transaction that is open, which has to write that to the journal. Raises TargetError."""
    await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    for deferred in objects:
        with translate_errors(f"taking down {deferred.identity}"):
            await connection.execute("; ".join(deferred.down))


def _batches(objects: Sequence[Deferred]) -> Iterator[list[Deferred]]:
    batch: list[Deferred] = []
    relations = 0
    for deferred in objects:
        if batch and relations + deferred.relations > RELATIONS_AT_A_TIME:
            yield batch
            batch, relations = [], 0
        batch.append(deferred)
        relations += deferred.relations
    if batch:
        yield batch


async def choose_build_memory(connection: asyncpg.Connection, builds: int, wanted: str | None = None) -> str:
    """What ``builds`` index builds at a time can each have, as maintenance_work_mem takes it: ``wanted``, or a share.

    Raises DbrestoreError if the server does not take it.
    """
    with translate_errors("choosing the memory of index builds"):
        async with transaction(connection):
            memory: str = wanted or await connection.fetchval(_QUERIES["build_memory"], builds, MOST_BUILD_BYTES)
            await connection.execute(_QUERIES["build_settings"], memory)
    return memory


@dataclass(slots=True)
class PuttingBack:
    """Takes the steps of a deferral, and remembers those that rows were in the way of."""

    steps: Mapping[str, Step]
    memory: str
    """maintenance_work_mem of each step: checking a foreign key takes it as well (RI_Initial_Check)."""
    _failures: dict[str, DbrestoreError] = field(default_factory=dict)
    """By the key of the step."""
    _undone: set[str] = field(default_factory=set)

    @property
    def failures(self) -> list[DbrestoreError]:
        """What could not be put back, or not as it was."""
        return list(self._failures.values())

    async def take(self, step: Step, connection: asyncpg.Connection) -> None:
        """Take a step, unless it is taken already or one that it needs could not be taken.

        Rows that are in its way are a failure that is kept; others may still succeed. After a connection was lost it
        can be called again. Raises TargetError.
        """
        lost = self._lost(step.needs)
        if lost is None:
            try:
                await self._run(connection, step, step.statements)
            except DataError as error:
                await self._give_way(connection, step, error)
            return
        self._undone.add(step.key)
        if lost.identity != step.identity:
            self._failures[step.key] = DataError(
                f"{step.identity} stays down: it needs {lost.identity}, which could not be put back",
                hint="Repair the rows that keep that down; `dbrestore abort` then puts back both.",
            )

    def _lost(self, keys: Iterable[str]) -> Step | None:
        """The step, among these and what milestones among them need, that could not be taken."""
        for key in keys:
            if key in self._undone:
                return self.steps[key]
            step = self.steps.get(key)
            if step and not step.statements and (lost := self._lost(step.needs)):
                return lost
        return None

    async def _run(
        self,
        connection: asyncpg.Connection,
        step: Step,
        statements: Sequence[str],
        failure: DbrestoreError | None = None,
    ) -> None:
        with translate_errors(f"putting back {step.identity}"):
            async with transaction(connection):
                if await journal.claim_step(connection, step, failure):
                    await connection.execute(_QUERIES["build_settings"], self.memory)
                    for statement in statements:
                        await connection.execute(statement)

    async def _give_way(self, connection: asyncpg.Connection, step: Step, error: DataError) -> None:
        message = error.message
        if step.orphans is not None:
            message += f"; {await count_orphans(connection, step.identity, step.orphans)}"
        if step.fallback is None:
            self._undone.add(step.key)
            failure = type(error)(
                f"{message}; it stays down", hint="Repair the rows; `dbrestore abort` then puts it back."
            )
        else:
            hint = f"Repair the rows, then {step.validation}."
            failure = type(error)(f"{message}; it is back, but NOT VALID", hint=hint)
        self._failures[step.key] = failure
        if step.fallback is not None:
            await self._run(connection, step, step.fallback, failure)


async def count_orphans(connection: asyncpg.Connection, identity: str, orphans: str) -> str:
    """How many rows break a foreign key, and the first of their keys, for people. Raises TargetError."""
    query = _QUERIES["orphans"].format(orphans=orphans, limit=ORPHANS_SHOWN + 1)
    with translate_errors(f"looking for the rows that break {identity}"):
        found = await connection.fetchrow(query)
    shown = ", ".join(found["keys"][:ORPHANS_SHOWN])
    more = " and more" if len(found["keys"]) > ORPHANS_SHOWN else ""
    return f"rows without a match: {found['total']}, with the keys {shown}{more}"
