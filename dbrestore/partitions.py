"""Which folders of a partitioned table are loaded, so that each row is loaded once.

An export holds the rows of a partitioned table twice: in the table's own folder and in those of its partitions.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, LayoutError, SchemaError
from dbrestore.target.catalog import TableKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Set

    from dbrestore.target.catalog import Table


@dataclass(frozen=True, slots=True)
class PartitionChoice:
    """What the partitions mean for the plan."""

    skipped: set[int] = field(default_factory=set)
    """Oids of tables whose rows come by way of others."""
    problems: list[DbrestoreError] = field(default_factory=list)


def choose_partitions(
    tables: Sequence[Table], exported_rows: Mapping[int, int], together: Set[int] = frozenset()
) -> PartitionChoice:
    """Choose between the folder of a partitioned table and those of its partitions.

    ``exported_rows`` are the rows of each table that the export holds, by oid. The partitions are loaded where the
    export has all of them; the partitioned table is, where it has none, and where its rows have to come ``together``:
    the oids of the tables that reference themselves, where a row may need one of another partition.
    """
    families = Families(tables)
    choice = PartitionChoice()
    for root in families.roots():
        leaves = [table for table in families.below(root) if table.kind is not TableKind.PARTITIONED]
        missing = [leaf for leaf in leaves if leaf.oid not in exported_rows]
        if leaves and not missing:
            parents = [root, *(table for table in families.below(root) if table.kind is TableKind.PARTITIONED)]
            through_root = root.oid in together and root.oid in exported_rows
            choice.skipped.update(table.oid for table in (families.below(root) if through_root else parents))
            choice.problems.extend(_miscounted(families, parents, exported_rows))
        elif len(missing) == len(leaves) and root.oid in exported_rows:
            choice.skipped.update(table.oid for table in families.below(root))
        elif len(missing) < len(leaves):
            choice.problems.append(_incomplete(root, missing))
    return choice


class Families:
    """Partitioned tables with everything below them."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._tables = tables
        self._children: dict[int, list[Table]] = defaultdict(list)
        for table in tables:
            if table.parent is not None:
                self._children[table.parent].append(table)

    def roots(self) -> Iterator[Table]:
        """Partitioned tables that are not partitions themselves."""
        return (table for table in self._tables if table.kind is TableKind.PARTITIONED and table.parent is None)

    def below(self, table: Table) -> list[Table]:
        """All partitions at any depth."""
        found: list[Table] = []
        waiting = [table]
        while waiting:
            children = self._children[waiting.pop().oid]
            found.extend(children)
            waiting.extend(child for child in children if child.kind is TableKind.PARTITIONED)
        return found

    def oids_below(self) -> dict[int, list[int]]:
        """For each partitioned table the oids of all its partitions, at any depth."""
        return {
            table.oid: [below.oid for below in self.below(table)]
            for table in self._tables
            if table.kind is TableKind.PARTITIONED
        }


def _miscounted(
    families: Families, parents: Sequence[Table], exported_rows: Mapping[int, int]
) -> Iterator[DbrestoreError]:
    for parent in parents:
        if parent.oid not in exported_rows:
            continue
        leaves = [table for table in families.below(parent) if table.kind is not TableKind.PARTITIONED]
        rows = sum(exported_rows[leaf.oid] for leaf in leaves)
        if rows != exported_rows[parent.oid]:
            yield LayoutError(
                f"{parent.dotted} has {exported_rows[parent.oid]} rows in the export, its {len(leaves)} partitions "
                f"have {rows}: partitions were made, dropped or moved between the snapshot and the target's schema",
                hint="Make the target's partitions those of the snapshot.",
            )


def _incomplete(root: Table, missing: Sequence[Table]) -> DbrestoreError:
    names = ", ".join(table.dotted for table in missing)
    return SchemaError(
        f"the export has some partitions of {root.dotted} but not {names}",
        hint="Make the target's partitions those of the snapshot.",
    )
