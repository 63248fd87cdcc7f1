"""Indexes that stay in place while small tables are loaded, unless something is in the way of that.

What is in the way may be a row that an index refuses. Then the indexes come down after all: the rows are loaded, and
putting the indexes back finds what is wrong with them, as it does with those of any other table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

from dbrestore.target import journal
from dbrestore.target.connect import transaction, translate_errors
from dbrestore.target.deferral.execution import take_down_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbrestore.target.deferral.model import Deferred, Step


@dataclass(slots=True)
class Sparing:
    """What of the spared still stays in place, and what came down after all."""

    standing: dict[int, Deferred]
    """By the oid of the table."""
    steps: list[Step] = field(default_factory=list)
    """How what came down goes back."""

    @classmethod
    def of(cls, spared: Iterable[Deferred]) -> Sparing:
        """All of it stands."""
        return cls({deferred.table_oid: deferred for deferred in spared})

    async def give_way(self, connection: asyncpg.Connection, oids: Iterable[int]) -> bool:
        """Take down what stands on these tables, and write to the journal how it goes back; False if nothing does.

        After a connection was lost it can be called again. Raises TargetError.
        """
        found = [self.standing[oid] for oid in oids if oid in self.standing]
        for deferred in found:
            await _take_down(connection, deferred)
            self.steps += deferred.steps
            del self.standing[deferred.table_oid]
        return bool(found)


async def _take_down(connection: asyncpg.Connection, deferred: Deferred) -> None:
    """In the journal first: it would refuse what it has already, from a commit whose answer was lost."""
    with translate_errors(f"taking down {deferred.identity}"):
        try:
            async with transaction(connection):
                await journal.record(connection, deferred.steps)
                await take_down_in(connection, [deferred])
        except asyncpg.UniqueViolationError:
            return
