"""Triggers, which must not fire during a load and be afterwards as they were.

COPY FROM fires the triggers of INSERT of the table that it names and, of a partitioned one, the row triggers of the
partitions that rows go to; it passes rules by (PostgreSQL documentation, COPY, "Notes"). Foreign keys are triggers as
well, which only a superuser can switch off.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from dbrestore.target.catalog import catalog_snapshot
from dbrestore.target.descent import read_children, with_descendants
from dbrestore.target.quoting import qualified, quote_identifier
from dbrestore.target.sql import load_queries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    import asyncpg


class TriggerState(Enum):
    """pg_trigger.tgenabled: in which sessions it fires, by their session_replication_role."""

    ORIGIN = "O"
    DISABLED = "D"
    REPLICA = "R"
    ALWAYS = "A"


_ENABLING = {
    TriggerState.ORIGIN: "ENABLE",
    TriggerState.REPLICA: "ENABLE REPLICA",
    TriggerState.ALWAYS: "ENABLE ALWAYS",
}


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger of INSERT or TRUNCATE; what a partition has of its parent's is one of its own, with its own state."""

    table_oid: int
    schema: str
    table: str
    name: str
    state: TriggerState
    is_owned: bool
    """The role owns the table, and so may change the trigger's state."""

    @property
    def identity(self) -> str:
        """Its name for people, which no other trigger has."""
        return f"trigger {self.name} on {self.schema}.{self.table}"


@dataclass(frozen=True, slots=True)
class EventTrigger:
    """A trigger that fires when tables and indexes are changed."""

    name: str
    event: str
    function: str


@dataclass(frozen=True, slots=True)
class TriggerSuspension:
    """How a trigger is switched off and back to the state that it had."""

    identity: str
    table_oid: int
    down: tuple[str, ...]
    up: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Triggers:
    """What may run while tables are changed and loaded."""

    of_tables: tuple[Trigger, ...]
    of_events: tuple[EventTrigger, ...]


async def read_triggers(connection: asyncpg.Connection, tables: Collection[int]) -> Triggers:
    """The triggers that a load of ``tables`` (oids) would fire, with those of their partitions. Raises TargetError."""
    queries = load_queries("triggers.sql")
    async with catalog_snapshot(connection):
        loaded = with_descendants(tables, await read_children(connection))
        of_tables = await connection.fetch(queries["triggers"], list(loaded))
        of_events = await connection.fetch(queries["event_triggers"])
    return Triggers(
        tuple(Trigger(**{**row, "state": TriggerState(row["state"])}) for row in of_tables),
        tuple(EventTrigger(**row) for row in of_events),
    )


def plan_suspensions(triggers: Iterable[Trigger]) -> tuple[TriggerSuspension, ...]:
    """What switches off all triggers that are on and whose tables the role owns; in any order, each for itself."""
    return tuple(
        TriggerSuspension(
            identity=trigger.identity,
            table_oid=trigger.table_oid,
            down=(_statement(trigger, "DISABLE"),),
            up=(_statement(trigger, _ENABLING[trigger.state]),),
        )
        for trigger in triggers
        if trigger.is_owned and trigger.state in _ENABLING
    )


def _statement(trigger: Trigger, action: str) -> str:
    # ONLY: the same trigger of a partition may be in another state.
    table = qualified(trigger.schema, trigger.table)
    return f"ALTER TABLE ONLY {table} {action} TRIGGER {quote_identifier(trigger.name)}"


def trigger_warnings(triggers: Triggers) -> Iterator[str]:
    """What will run nevertheless, for people."""
    for trigger in triggers.of_tables:
        if not trigger.is_owned and trigger.state in {TriggerState.ORIGIN, TriggerState.ALWAYS}:
            yield f"{trigger.identity} will fire: only the owner of the table can switch it off"
    for event in triggers.of_events:
        when = f"on {event.event}, also when tables are changed for the load"
        yield f"event trigger {event.name} calls {event.function}() {when}"
