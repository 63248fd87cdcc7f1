"""What people and programs read of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbrestore.verification.verdicts import Difference, ShownRow, Verdict
    from dbrestore.verify import Verified


def verified_lines(verified: Verified) -> Iterator[str]:
    """A comparison for people, a line for each table."""
    yield f"{verified.export_id}: {verified.source_database} and {verified.target_database}"
    yield ""
    for verdict in verified.verdicts:
        yield f"{_state(verdict):<11} {verdict.table.table.dotted}, {verdict.found:,} rows"
    yield from (f"note: {note}" for note in verified.findings.notes)


def _state(verdict: Verdict) -> str:
    if not verdict.is_right:
        return "differs"
    return "equal" if verdict.is_content_compared else "as many"


def verified_object(verified: Verified) -> dict[str, Any]:
    """A comparison for programs: what `verify --json` prints."""
    return {
        "export_id": verified.export_id,
        "source_database": verified.source_database,
        "target_database": verified.target_database,
        "is_equal": all(verdict.is_right for verdict in verified.verdicts),
        "tables": [_verdict_object(verdict) for verdict in verified.verdicts],
        "notes": list(verified.findings.notes),
        "warnings": list(verified.findings.warnings),
    }


def _verdict_object(verdict: Verdict) -> dict[str, Any]:
    table = verdict.table.table
    return {
        "schema": table.schema,
        "name": table.name,
        "rows_in_export": verdict.table.rows,
        "rows_in_target": verdict.found,
        "is_equal": verdict.is_right,
        "is_content_compared": verdict.is_content_compared,
        "difference": _difference_object(verdict.difference) if verdict.difference else None,
    }


def _difference_object(difference: Difference) -> dict[str, Any]:
    return {
        "only_in_export": difference.only_in_export,
        "only_in_target": difference.only_in_target,
        "is_exact": difference.is_exact,
        "may_be_of_form": difference.is_by_form,
        "rows": [_row_object(row) for row in difference.rows],
    }


def _row_object(row: ShownRow) -> dict[str, Any]:
    return {"part": row.part, "row": row.row, "values": dict(row.values)}
