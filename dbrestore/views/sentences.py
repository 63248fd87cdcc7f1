"""Events as lines for people. What restores say often has a test: the words are part of what users rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbrestore import events
from dbrestore.printing import printable
from dbrestore.report.quantities import clock, counted, readable_bytes, readable_rate, readable_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbrestore.events import Event
    from dbrestore.tally import DatabaseTally, Tally
    from dbrestore.timing import RestoreTimes

ACTIVITIES_SHOWN = 4
"""In a line of how far a run is."""
SLOW_SECONDS = 10.0
"""Runs that took less need not hear which tables were slow."""


def sentences(event: Event, tally: Tally) -> Iterator[str]:
    """What to say of an event: one line, a few, or none."""
    for line in _sentences(event, tally):
        yield printable(line)


def _sentences(event: Event, tally: Tally) -> Iterator[str]:  # noqa: C901 - one case for each kind of event
    match event:
        case events.Told(line=line):
            yield line
        case events.Noted(note=note):
            yield f"note: {note}"
        case events.Warned(warning=warning):
            yield f"warning: {warning}"
        case events.Planned():
            yield from _planned(event)
        case events.PartsLoaded():
            yield f"{event.table}: {event.rows:,} rows of {', '.join(event.files)}"
        case events.Retrying() if not event.is_repeated:
            yield f"{event.error}; trying again in {event.wait:.1f} s"
        case events.Ended():
            yield from _ended(event)
        case events.Executed():
            yield f"sql: {event.pid} {event.seconds * 1000:.1f} ms: {' '.join(event.statement.split())}{_error(event)}"
        case events.LeftUnfinished():
            yield f"the restore is unfinished; its journal is the schema {event.schema} of the target"
            yield f"hint: {event.hint}"
        case events.Aborted():
            yield f"put back {event.objects} keys, indexes and triggers in {event.seconds:.1f} s"
        case events.NothingToAbort():
            yield "no restore is unfinished: there is nothing to put back"
        case events.Finished() if tally.database:
            yield from summary(event, tally.database)
        case _:
            return


def _planned(event: events.Planned) -> Iterator[str]:
    yield (
        f"restoring {event.tables} tables, {event.rows:,} rows of {event.export_id} ({event.source_database}) "
        f"into {event.target_database}"
    )
    if event.loaded_parts:
        yield f"going on: {event.loaded_parts:,} of {event.parts:,} parts, {event.loaded_rows:,} rows are loaded"


def _ended(event: events.Ended) -> Iterator[str]:
    activity = event.activity
    if activity.kind is events.Kind.LOAD:  # its parts have a line of their own
        return
    end = "failed after" if event.has_failed else "done in"
    yield f"{activity.kind} {activity.name}: {end} {readable_seconds(event.seconds)}"


def _error(event: events.Executed) -> str:
    return f": {event.error}" if event.error else ""


def summary(event: events.Finished, tally: DatabaseTally) -> Iterator[str]:
    """What was restored, and which tables took longest."""
    seconds = max(event.seconds, 0.001)
    rate = readable_rate(event.loaded_rows / seconds, event.loaded_bytes / seconds)
    yield (
        f"restored {event.tables} tables, {event.rows:,} rows ({readable_bytes(event.bytes)}) "
        f"in {readable_seconds(event.seconds)}, {rate}; {event.verification}"
    )
    if event.seconds >= SLOW_SECONDS:
        slowest = (f"{entry.planned.table.dotted} {readable_seconds(entry.all_seconds)}" for entry in tally.slowest())
        yield f"slowest: {', '.join(slowest)}"
    yield from time_lines(event.times)


def time_lines(times: RestoreTimes) -> Iterator[str]:
    """Where the time went."""
    yield f"time: {', '.join(f'{stage} {seconds:.1f} s' for stage, seconds in times.stages.items())}"
    total = times.total
    if not total.waiting_for_server:  # nothing was loaded
        return
    yield (
        f"in all jobs together: waiting for storage {total.waiting_for_storage:.1f} s, for decoding "
        f"({total.decoding:.1f} s of work) and encoding ({total.encoding:.1f} s) {total.waiting_for_client:.1f} s, for "
        f"the server {total.waiting_for_server:.1f} s; building keys and indexes {total.building:.1f} s"
    )


def how_far(tally: Tally) -> str:
    """A run in one line: rows, rate, time left, and what is being done."""
    database = tally.database
    if database is None:
        return f"{tally.stage}, since {clock(tally.elapsed)}"
    planned = database.planned
    rows = planned.loaded_rows + tally.reached()[0]
    line = f"{tally.stage}: {rows:,} of {planned.rows:,} rows"
    if rows < planned.rows:
        rate = tally.rate()
        line += f", {readable_rate(rate.rows, rate.bytes)}"
        if (left := tally.seconds_left()) is not None:
            line += f", {clock(left)} left to load"
    if database.steps:
        line += f"; {database.steps_taken:,} of {counted(database.steps, 'step')} of putting back"
    if doing := list(_doing(tally)):
        line += f"; {', '.join(doing)}"
    return printable(line)


def _doing(tally: Tally) -> Iterator[str]:
    activities = list(tally.activities.values())
    for activity in activities[:ACTIVITIES_SHOWN]:
        figure = tally.figures.get(activity.pid)
        share = f" {figure.share:.0%}" if figure and figure.share is not None else ""
        yield f"{activity.kind} {activity.name}{share}"
    if len(activities) > ACTIVITIES_SHOWN:
        yield f"and {len(activities) - ACTIVITIES_SHOWN} more"
