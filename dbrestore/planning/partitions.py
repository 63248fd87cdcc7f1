"""Which folders of a partitioned table are loaded, so that each row is loaded once.

An export holds the rows of a partitioned table twice: in the table's own folder and in those of its partitions. The
partitions are loaded where they have as many rows as their parent. Where they have fewer, what the parent has more
is in partitions that one side lacks, and the parent's folder is loaded instead of theirs. The one thing that must
not be taken for that is a partition which the target has as a table of its own: its rows would be there twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from dbrestore.errors import LayoutError, SchemaError
from dbrestore.planning.choices import PartitionFolders
from dbrestore.planning.findings import Findings
from dbrestore.planning.naming import list_names
from dbrestore.target.catalog import TableKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence, Set

    from dbrestore.planning.families import Families
    from dbrestore.target.catalog import Table

SUMS_TRIED = 100_000
"""Sums of row counts that are compared with a difference at most."""

CHOICE_HINT = (
    "Make the target's partitions those of the snapshot; or choose --partitions via-parent for the rows of the "
    "parent's folder, or --partitions leaves for those of the partitions' folders."
)


class Relative(NamedTuple):
    """A table outside of any family that has the columns of one: a partition of it once, perhaps."""

    name: str
    rows: int
    is_in_target: bool
    """If so, it is loaded as a table of its own."""


@dataclass(frozen=True, slots=True)
class PartitionChoice:
    """What the partitions mean for the plan."""

    loaded: set[int] = field(default_factory=set)
    """Oids of members of families whose folders are to be loaded."""
    empty: set[int] = field(default_factory=set)
    """Oids of partitions that the export lacks because, by the counts, they had no rows."""
    missing: list[Table] = field(default_factory=list)
    """Partitions whose rows, if they had any, are not in the export."""
    dropped: set[str] = field(default_factory=set)
    """Tables of the export that the target lacks, whose rows come by way of the table that they were partitions of."""
    findings: Findings = field(default_factory=Findings)


@dataclass(frozen=True, slots=True)
class FamilyRows:
    """What is known of the rows of families."""

    rows: Mapping[int, int]
    """Of each folder of the export, by the oid of its table."""
    relatives: Mapping[int, Sequence[Relative]] = field(default_factory=dict)
    """By the oid of a partitioned table."""
    together: Set[int] = frozenset()
    """Oids of tables that reference themselves: a row may need one of another partition, so one COPY has to take
    all."""


def choose_partitions(
    families: Families,
    counts: FamilyRows,
    selected: Set[int],
    folders: PartitionFolders = PartitionFolders.AUTO,
) -> PartitionChoice:
    """Choose between the folder of a partitioned table and those of its partitions, at each level."""
    chooser = _Chooser(families, counts, folders)
    for root in families.roots():
        if selected.isdisjoint(member.oid for member in families.members(root)):
            continue
        chosen = chooser.resolve(root)
        chooser.take(root, chosen, selected)
    return chooser.choice


@dataclass(slots=True)
class _Subtree:
    """How a table with all below it would be loaded."""

    loaded: list[Table] = field(default_factory=list)
    rows: int = 0
    missing: list[Table] = field(default_factory=list)
    foreign: list[Table] = field(default_factory=list)
    detached: list[str] = field(default_factory=list)
    """Tables outside of the family that have some of the rows."""

    @classmethod
    def of(cls, subtrees: Iterable[_Subtree]) -> _Subtree:
        joined = cls()
        for subtree in subtrees:
            joined.loaded += subtree.loaded
            joined.rows += subtree.rows
            joined.missing += subtree.missing
            joined.foreign += subtree.foreign
            joined.detached += subtree.detached
        return joined


@dataclass(slots=True)
class _Chooser:
    families: Families
    counts: FamilyRows
    folders: PartitionFolders
    choice: PartitionChoice = field(default_factory=PartitionChoice)
    _accounted: set[str] = field(default_factory=set)
    """Relatives that are known to have been partitions of some table."""

    def resolve(self, table: Table) -> _Subtree:
        rows = self.counts.rows.get(table.oid)
        if table.kind is TableKind.FOREIGN:
            return _Subtree(foreign=[table])
        if table.kind is TableKind.TABLE:
            return _Subtree(missing=[table]) if rows is None else _Subtree([table], rows)
        children = self.families.children(table)
        if rows is not None and children and self.folders is PartitionFolders.VIA_PARENT:
            return self._through_parent_as_chosen(table, rows)
        below = _Subtree.of(map(self.resolve, children))
        if rows is None:
            return below
        if not children:
            return self._childless(table, rows)
        return self._compare(table, rows, below)

    def take(self, root: Table, chosen: _Subtree, selected: Set[int]) -> None:
        """Keep what concerns the selected tables."""
        for table in chosen.loaded:
            members = self.families.members(table)
            if all(member.oid in selected for member in members):
                self.choice.loaded.add(table.oid)
            elif any(member.oid in selected for member in members):
                self._refuse_part_of(table, [member for member in members if member.oid not in selected])
        family = self.families.members(root)
        is_absent = not any(member.oid in self.counts.rows for member in family)
        missing = [root] if is_absent and root.oid in selected else chosen.missing
        self.choice.missing.extend(table for table in missing if table.oid in selected)
        if chosen.foreign:
            names = list_names([table.dotted for table in chosen.foreign])
            self.choice.findings.warnings.append(f"{root.dotted}: foreign tables are left out: {names}")

    def _compare(self, table: Table, rows: int, below: _Subtree) -> _Subtree:
        """Between a folder and those of the partitions, which the caller has resolved to ``below``."""
        difference = rows - below.rows
        if self.folders is PartitionFolders.LEAVES:
            return self._leaves_as_chosen(table, rows, below)
        if difference == 0:
            return self._equal(table, rows, below)
        if difference < 0:
            return self._refuse(table, rows, below)
        return self._parent_has_more(table, rows, below)

    def _equal(self, table: Table, rows: int, below: _Subtree) -> _Subtree:
        if not below.loaded:
            return _Subtree([table], rows)
        if table.oid in self.counts.together and not below.detached:
            self._note(table, f"through the table itself, {rows:,} rows: they reference each other")
            return _Subtree([table], rows)
        self._note(table, f"through its partitions, {rows:,} rows as in its own folder")
        self._take_as_empty(table, below.missing)
        return replace(below, missing=[])

    def _take_as_empty(self, table: Table, missing: Sequence[Table]) -> None:
        if missing:
            self.choice.empty.update(leaf.oid for leaf in missing)
            self._note(table, f"no rows in the export for {_names(missing)}: by the count there were none")

    def _parent_has_more(self, table: Table, rows: int, below: _Subtree) -> _Subtree:
        """Where are the rows that the partitions lack? Only where there is one answer it is taken."""
        difference = rows - below.rows
        known = self.counts.relatives.get(table.oid, ())
        relatives = [relative for relative in known if relative.name not in self._accounted]
        dropped = [relative for relative in relatives if not relative.is_in_target]
        detached = [relative for relative in relatives if relative.is_in_target and relative.rows]
        shares = _shares(difference, detached, dropped)
        if shares == {difference} and _rows(detached) == difference and below.loaded:
            return self._detached(table, below, detached)
        if shares == {0} and _rows(dropped) == difference and not below.detached:
            self.choice.dropped.update(relative.name for relative in dropped)
            self._accounted |= self.choice.dropped
            names = list_names([relative.name for relative in dropped])
            self._note(table, f"through the table itself, {rows:,} rows: the target has no {names}")
            return self._through_parent(table, rows, below)
        if below.detached or not below.missing or any(relative.rows <= difference for relative in detached):
            return self._refuse(table, rows, below)
        self._note(table, f"through the table itself, {rows:,} rows: the export has no {_names(below.missing)}")
        return self._through_parent(table, rows, below)

    def _detached(self, table: Table, below: _Subtree, detached: Sequence[Relative]) -> _Subtree:
        names = list_names([relative.name for relative in detached])
        self._note(
            table,
            f"through its partitions, {below.rows:,} rows: its folder also has the {_rows(detached):,} of {names}",
        )
        self._take_as_empty(table, below.missing)
        taken = [relative.name for relative in detached]
        self._accounted.update(taken)
        return replace(below, rows=below.rows + _rows(detached), missing=[], detached=[*below.detached, *taken])

    def _through_parent(self, table: Table, rows: int, below: _Subtree) -> _Subtree:
        if below.foreign:
            self._refuse_foreign(table, below.foreign)
        return _Subtree([table], rows)

    def _through_parent_as_chosen(self, table: Table, rows: int) -> _Subtree:
        members = self.families.members(table)
        leaves = [member for member in members if member.kind is TableKind.TABLE and member.oid in self.counts.rows]
        below = sum(self.counts.rows[leaf.oid] for leaf in leaves)
        if below > rows:
            self.choice.findings.warnings.append(
                f"{table.dotted}: its folder has {rows:,} rows, those of its partitions have {below:,}, which are "
                "left out"
            )
        else:
            self._note(table, f"through the table itself, {rows:,} rows; its partitions' folders have {below:,}")
        foreign = [member for member in self.families.below(table) if member.kind is TableKind.FOREIGN]
        if foreign and below != rows:
            self._refuse_foreign(table, foreign)
        return _Subtree([table], rows)

    def _leaves_as_chosen(self, table: Table, rows: int, below: _Subtree) -> _Subtree:
        if rows > below.rows:
            self.choice.findings.warnings.append(
                f"{table.dotted}: its folder has {rows:,} rows, those of its partitions have {below.rows:,}; the "
                "others are left out"
            )
        else:
            self._note(table, f"through its partitions, {below.rows:,} rows; its own folder has {rows:,}")
        missing = [] if rows == below.rows else below.missing
        return _Subtree(below.loaded, below.rows, missing, below.foreign)

    def _childless(self, table: Table, rows: int) -> _Subtree:
        if rows:
            self.choice.findings.problems.append(
                SchemaError(
                    f"{table.dotted} has {rows:,} rows in the export and no partition in the target to take them",
                    hint="Make the partitions of the snapshot.",
                )
            )
        return _Subtree([table], rows)

    def _refuse(self, table: Table, rows: int, below: _Subtree) -> _Subtree:
        """Say what differs, and go on as if the parent were right: those above it may still be."""
        missing = f"; not in the export: {_names(below.missing)}" if below.missing else ""
        foreign = f"; foreign tables, whose rows may be the others: {_names(below.foreign)}" if below.foreign else ""
        self.choice.findings.problems.append(
            LayoutError(
                f"{table.dotted} has {rows:,} rows in the export, its {len(below.loaded):,} partitions have "
                f"{below.rows:,}, a difference of {abs(rows - below.rows):,}{missing}{foreign}: partitions were made, "
                "dropped or moved between the snapshot and the target's schema",
                hint=CHOICE_HINT,
            )
        )
        return _Subtree(below.loaded or [table], rows, foreign=below.foreign)

    def _refuse_foreign(self, table: Table, foreign: Sequence[Table]) -> None:
        self.choice.findings.problems.append(
            SchemaError(
                f"rows of {table.dotted} might be written to foreign tables: {_names(foreign)}",
                hint="Detach these for the time of the restore, or choose --partitions leaves.",
            )
        )

    def _refuse_part_of(self, table: Table, unselected: Sequence[Table]) -> None:
        self.choice.findings.problems.append(
            SchemaError(
                f"{table.dotted} is loaded from its own folder, which also holds the rows of {_names(unselected)}",
                hint="Select the table with all of its partitions.",
            )
        )

    def _note(self, table: Table, text: str) -> None:
        self.choice.findings.notes.append(f"{table.dotted}: {text}")


def _names(tables: Sequence[Table]) -> str:
    return list_names([table.dotted for table in tables])


def _rows(relatives: Iterable[Relative]) -> int:
    return sum(relative.rows for relative in relatives)


def _shares(difference: int, detached: Sequence[Relative], dropped: Sequence[Relative]) -> set[int] | None:
    """How many of ``difference`` rows may be those of ``detached`` tables, if ``dropped`` ones have the others.

    None where there are too many ways to try all.
    """
    of_detached, of_dropped = _sums(detached, difference), _sums(dropped, difference)
    if of_detached is None or of_dropped is None:
        return None
    return {rows for rows in of_detached if difference - rows in of_dropped}


def _sums(relatives: Sequence[Relative], highest: int) -> set[int] | None:
    sums = {0}
    for relative in relatives:
        sums |= {rows + relative.rows for rows in sums if rows + relative.rows <= highest}
        if len(sums) > SUMS_TRIED:
            return None
    return sums
