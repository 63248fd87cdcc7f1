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
from dbrestore.planning.existing import keep_recorded, treat_existing
from dbrestore.planning.findings import Findings
from dbrestore.planning.inheritance import Heirs, choose_inherited
from dbrestore.planning.naming import list_names
from dbrestore.planning.order import dangling_keys, order_tables
from dbrestore.planning.partitions import FamilyRows, Relative, choose_partitions
from dbrestore.planning.selection import ColumnPattern
from dbrestore.planning.unmatched import find_unmatched
from dbrestore.target.catalog import TableKind
from dbrestore.target.deferral.model import Deferral
from dbrestore.target.deferral.planning import DeferralPlanner
from dbrestore.target.deferral.policy import ForeignKeys, Policy
from dbrestore.target.triggers import plan_suspensions, trigger_warnings
from dbrestore.wire.registry import CopyFormat, WireColumn, text_reasons

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    from dbrestore.target.catalog import Catalog, Table
    from dbrestore.target.journal import Journal
    from dbrestore.target.post_data import ForeignKey
    from dbrestore.target.recorded import RecordedRun
    from dbrestore.target.survey import Survey

    Footers: TypeAlias = Mapping[str, Footer | PartError]


MIXED_HINT = "Two exports may be mixed in the table's folder: copy that from one export's bucket again."

SMALL_ROWS = 1000
"""Of a table, up to which taking an index down and building it takes longer than the look-ups it is spared for."""
LEAST_SMALL = 32
"""Small tables: where there are fewer, what is saved is not worth mentioning."""


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """A part that will be loaded."""

    file: StoredFile
    rows: int
    """By its footer; 0 if that was not read."""
    row_bytes: int = 0
    """Of its average row, by its footer, in the row group that has the largest."""


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
    together: frozenset[int] = frozenset()
    """Oids of the tables that it is loaded with in one transaction, itself among them: a cycle of deferrable keys."""
    level: int = 0
    """Of the graph of the foreign keys that stay in place; 0 references nothing."""
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
    notes: tuple[str, ...] = ()
    """What was chosen where there was more than one way, and what is left out because the user wants that."""
    milestones: Mapping[int, frozenset[int]] = field(default_factory=dict)
    """Oids of the planned partitions of each partitioned table that others reference."""
    truncated: tuple[tuple[Table, ...], ...] = ()
    """What is emptied before anything is loaded, by a TRUNCATE for each group."""
    skipped: frozenset[int] = frozenset()
    """Oids of the tables that are left alone because they have rows."""
    foreign_keys: tuple[ForeignKey, ...] = ()
    """All that are declared in the target, whatever becomes of them."""
    is_journaled: bool = True
    """The role may keep a journal. Without one, nothing comes down and the run cannot be resumed."""

    @property
    def target_database(self) -> str:
        """Its name."""
        return self.catalog.database


def build_plan(
    draft: Draft, footers: Footers, policy: Policy, resumed: RecordedRun | None = None, *, may_spare: bool = True
) -> Plan:
    """Make a plan of what names alone tell and the ``footers`` of the draft's files, by key.

    A part whose footer cannot be used has what is wrong with it instead; one whose footer was not read has none.
    The plan to go on with the run ``resumed`` is that of its tables, and takes nothing down: that is done. With
    ``may_spare`` the indexes of many small tables stay in place as long as nothing is in the way of their loads.
    """
    catalog, families, target = draft.catalog, draft.families, draft.target
    below = families.oids_below()
    chosen, partitions, inherited = choose_folders(draft, footers, policy)
    without_rows = [families.tables[oid] for oid in (partitions.empty | inherited.skipped) & draft.selected]
    if resumed:
        existing = keep_recorded(chosen, resumed)
    else:
        existing = treat_existing([*chosen, *without_rows], families, target, draft.choices.if_not_empty)
    planned, found = plan_tables([table for table in chosen if table.oid not in existing.skipped], draft, footers)
    planner = _planner(draft, planned, below, policy, _small(planned.values()) if may_spare else frozenset())
    order = order_tables(planned.keys(), families, planner.binding, planner.removable)
    triggers = replace(
        target.triggers, of_tables=tuple(each for each in target.triggers.of_tables if each.table_oid in planner.loaded)
    )
    deferral = planner.plan(order.closing, plan_suspensions(triggers.of_tables))
    if resumed:
        deferral = Deferral(spared=deferral.spared)
    findings = Findings(warnings=list(draft.export.warnings))
    for decided in (find_unmatched(draft, partitions), partitions.findings, inherited.findings, existing.findings):
        findings.add(decided)
    findings.problems += (footer for footer in footers.values() if isinstance(footer, PartError))
    findings.problems += _unwritable(chosen)
    findings.add(found)
    findings.problems += order.problems
    if not resumed:
        findings.add(_journal_findings(target.journal, deferral))
    findings.problems += _forbidden_policy(target, policy)
    restored = {table.oid for table in chosen}
    findings.warnings += dangling_keys(restored, families, target.post_data.declared_keys, planner.removable)
    findings.warnings += (*trigger_warnings(triggers), *_unchecked(planner, policy))
    return Plan(
        export_id=draft.export.id,
        source_database=draft.source_database,
        tables=_sorted(planned, order, existing),
        warnings=tuple(findings.warnings),
        problems=tuple(findings.problems),
        catalog=catalog,
        deferral=deferral,
        policy=policy,
        partitions=below,
        notes=tuple(findings.notes),
        milestones=order.milestones,
        truncated=existing.truncated,
        skipped=frozenset(existing.skipped),
        foreign_keys=target.post_data.declared_keys,
        is_journaled=target.journal.obstacle is None,
    )


def choose_folders(
    draft: Draft, footers: Footers, policy: Policy
) -> tuple[list[Table], PartitionChoice, InheritanceChoice]:
    """The tables whose folders hold the rows of all that is selected, each row once; and why these."""
    catalog, families = draft.catalog, draft.families
    rows = {oid: _count_rows(draft.match.exported[oid], footers) for oid in draft.counted}
    planner = _planner(draft, draft.selected & draft.counted, families.oids_below(), policy)
    partitions = choose_partitions(
        families, _family_rows(draft, rows, footers, planner), draft.selected, draft.choices.partitions
    )
    inherited = choose_inherited(Heirs(catalog.tables), rows, draft.selected, draft.choices.inherited)
    return _chosen(draft, partitions, inherited), partitions, inherited


def _planner(
    draft: Draft,
    oids: Iterable[int],
    below: Mapping[int, Sequence[int]],
    policy: Policy,
    small: frozenset[int] = frozenset(),
) -> DeferralPlanner:
    loaded = _with_families(oids, below)
    return DeferralPlanner(draft.target.post_data, loaded, below, policy, draft.catalog.server_version, small)


def _small(tables: Iterable[PlannedTable]) -> frozenset[int]:
    """Oids of the tables with few rows, where there are many of these."""
    found = frozenset(table.table.oid for table in tables if table.is_counted and table.rows <= SMALL_ROWS)
    return found if len(found) >= LEAST_SMALL else frozenset()


def _with_families(oids: Iterable[int], below: Mapping[int, Sequence[int]]) -> set[int]:
    """The tables, those that they are partitions of, and their own partitions."""
    found = set(oids)
    for parent, partitions in below.items():
        if parent in found or not found.isdisjoint(partitions):
            found.update((parent, *partitions))
    return found


def _unchecked(planner: DeferralPlanner, policy: Policy) -> Iterator[str]:
    if policy.foreign_keys is ForeignKeys.UNCHECKED:
        yield (
            f"the foreign keys from and to {len(planner.loaded)} tables are not checked, neither during the load nor "
            "after it: rows that break them will be there, and nobody will be told"
        )


def _journal_findings(journal: Journal, deferral: Deferral) -> Findings:
    """Why there can be no new run, or none that takes something down, or none that can be resumed."""
    findings = Findings()
    if journal.problem:
        findings.problems.append(journal.problem)
    if journal.obstacle and (deferral.objects or deferral.spared):
        findings.problems.append(journal.obstacle)
    elif journal.obstacle:
        findings.warnings.append(f"{journal.obstacle.message}: the restore could not be resumed")
    return findings


def _forbidden_policy(target: Survey, policy: Policy) -> Iterator[DbrestoreError]:
    if policy.foreign_keys is ForeignKeys.UNCHECKED and not target.may_uncheck:
        hint = (
            "GRANT SET ON PARAMETER session_replication_role to it (PostgreSQL 15 and later), or choose another policy."
        )
        yield PrivilegeError("the role may not leave foreign keys unchecked", hint=hint)


def _count_rows(source: ExportedTable, footers: Footers) -> int:
    found = (footers.get(part.key) for part in source.parts)
    return sum(footer.rows for footer in found if footer is not None and not isinstance(footer, PartError))


def _family_rows(draft: Draft, rows: Mapping[int, int], footers: Footers, planner: DeferralPlanner) -> FamilyRows:
    relatives = {}
    for oid in draft.counted:
        resembling = draft.resembling.get(signature(draft.match.exported[oid]), ())
        if resembling and draft.families.tables[oid].kind is TableKind.PARTITIONED:
            relatives[oid] = [
                Relative(source.name, _count_rows(source, footers), is_in_target=other is not None)
                for other, source in resembling
            ]
    together = {key.table_oid for key in planner.binding if key.table_oid == key.referenced_oid}
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
    problems: list[DbrestoreError] = []
    tables = list(tables)
    if names := [table.dotted for table in tables if not table.is_writable]:
        hint = "GRANT SELECT, INSERT on the tables and USAGE on their schemas, or use the role that owns them."
        problems.append(PrivilegeError(f"the role may not read and write {list_names(names)}", hint=hint))
    if names := [table.dotted for table in tables if table.filters_rows]:
        hint = "ALTER TABLE … NO FORCE ROW LEVEL SECURITY for the time of the restore, or use a role with BYPASSRLS."
        problems.append(PrivilegeError(f"row security filters what the role sees of {list_names(names)}", hint=hint))
    return problems


def plan_tables(
    tables: Sequence[Table], draft: Draft, footers: Footers, *, is_compared: bool = False
) -> tuple[dict[int, PlannedTable], Findings]:
    """The parts and columns of tables that are to be loaded, or ``is_compared``, by oid."""
    ignored = tuple(map(ColumnPattern, draft.choices.ignore_extra_columns))
    columns = ColumnFindings()
    problems: list[DbrestoreError] = []
    planned = {}
    for table in tables:
        source = draft.match.exported[table.oid]
        parts, schema, found = _plan_parts(source, footers)
        problems += found
        match = match_columns(table, schema, ignored) if schema is not None else ColumnMatch()
        columns.add(table, match.without_target_only() if is_compared else match)
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
            problems.append(PartError(f"{file.key} has other columns or types than {first[0].key}", hint=MIXED_HINT))
        if footer.rows:
            parts.append(PlannedPart(file, footer.rows, footer.row_bytes))
    return tuple(parts), first[1] if first else None, problems


def _sorted(planned: Mapping[int, PlannedTable], order: Order, existing: ExistingRows) -> tuple[PlannedTable, ...]:
    """The tables in the order of loading."""
    tables = [
        replace(
            table,
            after=order.after[oid],
            references_itself=oid in order.self_referencing,
            together=order.together.get(oid, frozenset()),
            level=order.levels[oid],
            keeps_rows=oid in existing.appended,
        )
        for oid, table in planned.items()
    ]
    return tuple(sorted(tables, key=lambda table: (table.level, -table.size, table.table.dotted)))
