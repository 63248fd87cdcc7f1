"""Partitioned tables with everything below them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from dbrestore.target.catalog import TableKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbrestore.target.catalog import Table


class Families:
    """The trees of partitions among the tables of the target."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self.tables = {table.oid: table for table in tables}
        self._children: dict[int, list[Table]] = defaultdict(list)
        for table in tables:
            if table.parent is not None:
                self._children[table.parent].append(table)

    def roots(self) -> Iterator[Table]:
        """Partitioned tables that are not partitions themselves."""
        return (table for table in self.tables.values() if table.kind is TableKind.PARTITIONED and table.parent is None)

    def children(self, table: Table) -> Sequence[Table]:
        """Its partitions, without theirs."""
        return self._children.get(table.oid, ())

    def below(self, table: Table) -> list[Table]:
        """All partitions at any depth."""
        found: list[Table] = []
        waiting = [table]
        while waiting:
            children = self.children(waiting.pop())
            found.extend(children)
            waiting.extend(child for child in children if child.kind is TableKind.PARTITIONED)
        return found

    def oids_below(self) -> dict[int, list[int]]:
        """For each partitioned table the oids of all its partitions, at any depth."""
        return {
            table.oid: [below.oid for below in self.below(table)]
            for table in self.tables.values()
            if table.kind is TableKind.PARTITIONED
        }

    def members(self, table: Table) -> list[Table]:
        """The table and all partitions below it, without foreign tables: what rows of this database are in."""
        return [table, *(child for child in self.below(table) if child.kind is not TableKind.FOREIGN)]

    def above(self, table: Table) -> Iterator[Table]:
        """The partitioned tables that it is a partition of, the nearest first."""
        while table.parent in self.tables:
            table = self.tables[table.parent]
            yield table
