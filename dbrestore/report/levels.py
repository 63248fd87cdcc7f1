"""The graph of a plan's foreign keys by levels, as it is drawn: whatever the restore does with the keys.

A partitioned table and its partitions are one node.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbrestore.graph import find_cyclic_components, find_levels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dbrestore.plan import Plan, PlannedTable


@dataclass(frozen=True, slots=True)
class Node:
    """A table, or one with its partitions."""

    oid: int
    """Of the table, or of what the partitions are of."""
    name: str
    tables: tuple[PlannedTable, ...]
    level: int = 0
    """0 references nothing but itself; tables of a cycle have one level."""
    is_of_cycle: bool = False
    references_itself: bool = False
    is_linked: bool = False
    """It references another, or another references it."""

    @property
    def oids(self) -> list[int]:
        """Of all its tables that are planned."""
        return [table.table.oid for table in self.tables]

    @property
    def rows(self) -> int:
        """Of all."""
        return sum(table.rows for table in self.tables)

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(table.size for table in self.tables)


@dataclass(frozen=True, slots=True)
class Edge:
    """Foreign keys from one node to another."""

    child: int
    """Oid of the node that references."""
    parent: int
    name: str
    """Of the first key."""
    is_of_cycle: bool = False


@dataclass(frozen=True, slots=True)
class LevelGraph:
    """Nodes by level and name, and the edges between them."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    _by_oid: Mapping[int, Node] = field(default_factory=dict)

    def node(self, oid: int) -> Node:
        """The node of this oid."""
        return self._by_oid[oid]

    @property
    def levels(self) -> list[list[Node]]:
        """The nodes that are linked, by level."""
        found: dict[int, list[Node]] = defaultdict(list)
        for node in self.nodes:
            if node.is_linked:
                found[node.level].append(node)
        return [found[level] for level in sorted(found)]

    @property
    def alone(self) -> list[Node]:
        """The nodes that no other is linked with."""
        return [node for node in self.nodes if not node.is_linked]


def level_graph(plan: Plan) -> LevelGraph:
    """The graph of the tables that ``plan`` loads."""
    roots = plan.catalog.roots
    tables: dict[int, list[PlannedTable]] = defaultdict(list)
    for table in plan.tables:
        tables[roots[table.table.oid].oid].append(table)
    names: dict[tuple[int, int], str] = {}
    for key in plan.foreign_keys:
        child, parent = roots.get(key.table_oid), roots.get(key.referenced_oid)
        if child and parent and child.oid in tables and parent.oid in tables:
            names.setdefault((child.oid, parent.oid), key.name)
    component = _components(tables, names)
    levels = _levels(names, component)
    linked = {oid for child, parent in names if child != parent for oid in (child, parent)}
    nodes = [
        Node(
            oid,
            _name(roots[oid].dotted, members),
            tuple(members),
            levels[component[oid]],
            is_of_cycle=component[oid] < 0,
            references_itself=(oid, oid) in names,
            is_linked=oid in linked,
        )
        for oid, members in tables.items()
    ]
    nodes.sort(key=lambda node: (node.level, node.name))
    edges = tuple(
        Edge(child, parent, name, is_of_cycle=component[child] == component[parent])
        for (child, parent), name in names.items()
        if child != parent
    )
    return LevelGraph(tuple(nodes), edges, {node.oid: node for node in nodes})


def _name(root: str, members: list[PlannedTable]) -> str:
    if len(members) == 1:
        return members[0].table.dotted
    return f"{root} ({len(members):,} partitions)"


def _components(tables: Iterable[int], names: Mapping[tuple[int, int], str]) -> dict[int, int]:
    """By oid what its node is a part of: a cycle, as a negative number, or itself."""
    component = {oid: oid for oid in tables}
    for number, cycle in enumerate(find_cyclic_components(_before(tables, names)), 1):
        component |= dict.fromkeys(cycle, -number)
    return component


def _levels(names: Mapping[tuple[int, int], str], component: Mapping[int, int]) -> dict[int, int]:
    between = {(component[child], component[parent]): name for (child, parent), name in names.items()}
    return find_levels(_before(component.values(), between))


def _before(nodes: Iterable[int], names: Mapping[tuple[int, int], str]) -> dict[int, set[int]]:
    before: dict[int, set[int]] = {node: set() for node in nodes}
    for child, parent in names:
        if child != parent:
            before[child].add(parent)
    return before
