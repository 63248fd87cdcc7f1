"""Whether what is to be done is what an unfinished run was doing. Pure."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from dbrestore.errors import DbrestoreError, UnfinishedRunError
from dbrestore.planning.naming import list_names
from dbrestore.target.journal import ABORT_HINT
from dbrestore.target.recorded import RecordedPart, RecordedRun, RecordedTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dbrestore.plan import Plan, PlannedTable
    from dbrestore.planning.choices import Choices
    from dbrestore.target.deferral.policy import Policy

HINT = f"Resume with what the run began with; or --restart empties what it loaded and begins anew; {ABORT_HINT}"
WITHOUT_EFFECT = ("strict", "if_not_empty")
"""Choices that only the beginning of a run asks for."""


def record_plan(plan: Plan, choices: Choices, rows_before: Mapping[int, int]) -> RecordedRun:
    """What the journal has of a plan. ``rows_before`` are those that tables keep, by oid."""
    tables = (_record_table(table, rows_before.get(table.table.oid, 0)) for table in plan.tables)
    return RecordedRun(
        plan.export_id, plan.source_database, record_settings(choices, plan.policy), tuple(tables), plan.skipped
    )


def record_settings(choices: Choices, policy: Policy) -> dict[str, Any]:
    """The settings that decide what is loaded and how; what is not set is left out."""
    settings = {**asdict(policy), **asdict(choices)}
    return {
        name: _as_json(value)
        for name, value in settings.items()
        if value not in (None, ()) and name not in WITHOUT_EFFECT
    }


def _as_json(value: Any) -> Any:
    return [_as_json(item) for item in value] if isinstance(value, tuple) else str(value)


def _record_table(table: PlannedTable, rows_before: int) -> RecordedTable:
    return RecordedTable(
        table.table.oid,
        table.table.dotted,
        tuple(f"{column.name}: {column.source} to {column.target.name}" for column in table.columns),
        table.copy_format.value,
        tuple(RecordedPart(part.file.key, part.file.size, part.file.version, part.rows) for part in table.parts),
        rows_before,
    )


def remaining_plan(plan: Plan, loaded: set[str]) -> Plan:
    """The same plan without the parts that are ``loaded``, by their keys."""
    tables = (
        replace(table, parts=tuple(part for part in table.parts if part.file.key not in loaded))
        for table in plan.tables
    )
    return replace(plan, tables=tuple(tables))


def find_changes(was: RecordedRun, now: RecordedRun) -> list[DbrestoreError]:
    """Why the run cannot be gone on with: each difference between what it was doing and what it would do now."""
    if was.export_id != now.export_id or was.source_database != now.source_database:
        shown = (f"{run.export_id} ({run.source_database})" for run in (was, now))
        return [_changed("the unfinished restore is of {}, not of {}".format(*shown))]
    return [_changed(change) for change in (*_settings_changes(was, now), *_table_changes(was, now))]


def _changed(message: str) -> UnfinishedRunError:
    return UnfinishedRunError(f"the run cannot be resumed: {message}", hint=HINT)


def _settings_changes(was: RecordedRun, now: RecordedRun) -> Iterator[str]:
    for name in sorted(was.settings.keys() | now.settings.keys()):
        before, after = was.settings.get(name), now.settings.get(name)
        if before != after:
            yield f"{name.replace('_', ' ')}: {_shown(before)} then, {_shown(after)} now"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join("=".join(item) if isinstance(item, list) else item for item in value)
    return "not given" if value is None else str(value)


def _table_changes(was: RecordedRun, now: RecordedRun) -> Iterator[str]:
    before, after = ({table.oid: table for table in run.tables} for run in (was, now))
    if gone := [before[oid].name for oid in before.keys() - after.keys()]:
        yield f"tables that it restored are not there any more, or made anew: {list_names(gone)}"
    if number := len((after.keys() | now.skipped) - (before.keys() | was.skipped)):
        yield f"{number} tables are there that were not when it began"
    for oid in before.keys() & after.keys():
        yield from _differences(before[oid], after[oid])


def _differences(was: RecordedTable, now: RecordedTable) -> Iterator[str]:
    if was.name != now.name:
        yield f"{was.name} is now {now.name}"
    if was.columns != now.columns:
        yield f"{was.name} had other columns: {_listed_changes(was.columns, now.columns) or 'in another order'}"
    elif was.copy_format != now.copy_format:
        yield f"{was.name} was loaded as {was.copy_format}, and would be as {now.copy_format}"
    if was.parts != now.parts:
        yield from _part_changes(was, now)


def _listed_changes(was: Sequence[str], now: Sequence[str]) -> str:
    gone = [f"{name} is gone" for name in was if name not in now]
    return list_names([*gone, *(f"{name} is new" for name in now if name not in was)])


def _part_changes(was: RecordedTable, now: RecordedTable) -> Iterator[str]:
    before, after = ({part.key: part for part in table.parts} for table in (was, now))
    changed = [key for key in before.keys() & after.keys() if before[key] != after[key]]
    for what, keys in (
        ("are gone", before.keys() - after.keys()),
        ("are new", after.keys() - before.keys()),
        ("have another size, version or number of rows", changed),
    ):
        if keys:
            yield f"{was.name}: parts {what}: {list_names(list(keys))}"
