"""Tables, names and patterns that find nothing on the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, SchemaError, UsageError
from dbrestore.planning.draft import is_selected
from dbrestore.planning.findings import Findings
from dbrestore.planning.naming import list_names
from dbrestore.planning.renames import Renames
from dbrestore.planning.selection import TablePattern, possible_names
from dbrestore.target.catalog import TableKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbrestore.export.layout import ExportedTable
    from dbrestore.planning.draft import Draft
    from dbrestore.planning.partitions import PartitionChoice
    from dbrestore.target.catalog import Table


def find_unmatched(draft: Draft, partitions: PartitionChoice) -> Findings:
    """Everything that the export or the target has alone, but for what ``partitions`` account for."""
    findings = Findings(warnings=list(_left_alone(draft)))
    findings.add(_unused(draft))
    findings.problems += _incomplete(draft)
    findings.problems += [clash.problem for clash in draft.match.clashes if not clash.oids.isdisjoint(draft.selected)]
    findings.add(_extra(draft, partitions))
    findings.add(_missing(draft, partitions))
    return findings


def _unused(draft: Draft) -> Findings:
    choices, match = draft.choices, draft.match
    everything = [*match.names.values(), *(possible_names(source.name) for source in match.extra)]
    exported = {source.name for source in draft.export.tables.get(draft.source_database, ())}
    unused = [*draft.selection.unused(everything), *Renames.of(choices).unused(exported)]
    texts = [f"{option} matches nothing" for option in unused]
    if not draft.selected and not draft.selection.is_everything:
        texts.append("no table is left to be restored")
    if not choices.strict:
        return Findings(warnings=texts)
    return Findings(problems=[UsageError(text, hint="--no-strict lets that pass.") for text in texts])


def _incomplete(draft: Draft) -> Iterator[DbrestoreError]:
    """The export's own problems, but for those of tables that are not restored."""
    elsewhere = {id(problem) for source in _not_restored(draft) for problem in source.problems}
    return (problem for problem in draft.export.problems if id(problem) not in elsewhere)


def _not_restored(draft: Draft) -> Iterator[ExportedTable]:
    for database, tables in draft.export.tables.items():
        if database != draft.source_database:
            yield from tables
    yield from (source for oid, source in draft.match.exported.items() if oid not in draft.counted)
    for source in draft.match.extra:
        if not is_selected(draft.selection, source) or _is_ignored(draft, source):
            yield source


def _left_alone(draft: Draft) -> Iterator[str]:
    exported = draft.match.exported
    for table in draft.families.tables.values():
        if table.is_of_extension and table.oid in exported and table.oid not in draft.selected:
            if draft.selection.is_everything:
                yield f"{table.dotted} is left alone: it belongs to an extension"
        elif table.is_unlogged and table.oid in draft.selected and table.oid not in exported:
            yield f"{table.dotted} is left alone: AWS does not export unlogged tables"


def _extra(draft: Draft, partitions: PartitionChoice) -> Findings:
    renames = Renames.of(draft.choices)
    extra = [
        source
        for source in draft.match.extra
        if source.name not in partitions.dropped and is_selected(draft.selection, source)
    ]
    left_out = [source.name for source in extra if _is_ignored(draft, source)]
    unknown = [renames.shown(source.name) for source in extra if not _is_ignored(draft, source)]
    hint = (
        "The target needs the complete schema of the source, as of the snapshot; or leave these out: "
        "--ignore-extra-tables."
    )
    return _one_sided("in the export but not in the target", left_out, unknown, hint)


def _is_ignored(draft: Draft, source: ExportedTable) -> bool:
    return _is_any(map(TablePattern, draft.choices.ignore_extra_tables), possible_names(source.name))


def _missing(draft: Draft, partitions: PartitionChoice) -> Findings:
    ignored = tuple(map(TablePattern, draft.choices.ignore_missing_tables))
    ambiguous = {oid for clash in draft.match.clashes for oid in clash.oids}
    missing = [
        table
        for table in (*_missing_alone(draft), *partitions.missing)
        if table.oid not in ambiguous and not table.is_unlogged
    ]
    left_out: list[str] = []
    unknown: list[str] = []
    for table in missing:
        line = (table, *draft.families.above(table))
        names = left_out if any(_is_any(ignored, draft.match.names[each.oid]) for each in line) else unknown
        names.append(table.dotted)
    hint = "Drop them from the target, export the snapshot with them, or leave them alone: --ignore-missing-tables."
    return _one_sided("in the target but not in the export", left_out, unknown, hint)


def _missing_alone(draft: Draft) -> Iterator[Table]:
    """Tables outside of families, which decide together what they lack."""
    return (
        table
        for table in draft.families.tables.values()
        if table.oid in draft.selected
        and table.oid not in draft.match.exported
        and table.parent is None
        and table.kind is TableKind.TABLE
    )


def _one_sided(where: str, left_out: list[str], unknown: list[str], hint: str) -> Findings:
    findings = Findings()
    if left_out:
        findings.notes.append(f"{where}, and left at that: {list_names(left_out)}")
    if unknown:
        findings.problems.append(SchemaError(f"{where}: {list_names(unknown)}", hint=hint))
    return findings


def _is_any(patterns: Iterable[TablePattern], names: Iterable[tuple[str, str]]) -> bool:
    known = tuple(names)
    return any(pattern.matches(known) for pattern in patterns)
