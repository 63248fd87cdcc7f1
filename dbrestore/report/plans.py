"""What people and programs read of an export and of a plan."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dbrestore.errors import DbrestoreError, SeveralProblemsError
from dbrestore.target.journal import UNFINISHED_HINT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbrestore.export.layout import Export, ExportedTable
    from dbrestore.plan import Plan, PlannedTable
    from dbrestore.target.deferral.model import Deferral
    from dbrestore.target.recorded import Summary

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
UNIT = 1024
KEPT_SHOWN = 20
"""Things that stay in place, in a plan for people."""


def plan_lines(plan: Plan) -> Iterator[str]:
    """A plan for people."""
    yield f"{plan.export_id}: {plan.source_database} into {plan.target_database}"
    yield ""
    yield from _aligned(
        [
            ("LEVEL", "TABLE", "PARTS", "ROWS", "SIZE", "FORMAT"),
            *(
                (
                    str(table.level),
                    table.table.dotted,
                    f"{len(table.parts):,}",
                    f"{table.rows:,}" if table.is_counted else "?",
                    readable_bytes(table.size),
                    table.copy_format.value,
                )
                for table in plan.tables
            ),
        ],
        right={0, 2, 3, 4},
    )
    if reasons := [f"  {table.table.dotted}.{reason}" for table in plan.tables for reason in table.text_reasons]:
        yield from ("", "as text, because of", *reasons)
    yield from _together_lines(plan)
    yield from _deferral_lines(plan.deferral)
    if plan.notes:
        yield from ("", *(f"note: {note}" for note in plan.notes))
    yield from (f"warning: {warning}" for warning in plan.warnings)


def _together_lines(plan: Plan) -> Iterator[str]:
    names = {table.table.oid: table.table.dotted for table in plan.tables}
    for oids in dict.fromkeys(table.together for table in plan.tables if table.together):
        yield ""
        yield f"loaded in one transaction: {', '.join(sorted(names[oid] for oid in oids))}"


def _deferral_lines(deferral: Deferral) -> Iterator[str]:
    if deferral.objects:
        yield from ("", f"taken down for the load, and put back after it: {count_kinds(deferral)}")
    if deferral.kept:
        yield from ("", "stays in place")
        yield from (f"  {kept.identity}: {kept.reason}" for kept in deferral.kept[:KEPT_SHOWN])
    if len(deferral.kept) > KEPT_SHOWN:
        yield f"  and {len(deferral.kept) - KEPT_SHOWN} more, which --json shows"


def count_kinds(deferral: Deferral) -> str:
    """What is taken down, by kind: ``foreign key: 4, index: 12``."""
    counts = Counter(str(deferred.kind) for deferred in deferral.objects)
    return ", ".join(f"{kind}: {number:,}" for kind, number in counts.items())


def plan_object(plan: Plan) -> dict[str, Any]:
    """A plan for programs: what `plan --json` prints."""
    return {
        "export_id": plan.export_id,
        "source_database": plan.source_database,
        "target_database": plan.target_database,
        "tables": [_table_object(table) for table in plan.tables],
        "deferred": [{"kind": deferred.kind, "identity": deferred.identity} for deferred in plan.deferral.objects],
        "kept": [asdict(kept) for kept in plan.deferral.kept],
        "truncated": [table.dotted for group in plan.truncated for table in group],
        "notes": list(plan.notes),
        "warnings": list(plan.warnings),
        "problems": [
            {"message": problem.message, "hint": problem.hint, "exit_code": problem.exit_code}
            for problem in plan.problems
        ],
    }


def _table_object(table: PlannedTable) -> dict[str, Any]:
    return {
        "schema": table.table.schema,
        "name": table.table.name,
        "level": table.level,
        "folder": table.folder,
        "parts": len(table.parts),
        "rows": table.rows if table.is_counted else None,
        "bytes": table.size,
        "format": table.copy_format.value,
        "text_reasons": list(table.text_reasons),
        "keeps_rows": table.keeps_rows,
    }


def status_lines(status: Summary | None) -> Iterator[str]:
    """How far an unfinished restore is, for people."""
    if status is None:
        yield "no restore is unfinished"
        return
    state = "running" if status.is_running else "not running: its process died, or was stopped"
    yield f"{status.export_id} ({status.source_database}), since {status.started_at:%Y-%m-%d %H:%M:%S} UTC"
    yield f"{status.phase}, {state}"
    yield f"tables  {status.tables_loaded:,} of {status.tables:,}"
    yield f"parts   {status.parts_loaded:,} of {status.parts:,}"
    yield f"rows    {status.rows_loaded:,} of {status.rows:,}"
    yield from (f"down    {identity}" for identity in status.down)
    if not status.is_running:
        yield f"hint: {UNFINISHED_HINT}"


def status_object(status: Summary | None) -> dict[str, Any]:
    """How far an unfinished restore is, for programs: what `status --json` prints."""
    if status is None:
        return {"is_unfinished": False}
    return {"is_unfinished": True, **asdict(status), "started_at": status.started_at.isoformat()}


def export_lines(export: Export, *, with_tables: bool) -> Iterator[str]:
    """An export's databases, or its tables, for people."""
    yield f"{export.id}: {export.info.status}, {export.url}"
    yield ""
    if with_tables:
        rows = [
            (table.database, table.name, f"{len(table.parts):,}", readable_bytes(_size(table)))
            for tables in export.tables.values()
            for table in tables
        ]
        yield from _aligned([("DATABASE", "TABLE", "PARTS", "SIZE"), *rows], right={2, 3})
    else:
        rows = [
            (
                database,
                f"{len(tables):,}",
                f"{sum(len(table.parts) for table in tables):,}",
                readable_bytes(sum(map(_size, tables))),
            )
            for database, tables in export.tables.items()
        ]
        yield from _aligned([("DATABASE", "TABLES", "PARTS", "SIZE"), *rows], right={1, 2, 3})


def problem_lines(error: DbrestoreError) -> Iterator[str]:
    """An error for people: what happened, and what to do."""
    if isinstance(error, SeveralProblemsError):
        for problem in error.problems:
            yield from problem_lines(problem)
        return
    yield f"error: {error.message}"
    if error.hint:
        yield f"hint: {error.hint}"


def readable_bytes(size: float) -> str:
    """``size`` bytes in the largest unit that leaves a number above 1: ``4.2 MiB``."""
    for unit in UNITS[:-1]:
        if size < UNIT:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= UNIT
    return f"{size:.1f} {UNITS[-1]}"


def _size(table: ExportedTable) -> int:
    return sum(part.size for part in table.parts)


def _aligned(rows: Sequence[tuple[str, ...]], right: set[int]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
