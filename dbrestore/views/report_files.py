"""The report of a run, in a file that is written when the run is over, whatever became of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dbrestore.report.files import check_writable, write_whole
from dbrestore.report.recording import Recording
from dbrestore.report.runs import run_object
from dbrestore.views.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dbrestore.events import Event
    from dbrestore.report.runs import Conditions
    from dbrestore.tally import Tally


class ReportFiles(View):
    """Writes reports: a page where a file's name ends in .html, else JSON."""

    def __init__(self, paths: Sequence[Path], conditions: Conditions) -> None:
        self._paths = paths
        self._conditions = conditions
        self._recording = Recording()

    def open(self) -> None:
        """Raise UsageError if a report could not be written."""
        for path in self._paths:
            check_writable(path)

    def show(self, event: Event, tally: Tally) -> None:
        """Remember it."""
        self._recording.add(event, tally)

    def close(self, tally: Tally) -> None:
        """Write the reports. Raises DbrestoreError."""
        run = run_object(tally, self._recording, self._conditions)
        for path in self._paths:
            if path.suffix == ".html":
                from dbrestore.report.levels import level_graph  # noqa: PLC0415 - with Jinja, which others need not
                from dbrestore.report.pages import render_run  # noqa: PLC0415

                graphs = [level_graph(database.planned.plan) for database in tally.databases]
                write_whole(path, render_run(run, graphs))
            else:
                write_whole(path, json.dumps(run, indent=2) + "\n")
