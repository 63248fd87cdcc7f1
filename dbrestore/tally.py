"""How far a run is, as its events tell."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

from dbrestore.events import (
    Began,
    Ended,
    Failed,
    Finished,
    Kind,
    Observed,
    PartsLoaded,
    Planned,
    Retrying,
    StageEntered,
    StepsCounted,
    Warned,
)
from dbrestore.target.recorded import Phase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbrestore.events import Activity, Event
    from dbrestore.plan import PlannedTable
    from dbrestore.target.activity import Figure

RATE_WINDOW = 30.0
"""Seconds over which the present rate is taken."""
SLOWEST_SHOWN = 5


@dataclass(slots=True)
class TableTally:
    """How far a table is."""

    planned: PlannedTable
    parts_left: int
    rows: int = 0
    """That this run has loaded."""
    seconds: dict[Kind, float] = field(default_factory=dict)
    """That connections were busy with it, by what they did."""

    @property
    def all_seconds(self) -> float:
        """That connections were busy with it, whatever they did."""
        return sum(self.seconds.values())


@dataclass(slots=True)
class DatabaseTally:
    """How far the restore of a database is."""

    planned: Planned
    began: float
    tables: dict[int, TableTally]
    """By oid."""
    rows: int = 0
    """That this run has loaded."""
    bytes: int = 0
    steps: int = 0
    """Of putting back."""
    steps_taken: int = 0
    finished: Finished | None = None

    @property
    def tables_loaded(self) -> int:
        """All of whose parts are in the target."""
        return sum(not table.parts_left for table in self.tables.values())

    def slowest(self, number: int = SLOWEST_SHOWN) -> list[TableTally]:
        """The tables that took longest."""
        return sorted(self.tables.values(), key=lambda table: -table.all_seconds)[:number]


@dataclass(frozen=True, slots=True)
class Rate:
    """Of the last half minute."""

    rows: float
    """A second."""
    bytes: float


@dataclass(slots=True)
class Tally:
    """All that the events have told."""

    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    entered: str = "starting"
    """The stage, as the run calls it."""
    databases: list[DatabaseTally] = field(default_factory=list)
    activities: dict[int, Activity] = field(default_factory=dict)
    """What is being done, by the process at the other end of the connection."""
    figures: dict[int, Figure] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    retries: list[Retrying] = field(default_factory=list)
    failed: Failed | None = None
    _started: float = field(default_factory=time.monotonic)
    _samples: deque[tuple[float, int, int]] = field(default_factory=deque)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    @property
    def stage(self) -> str:
        """What the run does: all is put back as soon as it can be, but people think of that as what comes last."""
        database = self.database
        is_loaded = database is not None and database.tables_loaded == len(database.tables)
        return "putting back" if self.entered == Phase.LOADING and is_loaded else self.entered

    @property
    def database(self) -> DatabaseTally | None:
        """The one that is being restored."""
        return self.databases[-1] if self.databases else None

    def free_place(self) -> int:
        """The number, below 0, of a load whose connection is not known here."""
        return next(place for place in count(-1, -1) if place not in self.activities)

    def add(self, event: Event) -> None:
        """Something happened."""
        match event:
            case StageEntered(stage=stage):
                self.entered = stage
            case Warned(warning=warning):
                self.warnings.append(warning)
            case Retrying():
                self.retries.append(event)
            case Failed():
                self.failed = event
            case Observed(figures=figures):
                self.figures = {figure.pid: figure for figure in figures}
            case _:
                self._add_work(event)

    def _add_work(self, event: Event) -> None:
        match event:
            case Began(activity=activity):
                self.figures.pop(activity.pid, None)
                self.activities[activity.pid] = activity
            case Ended():
                self._end(event)
            case PartsLoaded() if self.database:
                self.database.rows += event.rows
                self.database.bytes += event.bytes
                table = self.database.tables[event.table_oid]
                table.rows += event.rows
                table.parts_left -= len(event.files)
            case StepsCounted(steps=steps) if self.database:
                self.database.steps = steps
            case Finished() if self.database:
                self.database.finished = event
            case _:
                pass

    def begin(self, planned: Planned, tables: dict[int, TableTally]) -> None:
        """The restore of a database begins, or begins again where this run had to go on by the journal."""
        began = self.elapsed
        if (
            (last := self.database)
            and last.finished is None
            and last.planned.target_database == planned.target_database
        ):
            began = self.databases.pop().began
        self.databases.append(DatabaseTally(planned, began, tables))
        self._samples.clear()

    def _end(self, event: Ended) -> None:
        activity = event.activity
        self.activities.pop(activity.pid, None)
        self.figures.pop(activity.pid, None)
        if self.database is None:
            return
        if activity.kind is Kind.PUT_BACK and not event.has_failed:
            self.database.steps_taken += 1
        if (table := self.database.tables.get(activity.table_oid or 0)) is not None:
            table.seconds[activity.kind] = table.seconds.get(activity.kind, 0.0) + event.seconds

    def reached(self) -> tuple[int, int]:
        """Rows and bytes that this run has loaded, with those that the server has of what is being loaded."""
        if self.database is None:
            return 0, 0
        rows, size = self.database.rows, self.database.bytes
        for share, activity in self._shares():
            rows += int(share * activity.rows)
            size += int(share * activity.bytes)
        return rows, size

    def _shares(self) -> Iterator[tuple[float, Activity]]:
        for pid, activity in self.activities.items():
            figure = self.figures.get(pid)
            if figure and activity.kind is Kind.LOAD and activity.rows:
                yield min(figure.done / activity.rows, 1.0), activity

    def sample(self) -> None:
        """Take note of how far the run is now."""
        now = self.elapsed
        self._samples.append((now, *self.reached()))
        while now - self._samples[0][0] > RATE_WINDOW and len(self._samples) > 2:
            self._samples.popleft()

    def rate(self) -> Rate:
        """By the samples of the last half minute; of all the time where there are none."""
        rows, size = self.reached()
        began = self.database.began if self.database else 0.0
        then, rows_then, size_then = self._samples[0] if self._samples else (began, 0, 0)
        seconds = max(self.elapsed - then, 0.001)
        return Rate(max(rows - rows_then, 0) / seconds, max(size - size_then, 0) / seconds)

    def seconds_left(self) -> float | None:
        """Until all parts are loaded, at the present rate; None where that cannot be told."""
        if self.database is None:
            return None
        planned = self.database.planned
        rate, (_, size) = self.rate().bytes, self.reached()
        left = planned.bytes - planned.loaded_bytes - size
        return max(left, 0) / rate if rate else None
