"""What names alone tell of a restore, before any part is opened: which tables, and which footers a plan needs.

Row counts decide how partitions are loaded, so all of a family is counted even where only some of it is restored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.planning.families import Families
from dbrestore.planning.inheritance import Heirs
from dbrestore.planning.matching import TableMatch, match_tables
from dbrestore.planning.renames import Renames
from dbrestore.planning.selection import Selection, possible_names
from dbrestore.target.catalog import TableKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Set

    from dbrestore.export.layout import Export, ExportedTable
    from dbrestore.export.storage import StoredFile
    from dbrestore.planning.choices import Choices
    from dbrestore.target.catalog import Catalog
    from dbrestore.target.survey import Survey

Signature = frozenset[tuple[str, str]]
"""Names and types of a table's columns in the manifest: what a partition has in common with its parent."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One database of an export and a target, joined by name."""

    export: Export
    source_database: str
    target: Survey
    choices: Choices
    families: Families
    selection: Selection
    match: TableMatch
    selected: frozenset[int]
    """Oids of the tables that are to be restored, whether the export has them or not."""
    counted: frozenset[int]
    """Oids of the tables whose row counts matter: what is restored, and all that belongs to it."""
    resembling: Mapping[Signature, Sequence[tuple[int | None, ExportedTable]]]
    """By signature of a counted partitioned table, tables outside of any family that have the same columns, each
    with its oid, or None where it is only in the export: perhaps partitions of it once."""

    @property
    def catalog(self) -> Catalog:
        """Tables of the target."""
        return self.target.catalog

    def files(self, *, with_rows: bool = True) -> list[StoredFile]:
        """The parts whose footers the plan needs.

        Without ``with_rows`` it is the first part of a table that is no partition, has none, and no heirs: the rows of
        the others decide how they are loaded.
        """
        relatives = self._relatives
        tables = {
            source.folder: source.parts if with_rows or oid in relatives else source.parts[:1]
            for oid, source in self.match.exported.items()
            if oid in self.counted
        }
        tables |= {source.folder: source.parts for found in self.resembling.values() for _, source in found}
        return [part for parts in tables.values() for part in parts]

    @property
    def _relatives(self) -> set[int]:
        """Oids of tables whose rows are in the folders of others as well, or might be."""
        members = (member.oid for root in self.families.roots() for member in self.families.members(root))
        return {*members, *(oid for line in Heirs(self.catalog.tables).lines() for oid in line)}


def draft_plan(export: Export, source_database: str, target: Survey, choices: Choices) -> Draft:
    """Join one database of an export and a target by the names of their tables."""
    families = Families(target.catalog.tables)
    selection = Selection.of(choices)
    match = match_tables(export.tables.get(source_database, ()), target.catalog.tables, Renames.of(choices))
    selected = frozenset(_selected(families, selection, match))
    counted = frozenset(_counted(families, selected)) & match.exported.keys()
    signatures = {
        signature(match.exported[oid]) for oid in counted if families.tables[oid].kind is TableKind.PARTITIONED
    }
    return Draft(
        export=export,
        source_database=source_database,
        target=target,
        choices=choices,
        families=families,
        selection=selection,
        match=match,
        selected=selected,
        counted=counted,
        resembling=_resembling(families, match, signatures) if signatures else {},
    )


def is_selected(selection: Selection, source: ExportedTable) -> bool:
    """Whether a table that only the export has would be restored."""
    names = possible_names(source.name)
    return selection.includes(names) and not selection.excludes(names)


def signature(source: ExportedTable) -> Signature:
    """What a partition of a table and the table have in common."""
    return frozenset((column.name, column.type) for column in source.columns)


def _selected(families: Families, selection: Selection, match: TableMatch) -> Iterator[int]:
    """A table is selected with those that it is a partition of; one of an extension by its own name only."""
    for table in families.tables.values():
        if table.kind is TableKind.FOREIGN:
            continue
        line = [match.names[relative.oid] for relative in (table, *families.above(table))]
        if any(map(selection.excludes, line)) or not any(map(selection.includes, line)):
            continue
        if not table.is_of_extension or selection.names_exactly(match.names[table.oid]):
            yield table.oid


def _counted(families: Families, selected: Set[int]) -> Iterator[int]:
    yield from selected
    for root in families.roots():
        members = {member.oid for member in families.members(root)}
        if not members.isdisjoint(selected):
            yield from members
    for line in Heirs(families.tables.values()).lines():
        if not line.isdisjoint(selected):
            yield from line


def _resembling(
    families: Families, match: TableMatch, signatures: Set[Signature]
) -> dict[Signature, list[tuple[int | None, ExportedTable]]]:
    found: dict[Signature, list[tuple[int | None, ExportedTable]]] = {key: [] for key in signatures}
    for source in match.extra:
        if (key := signature(source)) in found:
            found[key].append((None, source))
    for oid, source in match.exported.items():
        table = families.tables[oid]
        if table.kind is TableKind.TABLE and table.parent is None and (key := signature(source)) in found:
            found[key].append((oid, source))
    return found
