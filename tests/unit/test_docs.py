from __future__ import annotations

import re
from pathlib import Path

from dbrestore import events
from dbrestore.options import DATABASES, DIFFERENCES, SELECTION, TARGET
from dbrestore.views.json_lines import event_name
from dbrestore.views.metrics_file import metrics_text
from tests.unit.runs import whole_run

DOCS = Path(__file__).parents[2] / "docs"
CONNECTIONS_PAGE = (DOCS / "connections.md").read_text()
DIFFERENCES_PAGE = (DOCS / "differences.md").read_text()
WATCHING_PAGE = (DOCS / "watching.md").read_text()


def test_the_page_on_differences_tells_of_all_options_and_of_no_others() -> None:
    known = {*DATABASES, *SELECTION, *DIFFERENCES, "restart"}
    told = {flag.replace("-", "_") for flag in re.findall(r"--([a-z][a-z-]+)", DIFFERENCES_PAGE)}
    assert told - set(TARGET) == known - {"strict"} | {"no_strict"}


def test_the_page_on_connections_tells_of_all_options() -> None:
    told = {flag.replace("-", "_") for flag in re.findall(r"--([a-z][a-z-]+)", CONNECTIONS_PAGE)}
    assert set(TARGET) <= told


def test_the_page_on_watching_tells_of_all_events_and_figures() -> None:
    told = set(re.findall(r"`([a-z_]+)`", WATCHING_PAGE))
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event)]
    assert {event_name(kind.__name__) for kind in kinds if kind is not events.Event} <= told
    assert set(re.findall(r"^# HELP (\w+)", metrics_text(whole_run([]).tally, 1.0), re.MULTILINE)) <= told
