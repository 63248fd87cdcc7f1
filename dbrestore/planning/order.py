"""The order of loading, by the foreign keys between the planned tables.

A foreign key between partitioned tables is one between all of their partitions. A milestone stands for the planned
partitions of a table that others reference, so that there are as many edges as partitions, not their product.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, SchemaError
from dbrestore.graph import find_cycles, find_levels
from dbrestore.target.catalog import TableKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Set

    from dbrestore.planning.families import Families
    from dbrestore.target.catalog import ForeignKey, Table


@dataclass(frozen=True, slots=True)
class Order:
    """What has to be loaded before what; all by oid."""

    after: dict[int, frozenset[int]]
    """For each planned table, the planned tables and the milestones that come before it."""
    milestones: dict[int, frozenset[int]]
    """For each partitioned table that others wait for, its planned partitions."""
    levels: dict[int, int]
    """0 references nothing."""
    self_referencing: frozenset[int]
    problems: list[DbrestoreError] = field(default_factory=list)


def order_tables(planned: Set[int], families: Families, keys: Iterable[ForeignKey]) -> Order:
    """Sort by foreign keys; each cycle is a problem, and is cut so that all tables have their place."""
    graph = _Graph(planned, families)
    for key in keys:
        if key.table_oid in families.tables and key.referenced_oid in families.tables:
            graph.add(families.tables[key.table_oid], families.tables[key.referenced_oid])
    problems = graph.cut_cycles()
    return Order(
        after={oid: frozenset(graph.after[oid]) for oid in planned},
        milestones={oid: frozenset(members) for oid, members in graph.milestones.items()},
        levels=graph.levels(),
        self_referencing=frozenset(graph.self_referencing),
        problems=problems,
    )


def dangling_keys(restored: Set[int], families: Families, keys: Iterable[ForeignKey]) -> Iterator[str]:
    """What to say of foreign keys from ``restored`` tables to those that are not."""
    for key in keys:
        table, referenced = families.tables.get(key.table_oid), families.tables.get(key.referenced_oid)
        if table is None or referenced is None or not _is_restored(table, restored, families):
            continue
        if not _is_restored(referenced, restored, families):
            yield (
                f"{table.dotted}: its foreign key {key.name} references {referenced.dotted}, which is not restored: "
                "rows without a match there will be refused"
            )


def _is_restored(table: Table, restored: Set[int], families: Families) -> bool:
    """Itself, by way of what it is a partition of, or any partition of it."""
    line = (table, *families.above(table), *families.below(table))
    return any(member.oid in restored for member in line)


class _Graph:
    def __init__(self, planned: Set[int], families: Families) -> None:
        self._planned = planned
        self._families = families
        self._members: dict[int, list[int]] = {}
        self._torn: list[Table] = []
        self.after: dict[int, set[int]] = {oid: set() for oid in planned}
        self.milestones: dict[int, list[int]] = {}
        self.self_referencing: set[int] = set()

    def add(self, table: Table, referenced: Table) -> None:
        before = self._point(referenced)
        for oid in self._planned_members(table):
            if before == oid:
                self.self_referencing.add(oid)
            elif before == table.oid:
                self._torn.append(table)
                return
            elif before is not None:
                self.after[oid].add(before)

    def cut_cycles(self) -> list[DbrestoreError]:
        problems: list[DbrestoreError] = [
            _cycle_problem([table.dotted, table.dotted]) for table in dict.fromkeys(self._torn)
        ]
        graph = self.after | {oid: set(members) for oid, members in self.milestones.items()}
        for cycle in find_cycles(graph, self.milestones.keys()):
            self.after[cycle[0]].discard(cycle[-1])
            nodes = [cycle[0], *reversed(cycle)]
            names = [self._families.tables[oid].dotted for oid in nodes if oid in self._planned]
            problems.append(_cycle_problem(names))
        return problems

    def levels(self) -> dict[int, int]:
        graph = self.after | {oid: set(members) for oid, members in self.milestones.items()}
        return find_levels(graph, self.milestones.keys())

    def _point(self, table: Table) -> int | None:
        """What those wait for that reference ``table``; None if nothing of it is loaded."""
        members = self._planned_members(table)
        if len(members) < 2:
            return members[0] if members else None
        self.milestones.setdefault(table.oid, members)
        return table.oid

    def _planned_members(self, table: Table) -> list[int]:
        if table.kind is not TableKind.PARTITIONED:
            return [table.oid] if table.oid in self._planned else []
        if table.oid not in self._members:
            family = (table, *self._families.below(table))
            self._members[table.oid] = [member.oid for member in family if member.oid in self._planned]
        return self._members[table.oid]


def _cycle_problem(names: list[str]) -> SchemaError:
    return SchemaError(f"foreign keys form a cycle: {' → '.join(names)}")
