"""ANALYZE and VACUUM, after which the planner knows what was loaded.

VACUUM marks a page as visible to all, or frozen, only when the commits of its rows are on disk: what was loaded with
synchronous_commit off has to be made durable before.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from dbrestore.target.catalog import TableKind
from dbrestore.target.connect import translate_errors
from dbrestore.target.descent import with_descendants
from dbrestore.target.faults import fault_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from dbrestore.target.catalog import Table
    from dbrestore.target.views import MaterializedView

ANALYZE_ONLY_VERSION = 180000
"""The first version whose ANALYZE of a partitioned table can leave the partitions alone."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What a table or materialized view needs, which cannot run in a transaction block."""

    oid: int
    dotted: str
    """It, as people call it."""
    verb: str
    """The command as far as the name."""
    sql: str
    """The name in SQL."""
    after: frozenset[int] = frozenset()
    """The oids of those that come before."""

    @property
    def command(self) -> str:
        """For it alone."""
        return f"{self.verb} {self.sql}"


def plan_maintenance(
    tables: Sequence[Table],
    loaded: Collection[int],
    *,
    server_version: int,
    analyze: bool = True,
    vacuum: Collection[int] = (),
    views: Iterable[MaterializedView] = (),
) -> tuple[Maintenance, ...]:
    """A command for each table that was loaded, for its partitions, and for the partitioned tables that it is in.

    Args:
        tables: all of the target.
        loaded: the oids of those that were loaded.
        server_version: as server_version_num.
        analyze: collect statistics.
        vacuum: the oids of the tables to be vacuumed and frozen.
        views: those that were refreshed.
    """
    children = _children(tables)
    concerned = with_descendants(_with_ancestors(loaded, tables), children)
    frozen = with_descendants(vacuum, children)
    verbs = {
        table: verb
        for table in tables
        if table.oid in concerned
        and (verb := _verb(table, server_version, analyze=analyze, freeze=table.oid in frozen))
    }
    planned = {table.oid for table in verbs}
    return (
        *(
            Maintenance(table.oid, table.dotted, verb, table.sql, _below(table.oid, children) & planned)
            for table, verb in verbs.items()
        ),
        *(Maintenance(view.oid, view.dotted, "ANALYZE", view.sql) for view in views if analyze),
    )


def _children(tables: Iterable[Table]) -> Mapping[int, Sequence[int]]:
    children: dict[int, list[int]] = defaultdict(list)
    for table in tables:
        if table.parent is not None:
            children[table.parent].append(table.oid)
    return children


def _with_ancestors(oids: Iterable[int], tables: Iterable[Table]) -> set[int]:
    return with_descendants(oids, {table.oid: [table.parent] for table in tables if table.parent is not None})


def _below(oid: int, children: Mapping[int, Sequence[int]]) -> frozenset[int]:
    return frozenset(with_descendants(children.get(oid, ()), children))


def _verb(table: Table, server_version: int, *, analyze: bool, freeze: bool) -> str:
    """What a table needs; empty if nothing, or if the command for its partitioned table does it."""
    can_leave_alone = server_version >= ANALYZE_ONLY_VERSION
    if table.kind is TableKind.PARTITIONED:
        if not analyze or (table.parent is not None and not can_leave_alone):
            return ""
        return "ANALYZE ONLY" if can_leave_alone else "ANALYZE"
    analyze = analyze and (table.parent is None or can_leave_alone)
    if table.kind is TableKind.FOREIGN or not (analyze or freeze):
        return ""
    if freeze:
        return "VACUUM (FREEZE, ANALYZE)" if analyze else "VACUUM (FREEZE)"
    return "ANALYZE"


async def maintain(connection: asyncpg.Connection, crowd: Sequence[Maintenance]) -> list[str]:
    """Do what all of ``crowd`` need, which has to be the same; return what the server warned of: a role that may not.

    Nothing that was loaded depends on it, so that its failure is a warning as well. Raises TargetError for a fault
    that may pass.
    """
    command = f"{crowd[0].verb} {', '.join(entry.sql for entry in crowd)}"
    warnings: list[str] = []
    with translate_errors(command), _listening(connection, warnings):
        try:
            await connection.execute(command)
        except asyncpg.PostgresError as error:
            if fault_of(error):
                raise
            warnings.append(error.message)
    if warnings and len(crowd) > 1:  # which of them it is about, and what became of the others, each will say by itself
        return [warning for entry in crowd for warning in await maintain(connection, [entry])]
    return [f"{command}: {warning}" for warning in warnings]


@contextmanager
def _listening(connection: asyncpg.Connection, warnings: list[str]) -> Iterator[None]:
    """Collect the warnings that the server sends: it passes over a table that the role may not analyze."""

    def listen(_: asyncpg.Connection, message: asyncpg.PostgresLogMessage) -> None:
        if message.severity_en == "WARNING":
            warnings.append(message.message)

    connection.add_log_listener(listen)
    try:
        yield
    finally:
        with suppress(asyncpg.InterfaceError):  # a lost connection is the pool's again
            connection.remove_log_listener(listen)
