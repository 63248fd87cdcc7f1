from __future__ import annotations

import io
import json
import os
import pty
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from dbrestore.errors import ConnectError, DbrestoreError, PartError
from dbrestore.events import Activity, Began, Event, Kind, Level, Observed
from dbrestore.progress import Progress
from dbrestore.target.activity import Figure
from dbrestore.target.deferral.model import Step
from dbrestore.views.choosing import choose_view
from dbrestore.views.json_lines import JsonLines
from dbrestore.views.lines import Lines
from dbrestore.views.sentences import how_far
from dbrestore.views.terminal import Terminal, draw
from dbrestore.views.view import View
from tests.unit.runs import SHOWN_HOSTILE, load, small_plan, whole_run

if TYPE_CHECKING:
    from dbrestore.tally import Tally


def said(level: Level = Level.NORMAL) -> list[str]:
    stream = io.StringIO()
    whole_run([Lines(stream, level)], warnings=["odd"])
    return stream.getvalue().splitlines()


def told(level: Level = Level.NORMAL) -> list[dict[str, Any]]:
    stream = io.StringIO()
    whole_run([JsonLines(stream, level)], warnings=["odd"])
    return list(map(json.loads, stream.getvalue().splitlines()))


def test_lines_say_what_begins_what_is_odd_and_what_is_done() -> None:
    warning, begin, end, *times = said()
    assert (warning, begin) == ("warning: odd", "restoring 2 tables, 1,510 rows of friday (shop) into target")
    assert end.startswith("restored 2 tables, 1,510 rows (4.1 KiB) in 0.0 s, ")
    assert end.endswith("; row counts verified")
    assert [line.partition(":")[0] for line in times] == ["time", "in all jobs together"]


def test_whoever_wants_to_hear_more_hears_of_each_part() -> None:
    assert f"public.{SHOWN_HOSTILE}: 10 rows of shop/public.{SHOWN_HOSTILE}/1/0.parquet" in said(Level.VERBOSE)


def test_whoever_wants_quiet_hears_nothing_of_a_restore_that_succeeds() -> None:
    assert said(Level.QUIET) == []
    assert told(Level.QUIET) == []


def test_lines_of_json_have_a_time_a_name_and_the_fields() -> None:
    warned, planned = told()[1:3]
    assert warned.pop("time").endswith("+00:00")
    assert warned == {"event": "warned", "warning": "odd"}
    assert (planned["event"], planned["rows"], planned["bytes"]) == ("planned", 1510, 4196)
    assert "plan" not in planned


def test_lines_of_json_tell_of_each_table_and_of_each_part_if_that_is_wanted() -> None:
    names = [line["event"] for line in told()]
    assert names == ["stage_entered", "warned", "planned", "table_loaded", "table_loaded", "finished"]
    assert {"began", "ended", "parts_loaded"} <= {line["event"] for line in told(Level.VERBOSE)}


def test_an_error_is_a_line_of_json_however_quiet_it_is() -> None:
    stream = io.StringIO()
    progress = Progress([JsonLines(stream, Level.QUIET)])
    with pytest.raises(PartError), progress.shown():
        raise PartError("a.parquet is empty", hint="Export it again.")
    told = json.loads(stream.getvalue())
    assert (told["event"], told["exit_code"]) == ("failed", 3)
    assert told["problems"] == [{"message": "a.parquet is empty", "hint": "Export it again."}]


def test_a_statement_is_told_without_its_parameters() -> None:
    stream = io.StringIO()
    lines = Lines(stream, Level.TRACE)
    progress = Progress([lines])
    assert progress.on_statement is not None
    progress.executed(7, "SELECT\n  $1", 0.0021, None)
    assert stream.getvalue() == "sql: 7 2.1 ms: SELECT $1\n"
    assert Progress([Lines(stream)]).on_statement is None


def test_a_fault_that_all_connections_meet_is_told_once_and_counted_each_time() -> None:
    stream = io.StringIO()
    progress = Progress([Lines(stream)])
    for number in range(3):
        progress.retrying(ConnectError(f"part {number}: lost"), 1.0)
    assert stream.getvalue() == "part 0: lost; trying again in 1.0 s\n"
    assert len(progress.tally.retries) == 3


def busy() -> Progress:
    """In the middle of a restore: a table is being loaded, an index is being built."""
    progress, made = Progress(), small_plan()
    progress.planned(made)
    progress.putting_back([Step("a", 1, statements=("",)), Step("b", 1)])
    progress.enter("loading")
    [orders] = [entry for entry in made.tables if entry.table.name == "orders"]
    [other] = [entry for entry in made.tables if entry is not orders]
    progress.tell(Began(Activity(Kind.LOAD, orders.table.dotted, 1, 0.0, 1, rows=1000, bytes=2048)))
    progress.tell(Began(Activity(Kind.PUT_BACK, f"index i of {other.table.dotted}", 2, 0.0, 2)))
    progress.tell(Observed((Figure(1, "copying", 250, 0), Figure(2, "building index", 1, 4))))
    return progress


def test_how_far_a_run_is_has_what_the_server_says_of_parts_that_are_being_loaded() -> None:
    line = how_far(busy().tally)
    assert line.startswith("loading: 250 of 1,510 rows, ")
    assert "left to load; 0 of 1 step of putting back; loading public.orders, putting back index i of" in line
    assert f"{SHOWN_HOSTILE} 25%" in line


def drawn(tally: Tally, width: int, height: int = 24, **options: Any) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width, height=height, **options).print(draw(tally, width, height))
    return stream.getvalue().splitlines()


def test_the_live_view_shows_totals_rates_and_each_connection() -> None:
    text = "\n".join(drawn(busy().tally, 100))
    for shown in ("friday: shop into target", "250 of 1,510 rows", "0 of 1 step", "250 of 1,000 rows"):
        assert shown in text
    assert "building index 25%" in text
    assert "public.<script>" in text


@pytest.mark.parametrize("width", [20, 30, 40, 59, 60, 80, 200])
@pytest.mark.parametrize("height", [3, 10, 24])
def test_the_live_view_fits_any_terminal(width: int, height: int) -> None:
    progress = busy()
    for pid in range(10, 40):
        progress.tell(Began(Activity(Kind.LOAD, "public." + "x" * 70, pid, 0.0, 1)))
    lines = drawn(progress.tally, width, height)
    assert max(map(len, lines)) <= width
    assert len(lines) <= max(height, 10)


def test_the_live_view_has_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text = "\n".join(drawn(busy().tally, 100, force_terminal=True))
    assert "\x1b[36m" not in text
    assert "\x1b[31m" not in text


def test_names_neither_steer_the_terminal_nor_are_markup() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=100, height=24, force_terminal=True, color_system=None)
    progress = whole_run([Terminal(console, Level.VERBOSE)])
    assert progress.tally.database is not None
    written = stream.getvalue()
    assert "\x1b[31m" not in written
    assert SHOWN_HOSTILE in written


def test_the_live_view_never_leaves_the_cursor_hidden() -> None:
    stream = io.StringIO()
    terminal = Terminal(Console(file=stream, width=80, height=24, force_terminal=True))
    progress = Progress([terminal])
    terminal.open()
    terminal.tick(progress.tally)
    assert stream.getvalue().rfind("\x1b[?25h") > stream.getvalue().rfind("\x1b[?25l")
    terminal.close(progress.tally)


def test_a_terminal_has_a_live_view_unless_it_is_dumb(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        monkeypatch.setenv("TERM", "xterm")
        assert isinstance(choose_view(stream, Level.NORMAL), Terminal)
        assert isinstance(choose_view(stream, Level.QUIET), Lines)
        assert isinstance(choose_view(stream, Level.NORMAL, as_json=True), JsonLines)
        monkeypatch.setenv("TERM", "dumb")
        assert isinstance(choose_view(stream, Level.NORMAL), Lines)
    os.close(ours)
    assert isinstance(choose_view(io.StringIO(), Level.NORMAL), Lines)


class Broken(View):
    def show(self, event: Event, tally: Tally) -> None:
        raise BrokenPipeError

    def tick(self, tally: Tally) -> None:
        raise BrokenPipeError


def test_a_restore_goes_on_when_nobody_reads_any_more() -> None:
    stream = io.StringIO()
    whole_run([Broken(), Lines(stream)])
    assert "row counts verified" in stream.getvalue()


class Unkept(View):
    def close(self, tally: Tally) -> None:
        raise DbrestoreError("the disk is full")


def test_a_view_that_cannot_be_kept_is_an_error_only_if_nothing_worse_is() -> None:
    with pytest.raises(DbrestoreError, match="the disk is full"):
        whole_run([Unkept()])
    with pytest.raises(PartError), Progress([Unkept()]).shown():
        raise PartError("worse")


def test_a_run_that_is_gone_on_with_counts_what_was_loaded_before() -> None:
    made = small_plan()
    [first, *_] = [part for entry in made.tables if entry.table.name == "orders" for part in entry.parts]
    stream = io.StringIO()
    progress = Progress([Lines(stream)])
    progress.planned(made, {first.file.key})
    assert "going on: 1 of 3 parts, 1,000 rows are loaded" in stream.getvalue()
    assert how_far(progress.tally).startswith("starting: 1,000 of 1,510 rows")


def test_the_time_left_is_that_of_the_bytes_that_are_left() -> None:
    progress, made = Progress(), small_plan()
    progress.planned(made)
    assert progress.tally.seconds_left() is None
    load(progress, made)
    assert progress.tally.seconds_left() == 0
