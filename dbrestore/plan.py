"""What a restore will do, worked out before anything is done. Pure: it neither reads nor asks.

A plan joins an export and a catalogue, and finds every problem that can be found without loading. The decisions it
takes on the way have a module each in ``dbrestore.planning``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, PartError, PrivilegeError
from dbrestore.planning.columns import ColumnFindings, ColumnMatch, match_columns
from dbrestore.planning.draft import signature
from dbrestore.planning.existing import treat_existing
from dbrestore.planning.findings import Findings
from dbrestore.planning.inheritance import Heirs, choose_inherited
from dbrestore.planning.naming import list_names
from dbrestore.planning.order import dangling_keys, order_tables
from dbrestore.planning.partitions import FamilyRows, Relative, choose_partitions
from dbrestore.planning.selection import ColumnPattern
from dbrestore.planning.unmatched import find_unmatched
from dbrestore.target.catalog import TableKind
from dbrestore.wire.registry import CopyFormat, WireColumn, text_reasons

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypeAlias

    import pyarrow as pa

    from dbrestore.export.layout import ExportedTable
    from dbrestore.export.parquet import Footer
    from dbrestore.export.storage import StoredFile
    from dbrestore.planning.draft import Draft
    from dbrestore.planning.existing import ExistingRows
    from dbrestore.planning.inheritance import InheritanceChoice
    from dbrestore.planning.order import Order
    from dbrestore.planning.partitions import PartitionChoice
    from dbrestore.target.catalog import Table

    Footers: TypeAlias = Mapping[str, Footer | PartError]


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """A part that will be loaded."""

    file: StoredFile
    rows: int
    """By its footer; 0 if that was not read."""


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """A table that will be loaded, and how."""

    table: Table
    folder: str
    """Of the export."""
    parts: tuple[PlannedPart, ...]
    columns: tuple[WireColumn, ...]
    """What COPY names."""
    text_reasons: tuple[str, ...]
    """Why COPY's format is text; empty where it is binary."""
    after: frozenset[int] = frozenset()
    """Oids of the planned tables and of the milestones that its foreign keys reference, but for itself."""
    references_itself: bool = False
    """A row may reference one of any part, so all parts have to come in one COPY."""
    level: int = 0
    """Of the foreign-key graph; 0 references nothing."""
    keeps_rows: bool = False
    """It has rows already, to which its parts are added."""
    is_counted: bool = True
    """The footers of all parts were read. Without that a plan is good for looking at it only."""

    @property
    def copy_format(self) -> CopyFormat:
        """The format of its COPYs."""
        return CopyFormat.TEXT if self.text_reasons else CopyFormat.BINARY

    @property
    def rows(self) -> int:
        """By the footers."""
        return sum(part.rows for part in self.parts)

    @property
    def size(self) -> int:
        """Bytes of its parts as they are stored."""
        return sum(part.file.size for part in self.parts)


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole restore."""

    export_id: str
    source_database: str
    target_database: str
    tables: tuple[PlannedTable, ...]
    """In the order of loading: by level, the largest first within one."""
    warnings: tuple[str, ...]
    problems: tuple[DbrestoreError, ...]
    """Each of them stands in the way of the restore."""
    notes: tuple[str, ...] = ()
    """What was chosen where there was more than one way, and what is left out because the user wants that."""
    milestones: Mapping[int, frozenset[int]] = field(default_factory=dict)
    """Oids of the planned partitions of each partitioned table that others reference."""
    truncated: tuple[tuple[Table, ...], ...] = ()
    """What is emptied before anything is loaded, by a TRUNCATE for each group."""


def build_plan(draft: Draft, footers: Footers) -> Plan:
    """Make a plan of what names alone tell and the ``footers`` of the draft's files, by key.

    A part whose footer cannot be used has what is wrong with it instead; one whose footer was not read has none.
    """
    catalog, families = draft.catalog, draft.families
    rows = {oid: _count_rows(draft.match.exported[oid], footers) for oid in draft.counted}
    partitions = choose_partitions(
        families, _family_rows(draft, rows, footers), draft.selected, draft.choices.partitions
    )
    inherited = choose_inherited(Heirs(catalog.tables), rows, draft.selected, draft.choices.inherited)
    chosen = _chosen(draft, partitions, inherited)
    without_rows = [families.tables[oid] for oid in (partitions.empty | inherited.skipped) & draft.selected]
    existing = treat_existing([*chosen, *without_rows], families, catalog, draft.choices.if_not_empty)
    planned, found = _plan_tables([table for table in chosen if table.oid not in existing.skipped], draft, footers)
    order = order_tables(planned.keys(), families, catalog.foreign_keys)
    findings = Findings(warnings=list(draft.export.warnings))
    for decided in (find_unmatched(draft, partitions), partitions.findings, inherited.findings, existing.findings):
        findings.add(decided)
    findings.problems += (footer for footer in footers.values() if isinstance(footer, PartError))
    findings.problems += _unwritable(chosen)
    findings.add(found)
    restored = {table.oid for table in chosen}
    return Plan(
        export_id=draft.export.id,
        source_database=draft.source_database,
        target_database=catalog.database,
        tables=_sorted(planned, order, existing),
        warnings=(*findings.warnings, *dangling_keys(restored, families, catalog.foreign_keys)),
        problems=(*findings.problems, *order.problems),
        notes=tuple(findings.notes),
        milestones=order.milestones,
        truncated=existing.truncated,
    )


def _count_rows(source: ExportedTable, footers: Footers) -> int:
    found = (footers.get(part.key) for part in source.parts)
    return sum(footer.rows for footer in found if footer is not None and not isinstance(footer, PartError))


def _family_rows(draft: Draft, rows: Mapping[int, int], footers: Footers) -> FamilyRows:
    relatives = {}
    for oid in draft.counted:
        resembling = draft.resembling.get(signature(draft.match.exported[oid]), ())
        if resembling and draft.families.tables[oid].kind is TableKind.PARTITIONED:
            relatives[oid] = [
                Relative(source.name, _count_rows(source, footers), is_in_target=other is not None)
                for other, source in resembling
            ]
    keys = draft.catalog.foreign_keys
    together = {key.table_oid for key in keys if key.table_oid == key.referenced_oid}
    return FamilyRows(rows, relatives, together)


def _chosen(draft: Draft, partitions: PartitionChoice, inherited: InheritanceChoice) -> list[Table]:
    """The tables whose folders are to be loaded."""
    found = (draft.families.tables[oid] for oid in draft.match.exported if oid in draft.selected)
    return [
        table
        for table in found
        if table.oid not in inherited.skipped
        and (table.oid in partitions.loaded or (table.kind is TableKind.TABLE and table.parent is None))
    ]


def _unwritable(tables: Iterable[Table]) -> list[DbrestoreError]:
    names = [table.dotted for table in tables if not table.is_writable]
    hint = "GRANT SELECT, INSERT on the tables and USAGE on their schemas, or use the role that owns them."
    return [PrivilegeError(f"the role may not read and write {list_names(names)}", hint=hint)] if names else []


def _plan_tables(tables: Sequence[Table], draft: Draft, footers: Footers) -> tuple[dict[int, PlannedTable], Findings]:
    ignored = tuple(map(ColumnPattern, draft.choices.ignore_extra_columns))
    columns = ColumnFindings()
    problems: list[DbrestoreError] = []
    planned = {}
    for table in tables:
        source = draft.match.exported[table.oid]
        parts, schema, found = _plan_parts(source, footers)
        problems += found
        match = match_columns(table, schema, ignored) if schema is not None else ColumnMatch()
        columns.add(table, match)
        reasons = text_reasons(match.columns)
        is_counted = all(part.key in footers for part in source.parts)
        planned[table.oid] = PlannedTable(table, source.folder, parts, match.columns, reasons, is_counted=is_counted)
    findings = Findings(problems=problems)
    findings.add(columns.findings())
    return planned, findings


def _plan_parts(
    source: ExportedTable, footers: Footers
) -> tuple[tuple[PlannedPart, ...], pa.Schema | None, list[DbrestoreError]]:
    """Those with rows, the schema that all parts have, and the parts that are unlike the first."""
    problems: list[DbrestoreError] = []
    parts: list[PlannedPart] = []
    first: tuple[StoredFile, pa.Schema] | None = None
    for file in source.parts:
        footer = footers.get(file.key)
        if footer is None:
            parts.append(PlannedPart(file, 0))
            continue
        if isinstance(footer, PartError):
            continue
        first = first or (file, footer.schema)
        if footer.schema is not first[1] and footer.schema != first[1]:
            problems.append(PartError(f"{file.key} has other columns or types than {first[0].key}"))
        if footer.rows:
            parts.append(PlannedPart(file, footer.rows))
    return tuple(parts), first[1] if first else None, problems


def _sorted(planned: Mapping[int, PlannedTable], order: Order, existing: ExistingRows) -> tuple[PlannedTable, ...]:
    """The tables in the order of loading."""
    tables = [
        replace(
            table,
            after=order.after[oid],
            references_itself=oid in order.self_referencing,
            level=order.levels[oid],
            keeps_rows=oid in existing.appended,
        )
        for oid, table in planned.items()
    ]
    return tuple(sorted(tables, key=lambda table: (table.level, -table.size, table.table.dotted)))
