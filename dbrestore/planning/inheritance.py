"""Tables that others inherit from (INHERITS), and whose rows their folders hold.

AWS does not say whether the folder of such a table also holds the rows of its heirs. The row counts can rule that
out: a folder that holds its heirs' rows has at least as many as they have. They cannot prove it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbrestore.errors import LayoutError
from dbrestore.graph import find_components, find_reachable
from dbrestore.planning.choices import InheritedRows
from dbrestore.planning.findings import Findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Set

    from dbrestore.target.catalog import Table


class Heirs:
    """Which tables inherit from which, at any depth and from several."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self._tables = {table.oid: table for table in tables}
        self._children: dict[int, list[int]] = defaultdict(list)
        for table in self._tables.values():
            for parent in table.inherits:
                self._children[parent].append(table.oid)

    def parents(self) -> list[Table]:
        """The tables that others inherit from."""
        return [self._tables[oid] for oid in self._children if oid in self._tables]

    def of(self, table: Table) -> list[Table]:
        """The table's heirs and theirs, each once."""
        return [self._tables[oid] for oid in sorted(find_reachable(table.oid, self._children) - {table.oid})]

    def lines(self) -> list[set[int]]:
        """Oids of tables that belong together, however many lines lead from one to another."""
        return find_components(self._children)


@dataclass(frozen=True, slots=True)
class InheritanceChoice:
    """What inheritance means for the plan."""

    skipped: set[int] = field(default_factory=set)
    """Oids of tables whose folder holds nothing but their heirs' rows."""
    findings: Findings = field(default_factory=Findings)


def choose_inherited(
    heirs: Heirs, rows: Mapping[int, int], selected: Set[int], chosen: InheritedRows | None
) -> InheritanceChoice:
    """Tell from the ``rows`` of each table's folder, by oid, whether it holds its heirs' rows.

    One folder with fewer rows than the heirs have proves that none of the export holds them: AWS has one way.
    """
    choice = InheritanceChoice()
    counts = [_Count.of(table, heirs, rows) for table in heirs.parents() if table.oid in rows]
    is_own = chosen is InheritedRows.OWN or (chosen is None and any(count.own < 0 for count in counts))
    for count in counts:
        if count.table.oid not in selected or not count.is_open:
            continue
        if is_own:
            choice.findings.notes.append(f"{count.table.dotted}: its folder holds its own rows, not those of its heirs")
        elif chosen is InheritedRows.ALL and count.own == 0 and not count.uncounted:
            choice.skipped.add(count.table.oid)
            choice.findings.notes.append(f"{count.table.dotted}: all {count.rows:,} rows of its folder are its heirs'")
        else:
            choice.findings.problems.append(count.inseparable() if chosen else count.undecided())
    return choice


@dataclass(frozen=True, slots=True)
class _Count:
    table: Table
    rows: int
    """Of the table's folder."""
    own: int
    """Its own, if the folders of the export hold the rows of heirs; below 0 where they cannot."""
    uncounted: tuple[str, ...]
    """Heirs that are not in the export, or not tables of this database; unlogged ones have no rows in a snapshot."""

    @classmethod
    def of(cls, table: Table, heirs: Heirs, rows: Mapping[int, int]) -> _Count:
        below = heirs.of(table)
        counted = [heir for heir in below if heir.oid in rows]
        uncounted = tuple(heir.dotted for heir in below if heir.oid not in rows and not heir.is_unlogged)
        own = _own_rows([*counted, table], heirs, rows)
        return cls(table, rows[table.oid], own[table.oid], uncounted)

    @property
    def is_open(self) -> bool:
        """Whether it makes a difference whose rows the folder holds."""
        return self.rows > 0 and (self.rows != self.own or bool(self.uncounted))

    @property
    def _counts(self) -> str:
        inherited = f"its heirs have {self.rows - self.own:,}"
        unknown = f", and those of {', '.join(self.uncounted)} are not known" if self.uncounted else ""
        return f"the folder of {self.table.dotted} has {self.rows:,} rows, {inherited}{unknown}"

    def undecided(self) -> LayoutError:
        return LayoutError(
            f"{self._counts}: it may hold theirs or not",
            hint="Choose --inherited own if the folder holds only the table's own rows, or --inherited all if it "
            "holds those of its heirs as well; a query on the source, SELECT count(*) FROM ONLY, tells.",
        )

    def inseparable(self) -> LayoutError:
        if self.own < 0:
            return LayoutError(f"{self._counts}: it cannot hold theirs", hint="Choose --inherited own.")
        return LayoutError(
            f"{self._counts}: its own cannot be told from theirs", hint="Leave it out with --exclude-tables."
        )


def _own_rows(tables: Iterable[Table], heirs: Heirs, rows: Mapping[int, int]) -> dict[int, int]:
    """Each table's rows less those of its heirs; ``tables`` are in any order."""
    below = {table.oid: [heir.oid for heir in heirs.of(table) if heir.oid in rows] for table in tables}
    own: dict[int, int] = {}
    for oid in sorted(below, key=lambda oid: len(below[oid])):
        own[oid] = rows[oid] - sum(own[heir] for heir in below[oid])
    return own
