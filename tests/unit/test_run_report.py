from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from dbrestore.errors import DataError, InterruptedRunError, UsageError
from dbrestore.events import Activity, Ended, Kind
from dbrestore.progress import Progress
from dbrestore.report.recording import MOST_ACTIVITIES, Recording
from dbrestore.report.runs import Conditions
from dbrestore.report.timelines import connection_lanes
from dbrestore.views.metrics_file import MetricsFile
from dbrestore.views.report_files import ReportFiles
from tests.unit.runs import HOSTILE, SHOWN_HOSTILE, small_plan, whole_run

if TYPE_CHECKING:
    from pathlib import Path

CONDITIONS = Conditions("restore", f"/exports/{HOSTILE}", {"jobs": 2, "include_tables": ["a*", HOSTILE]})
VOID = {"meta", "br"}


def fail(view: Any, error: BaseException) -> None:
    progress = Progress([view])

    def run() -> None:
        with progress.shown():
            progress.planned(small_plan())
            progress.warn(["odd"])
            raise error

    with pytest.raises(type(error)):
        run()


class Page(HTMLParser):
    """Collects tags, and looks whether each that is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_report_for_programs_has_what_was_done_by_whom_and_how_long_it_took(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    whole_run([ReportFiles([path], CONDITIONS)], warnings=["odd"])
    read = json.loads(path.read_text())
    assert (read["format"], read["outcome"], read["exit_code"], read["warnings"]) == (1, "done", 0, ["odd"])
    [database] = read["databases"]
    assert (database["rows"], database["rows_loaded"], database["is_finished"]) == (1510, 1510, True)
    assert [(table["name"], table["foreign_key_level"]) for table in database["tables"]] == [
        ("public.orders", 0),
        (f"public.{HOSTILE}", 1),
    ]
    assert database["stages"] == {"load": 2.0}
    assert (database["times"]["waiting_for_server"], database["times"]["encoding"]) == (1.5, 0.25)
    assert [table["times"].get("waiting_for_server") for table in database["tables"]].count(1.5) == 1
    [connection] = read["connections"]
    assert (connection["pid"], [activity["rows"] for activity in connection["activities"]]) == (7, [1000, 500, 10])
    assert read["conditions"]["settings"]["jobs"] == 2


def test_a_report_is_written_of_a_failure_too(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    fail(ReportFiles([path], CONDITIONS), DataError("public.orders, row 3: no", hint="Repair it."))
    read = json.loads(path.read_text())
    assert (read["outcome"], read["exit_code"]) == ("failed", 5)
    assert read["problems"] == [{"message": "public.orders, row 3: no", "hint": "Repair it."}]
    fail(ReportFiles([path], CONDITIONS), InterruptedRunError(143))
    assert json.loads(path.read_text())["outcome"] == "interrupted"
    assert list(tmp_path.iterdir()) == [path]


def test_a_page_needs_nothing_else_and_takes_no_name_for_html(tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    whole_run([ReportFiles([path], CONDITIONS)], warnings=[HOSTILE])
    text = path.read_text()
    page = Page(text)
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not [value for name, value in page.attributes if name in {"src", "href", "onclick", "onload"}]
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert "\x1b" not in text
    assert SHOWN_HOSTILE.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;") in text


def test_a_page_of_a_failure_says_what_happened_first(tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    fail(ReportFiles([path], CONDITIONS), DataError(f"{HOSTILE} row 3", hint="Repair it."))
    text = path.read_text()
    assert text.index("What needs attention") < text.index("Levels of the foreign keys")
    assert Page(text).open == []


def test_a_page_can_be_made_of_a_run_that_never_came_to_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    with pytest.raises(UsageError), Progress([ReportFiles([path], CONDITIONS)]).shown():
        raise UsageError("no")
    assert Page(path.read_text()).open == []


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    for path in (tmp_path / "missing" / "run.json", tmp_path):
        with pytest.raises(UsageError, match="cannot be written"):
            whole_run([ReportFiles([path], CONDITIONS)])


def test_what_reads_a_report_meanwhile_has_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("old")
    with path.open() as reader:
        whole_run([ReportFiles([path], CONDITIONS)])
        assert reader.read() == "old"
    assert path.stat().st_mode & 0o044


def ended(start: float, seconds: float, kind: Kind = Kind.LOAD, *, has_failed: bool = False) -> Ended:
    return Ended(Activity(kind, "t", 1, start), seconds, has_failed)


def test_a_report_of_a_million_parts_keeps_those_that_took_long() -> None:
    recording, tally = Recording(), Progress().tally
    for number in range(MOST_ACTIVITIES + 1):
        recording.add(ended(number, number), tally)
    assert len(recording.activities) == MOST_ACTIVITIES // 2
    assert recording.left_out == MOST_ACTIVITIES // 2 + 1
    assert min(each.seconds for each in recording.activities) == MOST_ACTIVITIES // 2 + 1


def test_what_is_too_short_to_be_seen_is_one_bar_with_its_neighbours_of_the_same_sort() -> None:
    activities = [
        {"kind": kind, "name": f"t{number}", "start": start, "seconds": seconds, "rows": 0, "has_failed": failed}
        for number, (kind, start, seconds, failed) in enumerate(
            [("loading", n * 0.01, 0.009, False) for n in range(50)]
            + [("loading", 10, 20, False), ("loading", 30.0, 0.01, True), ("analyzing", 30.01, 0.01, False)]
        )
    ]
    [lane] = connection_lanes({"seconds": 100, "connections": [{"pid": 1, "activities": activities}]})
    assert [(bar.kind, round(bar.left), round(bar.width)) for bar in lane.bars] == [
        ("loading", 0, 0),
        ("loading", 10, 20),
        ("loading failed", 30, 0),
        ("analyzing", 30, 0),
    ]
    assert lane.bars[0].title == "loading, 50 times, t0 to t49"


def figures(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return dict(line.rsplit(" ", 1) for line in lines)


DATABASE = '{source_database="shop",target_database="target"}'


def test_metrics_have_what_an_alert_needs(tmp_path: Path) -> None:
    path = tmp_path / "dbrestore.prom"
    whole_run([MetricsFile(path)], warnings=["odd"])
    read = figures(path)
    assert float(read["dbrestore_exit_code"]) == 0
    assert read["dbrestore_last_success_timestamp_seconds"] == read["dbrestore_last_run_timestamp_seconds"]
    assert float(read[f"dbrestore_rows_loaded{DATABASE}"]) == 1510
    assert float(read[f"dbrestore_bytes_loaded{DATABASE}"]) == 4196
    assert float(read[f"dbrestore_tables{DATABASE}"]) == 2
    assert float(read["dbrestore_warnings"]) == 1
    assert path.stat().st_mode & 0o044


def test_a_failure_leaves_the_time_of_the_last_success(tmp_path: Path) -> None:
    path = tmp_path / "dbrestore.prom"
    fail(MetricsFile(path), DataError("no"))
    assert "dbrestore_last_success_timestamp_seconds" not in figures(path)
    whole_run([MetricsFile(path)])
    succeeded = figures(path)["dbrestore_last_success_timestamp_seconds"]
    fail(MetricsFile(path), DataError("no"))
    read = figures(path)
    assert read["dbrestore_last_success_timestamp_seconds"] == succeeded
    assert float(read["dbrestore_exit_code"]) == 5
    assert float(read[f"dbrestore_database_success{DATABASE}"]) == 0


def test_a_file_of_metrics_that_makes_no_sense_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "dbrestore.prom"
    path.write_bytes(b"\xff}{ nonsense")
    whole_run([MetricsFile(path)])
    assert float(figures(path)["dbrestore_exit_code"]) == 0
