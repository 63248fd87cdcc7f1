"""Which views a run has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

from dbrestore.events import Level
from dbrestore.views.json_lines import JsonLines
from dbrestore.views.lines import Lines

if TYPE_CHECKING:
    from dbrestore.views.view import View

DUMB = {"", "dumb", "unknown"}
DEFAULT_TERM = "windows" if os.name == "nt" else "dumb"
"""Windows' terminals have no TERM; one that has none elsewhere is not to be relied upon."""


def choose_view(stream: TextIO, level: Level, *, as_json: bool = False) -> View:
    """What people, or the collectors of logs, see on ``stream``: live on a terminal, lines elsewhere."""
    if as_json:
        return JsonLines(stream, level)
    if level is not Level.QUIET and stream.isatty() and os.environ.get("TERM", DEFAULT_TERM) not in DUMB:
        from rich.console import Console  # noqa: PLC0415 - takes a while, and cron does not need it

        from dbrestore.views.terminal import Terminal  # noqa: PLC0415

        return Terminal(Console(file=stream), level)
    return Lines(stream, level)
