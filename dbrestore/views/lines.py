"""Plain lines, for what is no terminal: a log of cron, a file, a pipe."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TextIO

from dbrestore.events import Level, Observed
from dbrestore.views.sentences import how_far, sentences
from dbrestore.views.view import View

if TYPE_CHECKING:
    from dbrestore.events import Event
    from dbrestore.tally import Tally

LINE_INTERVAL = 10.0
"""Seconds between two lines while nothing else is to be said."""


class Lines(View):
    """Writes a line for what happens, and one now and then while nothing does."""

    def __init__(self, stream: TextIO, level: Level = Level.NORMAL) -> None:
        self._stream = stream
        self._level = level
        self._said = time.monotonic()
        self.wants_statements = level >= Level.TRACE
        self.figures_interval = LINE_INTERVAL if level > Level.QUIET else None

    def show(self, event: Event, tally: Tally) -> None:
        """Say it."""
        if event.level <= self._level and not isinstance(event, Observed):
            for line in sentences(event, tally):
                self._say(line)

    def tick(self, tally: Tally) -> None:
        """Say how far the run is, if nothing was said for a while."""
        if self._level > Level.QUIET and time.monotonic() - self._said >= LINE_INTERVAL:
            self._say(how_far(tally))

    def _say(self, line: str) -> None:
        self._said = time.monotonic()
        print(line, file=self._stream, flush=True)
