"""The order of loading, as the foreign keys that stay in place ask for it. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, SchemaError
from dbrestore.graph import find_components, find_cycle, find_levels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence, Set

    from dbrestore.plan import PlannedTable
    from dbrestore.target.post_data import ForeignKey

CYCLE_HINT = (
    "Let the role that owns the tables restore with --foreign-keys rebuild, or make one of the keys DEFERRABLE."
)


@dataclass(slots=True)
class Order:
    """Which tables wait for which."""

    tables: tuple[PlannedTable, ...] = ()
    """By level, the largest first within one."""
    closing: set[int] = field(default_factory=set)
    """Oids of the foreign keys that have to come down, since they close a cycle."""
    problems: list[DbrestoreError] = field(default_factory=list)
    """Cycles that have no such key, and are cut where they close."""


def order_tables(
    planned: Mapping[int, PlannedTable],
    partitions: Mapping[int, Sequence[int]],
    binding: Iterable[ForeignKey],
    removable: Set[int],
) -> Order:
    """Put tables in an order in which the keys that are ``binding`` hold.

    ``partitions`` has the oids below each partitioned table, at any depth; ``removable`` are the oids of the keys
    that could come down where there is no such order.
    """
    order = Order()
    keys = _references(planned, partitions, binding)
    after = {oid: set(keys[oid]) - {oid} for oid in planned}
    together: dict[int, frozenset[int]] = {}
    for component in find_components(after):
        strict = {oid: {other for other in after[oid] & component if _binds(keys[oid][other])} for oid in component}
        if find_cycle(strict) is None:
            together |= dict.fromkeys(component, frozenset(component))
            after |= {oid: after[oid] - component | strict[oid] for oid in component}
        else:
            _cut_cycles(component, after, keys, removable, planned, order)
    levels = find_levels(after)
    tables = [
        replace(
            table,
            after=frozenset(after[oid]),
            references_itself=oid in keys[oid],
            together=together.get(oid, frozenset()),
            level=levels[oid],
        )
        for oid, table in planned.items()
    ]
    order.tables = tuple(sorted(tables, key=lambda table: (table.level, -table.size, table.table.dotted)))
    return order


def _binds(keys: Sequence[ForeignKey]) -> bool:
    """Rows have to come after those that they reference, even in one transaction."""
    return not all(key.is_deferrable for key in keys)


def _cut_cycles(
    component: Set[int],
    after: dict[int, set[int]],
    keys: Mapping[int, Mapping[int, Sequence[ForeignKey]]],
    removable: Set[int],
    planned: Mapping[int, PlannedTable],
    order: Order,
) -> None:
    while (cycle := find_cycle({oid: after[oid] & component for oid in component})) is not None:
        edges = list(zip(cycle, [cycle[-1], *cycle[:-1]], strict=True))
        openings = [(oid, other) for oid, other in edges if all(key.oid in removable for key in keys[oid][other])]
        if openings:
            order.closing.update(key.oid for key in keys[openings[0][0]][openings[0][1]])
        else:
            names = " → ".join(planned[oid].table.dotted for oid in (cycle[0], *reversed(cycle)))
            order.problems.append(SchemaError(f"foreign keys form a cycle: {names}", hint=CYCLE_HINT))
        oid, other = (openings or edges)[0]
        after[oid].discard(other)


def _references(
    planned: Mapping[int, PlannedTable], partitions: Mapping[int, Sequence[int]], binding: Iterable[ForeignKey]
) -> dict[int, dict[int, list[ForeignKey]]]:
    """By planned table and one that it references, the keys; a partitioned table stands for its partitions."""

    def members(oid: int) -> list[int]:
        return [member for member in (oid, *partitions.get(oid, ())) if member in planned]

    found: dict[int, dict[int, list[ForeignKey]]] = {oid: defaultdict(list) for oid in planned}
    for key in binding:
        referenced = members(key.referenced_oid)
        for oid in members(key.table_oid):
            for other in referenced:
                found[oid][other].append(key)
    return found
