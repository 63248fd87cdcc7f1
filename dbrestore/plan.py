"""What a restore will do, worked out before anything is done. Pure: it neither reads nor asks.

A plan joins an export and a catalogue, and finds every problem that can be found without loading.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, PartError, PrivilegeError, SchemaError, TargetError
from dbrestore.graph import find_cycles, find_levels
from dbrestore.matching import list_names, match_columns, match_tables
from dbrestore.partitions import Families, choose_partitions
from dbrestore.target.catalog import TableKind
from dbrestore.wire.registry import CopyFormat, WireColumn, text_reasons

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from dbrestore.export.layout import Export, ExportedTable
    from dbrestore.export.parquet import Footer
    from dbrestore.export.storage import StoredFile
    from dbrestore.target.catalog import Catalog, Table


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
    """Oids of the planned tables that its foreign keys reference, but for itself."""
    references_itself: bool = False
    """A row may reference one of any part, so all parts have to come in one COPY."""
    level: int = 0
    """Of the foreign-key graph; 0 references nothing."""

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
    counted: bool = True
    """All footers were read. Without that a plan is good for looking at it only."""


def build_plan(
    export: Export, source_database: str, footers: Mapping[str, Footer | PartError], catalog: Catalog
) -> Plan:
    """Join one database of an export and a target.

    ``footers`` has, by key, the footer of each part of ``source_database`` or what is wrong with it; of the first part
    of each table at least.
    """
    tables = {table.oid: table for table in catalog.tables}
    match = match_tables(export.tables.get(source_database, ()), catalog.tables)
    problems: list[DbrestoreError] = [*export.problems, *match.problems]
    exported = {oid: source for oid, source in match.exported.items() if not tables[oid].is_of_extension}
    rows = {oid: _count_rows(source, footers) for oid, source in exported.items()}
    self_referencing = {key.table_oid for key in catalog.foreign_keys if key.table_oid == key.referenced_oid}
    counted = all(part.key in footers for source in exported.values() for part in source.parts)
    partitions = choose_partitions(catalog.tables, rows, self_referencing, counted=counted)
    problems += partitions.problems
    problems += _unexported(catalog.tables, exported.keys() | partitions.skipped | match.ambiguous)
    chosen = {oid: source for oid, source in exported.items() if oid not in partitions.skipped}
    problems += _unloadable([tables[oid] for oid in chosen], catalog.filled)
    planned = {}
    for oid, source in chosen.items():
        planned[oid], found = _plan_table(tables[oid], source, footers)
        problems += found
    ordered, cycles = _order(planned, catalog)
    return Plan(
        export_id=export.id,
        source_database=source_database,
        target_database=catalog.database,
        tables=ordered,
        warnings=(*export.warnings, *_left_out(catalog.tables, match.exported)),
        problems=(*problems, *cycles),
        counted=counted,
    )


def _count_rows(source: ExportedTable, footers: Mapping[str, Footer | PartError]) -> int:
    found = (footers.get(part.key) for part in source.parts)
    return sum(footer.rows for footer in found if footer is not None and not isinstance(footer, PartError))


def _left_out(tables: Iterable[Table], exported: Mapping[int, ExportedTable]) -> Iterator[str]:
    for table in tables:
        if table.is_of_extension and table.oid in exported:
            yield f"{table.dotted} is left alone: it belongs to an extension"
        elif table.is_unlogged and not table.is_of_extension and table.oid not in exported:
            yield f"{table.dotted} is left alone: AWS does not export unlogged tables"


def _unexported(tables: Sequence[Table], accounted: set[int]) -> list[DbrestoreError]:
    """Tables of the target that ought to be in the export: AWS leaves out unlogged ones."""
    missing = [
        table.dotted
        for table in tables
        if table.oid not in accounted
        and table.kind is not TableKind.FOREIGN
        and not table.is_unlogged
        and not table.is_of_extension
    ]
    hint = "Drop them from the target, or export the snapshot with them."
    return [SchemaError(f"in the target but not in the export: {list_names(missing)}", hint=hint)] if missing else []


def _unloadable(tables: Sequence[Table], filled: frozenset[int]) -> list[DbrestoreError]:
    problems: list[DbrestoreError] = []
    if names := [table.dotted for table in tables if table.oid in filled]:
        problems.append(TargetError(f"already with rows in the target: {list_names(names)}", hint="Empty them first."))
    if names := [table.dotted for table in tables if not table.is_writable]:
        hint = "GRANT SELECT, INSERT on the tables and USAGE on their schemas, or use the role that owns them."
        problems.append(PrivilegeError(f"the role may not read and write {list_names(names)}", hint=hint))
    if names := [table.dotted for table in tables if table.has_heirs]:
        problems.append(SchemaError(f"others inherit from {list_names(names)}: whose rows these are cannot be told"))
    return problems


def _plan_table(
    table: Table, source: ExportedTable, footers: Mapping[str, Footer | PartError]
) -> tuple[PlannedTable, list[DbrestoreError]]:
    problems: list[DbrestoreError] = []
    parts: list[PlannedPart] = []
    first: tuple[StoredFile, pa.Schema] | None = None
    for file in source.parts:
        footer = footers.get(file.key)
        if footer is None:
            parts.append(PlannedPart(file, 0))
            continue
        if isinstance(footer, PartError):
            problems.append(footer)
            continue
        first = first or (file, footer.schema)
        if footer.schema != first[1]:
            problems.append(PartError(f"{file.key} has other columns or types than {first[0].key}"))
        if footer.rows:
            parts.append(PlannedPart(file, footer.rows))
    columns: tuple[WireColumn, ...] = ()
    if first is not None:
        match = match_columns(table, first[1])
        columns = match.columns
        problems += match.problems
    return PlannedTable(table, source.folder, tuple(parts), columns, text_reasons(columns)), problems


def _order(
    planned: Mapping[int, PlannedTable], catalog: Catalog
) -> tuple[tuple[PlannedTable, ...], list[DbrestoreError]]:
    """The tables in the order of loading; with a problem for each cycle, which is then cut where it closes."""
    after = _references(planned, catalog)
    itself = {oid for oid, referenced in after.items() if oid in referenced}
    after = {oid: referenced - {oid} for oid, referenced in after.items()}
    problems: list[DbrestoreError] = []
    for cycle in find_cycles(after):
        after[cycle[0]].discard(cycle[-1])
        names = " → ".join(planned[oid].table.dotted for oid in (cycle[0], *reversed(cycle)))
        problems.append(SchemaError(f"foreign keys form a cycle: {names}"))
    levels = find_levels(after)
    tables = [
        replace(table, after=frozenset(after[oid]), references_itself=oid in itself, level=levels[oid])
        for oid, table in planned.items()
    ]
    return tuple(sorted(tables, key=lambda table: (table.level, -table.size, table.table.dotted))), problems


def _references(planned: Mapping[int, PlannedTable], catalog: Catalog) -> dict[int, set[int]]:
    """The planned tables that each planned table references; a partitioned table stands for its partitions."""
    families = Families(catalog.tables)
    tables = {table.oid: table for table in catalog.tables}

    def members(oid: int) -> list[int]:
        table = tables[oid]
        return [member.oid for member in (table, *families.below(table)) if member.oid in planned]

    after: dict[int, set[int]] = {oid: set() for oid in planned}
    for key in catalog.foreign_keys:
        if key.table_oid in tables and key.referenced_oid in tables:
            referenced = members(key.referenced_oid)
            for oid in members(key.table_oid):
                after[oid].update(referenced)
    return after
