"""What a restore will do, worked out before anything is done. Pure: it neither reads nor asks.

A plan joins an export and a catalogue, and finds every problem that can be found without loading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, PartError, PrivilegeError, SchemaError, TargetError
from dbrestore.matching import list_names, match_columns, match_tables
from dbrestore.ordering import order_tables
from dbrestore.partitions import Families, choose_partitions
from dbrestore.target.catalog import TableKind
from dbrestore.target.deferral.planning import DeferralPlanner
from dbrestore.target.deferral.policy import ForeignKeys, Policy
from dbrestore.target.triggers import Triggers, plan_suspensions, trigger_warnings
from dbrestore.wire.registry import CopyFormat, WireColumn, text_reasons

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from dbrestore.export.layout import Export, ExportedTable
    from dbrestore.export.parquet import Footer
    from dbrestore.export.storage import StoredFile
    from dbrestore.target.catalog import Catalog, Table
    from dbrestore.target.deferral.model import Deferral
    from dbrestore.target.post_data import ForeignKey
    from dbrestore.target.survey import Survey


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """A part that will be loaded."""

    file: StoredFile
    rows: int


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
    together: frozenset[int] = frozenset()
    """Oids of the tables that it is loaded with in one transaction, itself among them: a cycle of deferrable keys."""
    level: int = 0
    """Of the graph of the foreign keys that stay in place; 0 references nothing."""

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
    tables: tuple[PlannedTable, ...]
    """In the order of loading: by level, the largest first within one."""
    warnings: tuple[str, ...]
    problems: tuple[DbrestoreError, ...]
    """Each of them stands in the way of the restore."""
    catalog: Catalog
    """Of the target, as it was."""
    deferral: Deferral
    policy: Policy
    partitions: Mapping[int, Sequence[int]]
    """Oids below each partitioned table of the target, at any depth."""

    @property
    def target_database(self) -> str:
        """Its name."""
        return self.catalog.database


def build_plan(
    export: Export,
    source_database: str,
    footers: Mapping[str, Footer | PartError],
    target: Survey,
    policy: Policy,
) -> Plan:
    """Join one database of an export and a target.

    ``footers`` has, by key, the footer of each part of ``source_database`` or what is wrong with it.
    """
    catalog = target.catalog
    tables = {table.oid: table for table in catalog.tables}
    match = match_tables(export.tables.get(source_database, ()), catalog.tables)
    exported = {oid: source for oid, source in match.exported.items() if not tables[oid].is_of_extension}
    below = Families(catalog.tables).oids_below()
    loaded = _with_families(exported.keys(), below)
    planner = DeferralPlanner(target.post_data, loaded, below, policy, catalog.server_version)
    rows = {oid: _count_rows(source, footers) for oid, source in exported.items()}
    partitions = choose_partitions(catalog.tables, rows, _self_referencing(planner.binding))
    chosen = {oid: source for oid, source in exported.items() if oid not in partitions.skipped}
    planned, part_problems = _plan_tables(tables, chosen, footers)
    order = order_tables(planned, below, planner.binding, planner.removable)
    triggers = Triggers(
        tuple(trigger for trigger in target.triggers.of_tables if trigger.table_oid in loaded),
        target.triggers.of_events,
    )
    deferral = planner.plan(order.closing, plan_suspensions(triggers.of_tables))
    return Plan(
        export_id=export.id,
        source_database=source_database,
        tables=order.tables,
        warnings=(
            *export.warnings,
            *_left_out(catalog.tables, match.exported),
            *trigger_warnings(triggers),
            *_unchecked(planner, policy),
        ),
        problems=(
            *export.problems,
            *match.problems,
            *partitions.problems,
            *_unexported(catalog.tables, exported.keys() | partitions.skipped | match.ambiguous),
            *_unloadable([tables[oid] for oid in chosen], catalog.filled),
            *part_problems,
            *order.problems,
            *_unready(target, policy, deferral),
        ),
        catalog=catalog,
        deferral=deferral,
        policy=policy,
        partitions=below,
    )


def _with_families(oids: Iterable[int], below: Mapping[int, Sequence[int]]) -> set[int]:
    """The tables, those that they are partitions of, and their own partitions."""
    found = set(oids)
    for parent, partitions in below.items():
        if parent in found or not found.isdisjoint(partitions):
            found.update((parent, *partitions))
    return found


def _self_referencing(keys: Iterable[ForeignKey]) -> set[int]:
    return {key.table_oid for key in keys if key.table_oid == key.referenced_oid}


def _unchecked(planner: DeferralPlanner, policy: Policy) -> Iterator[str]:
    if policy.foreign_keys is ForeignKeys.UNCHECKED:
        yield (
            f"the foreign keys from and to {len(planner.loaded)} tables are not checked, neither during the load nor "
            "after it: rows that break them will be there, and nobody will be told"
        )


def _unready(target: Survey, policy: Policy, deferral: Deferral) -> Iterator[DbrestoreError]:
    """Why nothing can be taken down, or left unchecked."""
    if target.journal.problem:
        yield target.journal.problem
    if target.journal.obstacle and deferral.objects:
        yield target.journal.obstacle
    if policy.foreign_keys is ForeignKeys.UNCHECKED and not target.may_uncheck:
        hint = (
            "GRANT SET ON PARAMETER session_replication_role to it (PostgreSQL 15 and later), or choose another policy."
        )
        yield PrivilegeError("the role may not leave foreign keys unchecked", hint=hint)


def _count_rows(source: ExportedTable, footers: Mapping[str, Footer | PartError]) -> int:
    found = (footers[part.key] for part in source.parts)
    return sum(footer.rows for footer in found if not isinstance(footer, PartError))


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
    if names := [table.dotted for table in tables if table.filters_rows]:
        hint = "ALTER TABLE … NO FORCE ROW LEVEL SECURITY for the time of the restore, or use a role with BYPASSRLS."
        problems.append(PrivilegeError(f"row security filters what the role sees of {list_names(names)}", hint=hint))
    if names := [table.dotted for table in tables if table.has_heirs]:
        problems.append(SchemaError(f"others inherit from {list_names(names)}: whose rows these are cannot be told"))
    return problems


def _plan_tables(
    tables: Mapping[int, Table], chosen: Mapping[int, ExportedTable], footers: Mapping[str, Footer | PartError]
) -> tuple[dict[int, PlannedTable], list[DbrestoreError]]:
    planned: dict[int, PlannedTable] = {}
    problems: list[DbrestoreError] = []
    for oid, source in chosen.items():
        planned[oid], found = _plan_table(tables[oid], source, footers)
        problems += found
    return planned, problems


def _plan_table(
    table: Table, source: ExportedTable, footers: Mapping[str, Footer | PartError]
) -> tuple[PlannedTable, list[DbrestoreError]]:
    problems: list[DbrestoreError] = []
    parts: list[PlannedPart] = []
    first: tuple[StoredFile, pa.Schema] | None = None
    for file in source.parts:
        footer = footers[file.key]
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
