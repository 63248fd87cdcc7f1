"""The order of loading, as the foreign keys that stay in place ask for it.

A foreign key between partitioned tables is one between all of their partitions. A milestone stands for the planned
partitions of a table that others reference, so that there are as many edges as partitions, not their product.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, SchemaError
from dbrestore.graph import find_cycle, find_cyclic_components, find_levels
from dbrestore.target.catalog import TableKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Set

    from dbrestore.planning.families import Families
    from dbrestore.target.catalog import Table
    from dbrestore.target.post_data import ForeignKey

CYCLE_HINT = (
    "Let the role that owns the tables restore with --foreign-keys rebuild, or make one of the keys DEFERRABLE."
)


@dataclass(slots=True)
class Order:
    """What has to be loaded before what; all by oid."""

    after: dict[int, frozenset[int]] = field(default_factory=dict)
    """For each planned table, the planned tables and the milestones that come before it."""
    milestones: dict[int, frozenset[int]] = field(default_factory=dict)
    """For each partitioned table that others wait for, its planned partitions."""
    levels: dict[int, int] = field(default_factory=dict)
    """0 references nothing."""
    self_referencing: frozenset[int] = frozenset()
    together: dict[int, frozenset[int]] = field(default_factory=dict)
    """For each table of a cycle of deferrable keys, the tables that are loaded with it in one transaction."""
    closing: set[int] = field(default_factory=set)
    """Oids of the foreign keys that have to come down, since they close a cycle."""
    problems: list[DbrestoreError] = field(default_factory=list)
    """Cycles that have no such key, and are cut so that all tables have their place."""


def order_tables(planned: Set[int], families: Families, binding: Iterable[ForeignKey], removable: Set[int]) -> Order:
    """Put tables in an order in which the keys that are ``binding`` hold.

    ``removable`` are the oids of the keys that could come down where there is no such order.
    """
    graph = _Graph(planned, families, removable)
    for key in binding:
        graph.add(key)
    graph.open_cycles()
    return graph.order()


def dangling_keys(
    restored: Set[int], families: Families, keys: Iterable[ForeignKey], removable: Set[int]
) -> Iterator[str]:
    """What to say of foreign keys from ``restored`` tables to those that are not."""
    for key in keys:
        table, referenced = families.tables.get(key.table_oid), families.tables.get(key.referenced_oid)
        if table is None or referenced is None or not _is_restored(table, restored, families):
            continue
        if not _is_restored(referenced, restored, families):
            end = "leave it NOT VALID" if key.oid in removable else "will be refused"
            yield (
                f"{table.dotted}: its foreign key {key.name} references {referenced.dotted}, which is not restored: "
                f"rows without a match there {end}"
            )


def _is_restored(table: Table, restored: Set[int], families: Families) -> bool:
    """Itself, by way of what it is a partition of, or any partition of it."""
    line = (table, *families.above(table), *families.below(table))
    return any(member.oid in restored for member in line)


class _Graph:
    """Tables and milestones as nodes; an edge has the keys that it is made of, or none behind a milestone."""

    def __init__(self, planned: Set[int], families: Families, removable: Set[int]) -> None:
        self._planned = planned
        self._families = families
        self._removable = removable
        self._members: dict[int, list[int]] = {}
        self._keys: dict[int, dict[int, list[ForeignKey]]] = {oid: defaultdict(list) for oid in planned}
        self._milestones: dict[int, set[int]] = {}
        self._self_referencing: set[int] = set()
        self._order = Order()

    def add(self, key: ForeignKey) -> None:
        """Let the tables of ``key`` wait for what it references."""
        if key.table_oid not in self._families.tables or key.referenced_oid not in self._families.tables:
            return
        before = self._point(self._families.tables[key.referenced_oid])
        for oid in self._planned_members(self._families.tables[key.table_oid]) if before is not None else ():
            if before == oid:
                self._self_referencing.add(oid)
            elif before is not None:
                self._keys[oid][before].append(key)

    def open_cycles(self) -> None:
        """Find a way round each cycle: one transaction, a key that comes down, or else a problem."""
        for component in find_cyclic_components(self._edges()):
            strict = self._edges(component, strict=True)
            if find_cycle(strict) is None:
                self._load_together(component & self._planned, strict)
            else:
                self._cut_cycles(component)

    def order(self) -> Order:
        """What came of it."""
        order = self._order
        order.after = {oid: frozenset(keys) for oid, keys in self._keys.items()}
        order.milestones = {oid: frozenset(members) for oid, members in self._milestones.items()}
        order.self_referencing = frozenset(self._self_referencing)
        order.levels = find_levels(self._edges(), self._milestones.keys())
        return order

    def _edges(self, among: Set[int] | None = None, *, strict: bool = False) -> dict[int, set[int]]:
        """What comes before each node; ``strict`` leaves out what a transaction can hold off until its end."""
        edges = {
            oid: {other for other, keys in found.items() if not strict or not all(key.is_deferrable for key in keys)}
            for oid, found in self._keys.items()
        }
        edges |= self._milestones
        if among is None:
            return edges
        return {oid: before & among for oid, before in edges.items() if oid in among}

    def _load_together(self, tables: Set[int], strict: dict[int, set[int]]) -> None:
        group = frozenset(tables)
        self._order.together |= dict.fromkeys(group, group)
        for oid in group:
            before = {member for other in strict[oid] for member in self._milestones.get(other, (other,))}
            outside = {other: keys for other, keys in self._keys[oid].items() if not self._is_of(other, group)}
            self._keys[oid] = defaultdict(list, outside | {other: [] for other in before & group})

    def _is_of(self, node: int, group: Set[int]) -> bool:
        return not group.isdisjoint(self._milestones.get(node, (node,)))

    def _cut_cycles(self, component: Set[int]) -> None:
        while (cycle := find_cycle(self._edges(component))) is not None:
            pairs = zip(cycle, [cycle[-1], *cycle[:-1]], strict=True)
            edges = [(oid, other) for oid, other in pairs if oid not in self._milestones]
            found = [{key.oid for key in self._keys[oid][other]} for oid, other in edges]
            opening = next((keys for keys in found if keys <= self._removable), None)
            if opening is not None:
                self._order.closing.update(opening)
            else:
                self._order.problems.append(self._problem(cycle))
            self._drop(opening or found[0])

    def _drop(self, closing: Set[int]) -> None:
        for found in self._keys.values():
            for other, keys in list(found.items()):
                if left := [key for key in keys if key.oid not in closing]:
                    found[other] = left
                else:
                    del found[other]

    def _problem(self, cycle: list[int]) -> SchemaError:
        tables = [oid for oid in cycle if oid in self._planned]
        if len(tables) == 1:  # a partition that references all of its own table
            tables = [oid for oid in cycle if oid in self._milestones]
        names = [self._families.tables[oid].dotted for oid in (tables[0], *reversed(tables))]
        return SchemaError(f"foreign keys form a cycle: {' → '.join(names)}", hint=CYCLE_HINT)

    def _point(self, table: Table) -> int | None:
        """What those wait for that reference ``table``; None if nothing of it is loaded."""
        members = self._planned_members(table)
        if len(members) < 2:
            return members[0] if members else None
        self._milestones.setdefault(table.oid, set(members))
        return table.oid

    def _planned_members(self, table: Table) -> list[int]:
        if table.kind is not TableKind.PARTITIONED:
            return [table.oid] if table.oid in self._planned else []
        if table.oid not in self._members:
            family = (table, *self._families.below(table))
            self._members[table.oid] = [member.oid for member in family if member.oid in self._planned]
        return self._members[table.oid]
