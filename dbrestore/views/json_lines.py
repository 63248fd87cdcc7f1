"""Lines of JSON, for programs that collect logs."""

from __future__ import annotations

import json
import re
import time
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from dbrestore.events import Level
from dbrestore.views.view import View

if TYPE_CHECKING:
    from dbrestore.events import Event
    from dbrestore.tally import Tally

PROGRESS_INTERVAL = 10.0
"""Seconds between two lines of how far the run is."""


class JsonLines(View):
    """Writes an object for each event: its time, its name, and its fields."""

    def __init__(self, stream: TextIO, level: Level = Level.NORMAL) -> None:
        self._stream = stream
        self._level = level
        self._told = time.monotonic()
        self.wants_statements = level >= Level.TRACE
        self.figures_interval = PROGRESS_INTERVAL if level > Level.QUIET else None

    def show(self, event: Event, tally: Tally) -> None:  # noqa: ARG002 - others need it
        """Write it."""
        if event.level <= self._level:
            self._write(event_name(type(event).__name__), as_object(event))

    def tick(self, tally: Tally) -> None:
        """Write how far the run is, every few seconds."""
        if self._level > Level.QUIET and time.monotonic() - self._told >= PROGRESS_INTERVAL:
            self._told = time.monotonic()
            self._write("progress", progress_object(tally))

    def _write(self, name: str, content: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        print(json.dumps({"time": now, "event": name, **content}), file=self._stream, flush=True)


def event_name(kind: str) -> str:
    """What logs call a kind of event: ``PartsLoaded`` is ``parts_loaded``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()


def as_object(event: Any) -> dict[str, Any]:
    """The fields of an event, but for those that are hidden."""
    return {field.name: _plain(getattr(event, field.name)) for field in fields(event) if not field.metadata}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return as_object(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return round(value, 3) if isinstance(value, float) else value


def progress_object(tally: Tally) -> dict[str, Any]:
    """How far a run is."""
    rate, left = tally.rate(), tally.seconds_left()
    rows, size = tally.reached()
    found: dict[str, Any] = {"stage": tally.stage, "seconds": round(tally.elapsed, 1)}
    if database := tally.database:
        planned = database.planned
        found |= {
            "rows": planned.loaded_rows + rows,
            "rows_total": planned.rows,
            "bytes": planned.loaded_bytes + size,
            "bytes_total": planned.bytes,
            "rows_per_second": round(rate.rows),
            "bytes_per_second": round(rate.bytes),
            "seconds_left_to_load": None if left is None else round(left),
            "tables": database.tables_loaded,
            "tables_total": planned.tables,
            "steps": database.steps_taken,
            "steps_total": database.steps,
        }
    return found
