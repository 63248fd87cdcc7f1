from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from dbrestore.errors import ConnectError, PartError, SeveralProblemsError
from dbrestore.planning.choices import IfNotEmpty
from dbrestore.report import (
    export_lines,
    plan_lines,
    plan_object,
    problem_lines,
    readable_bytes,
    status_lines,
    status_object,
)
from dbrestore.report.plans import TABLES_SHOWN, Entry
from dbrestore.target.deferral.model import Deferral, Deferred, Step
from dbrestore.target.deferral.policy import Policy
from dbrestore.target.recorded import Phase, Summary
from tests.unit.plans import ID, POINT, Source, column, export, foreign_key, plan, table

PLACES = table(1, "places", column("id"), column("spot", POINT, "point"))
VISITS = table(2, "visits")
SOURCES = [
    Source("public.places", (1500,), ID.append(pa.field("spot", pa.string())), part_bytes=2048),
    Source("public.visits", (1, 2)),
]


def test_a_plan_for_people_has_a_line_for_each_table() -> None:
    made = plan([PLACES, VISITS], SOURCES, keys=[(2, 1)], warnings=["AWS left out the database logs"])
    assert list(plan_lines(made)) == [
        "friday: shop into target",
        "2 tables, 3 parts, 1,503 rows, 2.2 KiB",
        "",
        "LEVEL  TABLE          PARTS   ROWS     SIZE  FORMAT",
        "    0  public.places      1  1,500  2.0 KiB  text",
        "    1  public.visits      2      3    200 B  binary",
        "",
        "as text, because of",
        "  public.places.spot: no binary encoder from string to point",
        "warning: AWS left out the database logs",
        "",
        "nothing is in the way of this restore",
    ]


def test_choices_are_shown_before_warnings() -> None:
    made = plan([VISITS], SOURCES[1:], filled=[2], if_not_empty=IfNotEmpty.TRUNCATE, warnings=["odd"])
    assert list(plan_lines(made))[-5:-2] == ["", "note: emptied first: public.visits", "warning: odd"]
    assert plan_object(made)["truncated"] == ["public.visits"]
    assert plan_object(made)["notes"] == ["emptied first: public.visits"]


def test_a_plan_for_people_counts_what_comes_down_and_says_why_the_rest_stays() -> None:
    keys = [foreign_key(1, 2, 1), foreign_key(2, 2, 2), foreign_key(3, 1, 2, obstacle="it is nailed down")]
    made = plan([PLACES, VISITS], SOURCES, keys=keys, policy=Policy())
    assert list(plan_lines(made))[-7:-2] == [
        "",
        "taken down for the load, and put back after it: foreign key: 2",
        "",
        "stays in place",
        "  foreign key key_1_2 of public.t1: it is nailed down",
    ]
    read = plan_object(made)
    assert [deferred["identity"] for deferred in read["deferred"]] == [
        "foreign key key_2_1 of public.t2",
        "foreign key key_2_2 of public.t2",
    ]
    assert [kept["reason"] for kept in read["kept"]] == ["it is nailed down"]


def test_a_plan_for_people_says_which_tables_are_loaded_together() -> None:
    keys = [foreign_key(1, 2, 1, is_deferrable=True), foreign_key(2, 1, 2)]
    made = plan([PLACES, VISITS], SOURCES, keys=keys)
    assert "loaded in one transaction: public.places, public.visits" in plan_lines(made)


def test_no_table_of_a_plan_is_looked_for_among_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def compare(*_: object) -> bool:
        pytest.fail("tables were compared with each other, which takes minutes where there are thousands")

    monkeypatch.setattr(Entry, "__eq__", compare)
    made = plan([table(oid, f"items_{oid}") for oid in range(1, 100)])
    assert sum("items_" in line for line in plan_lines(made)) == 99
    assert sum("items_" in line for line in plan_lines(made, is_full=False)) == TABLES_SHOWN


def test_a_plan_of_nothing_has_its_heading() -> None:
    assert list(plan_lines(plan([])))[3:4] == ["LEVEL  TABLE  PARTS  ROWS  SIZE  FORMAT"]


def test_a_plan_tells_of_small_tables_whose_indexes_stay_as_long_as_they_can() -> None:
    made = plan([PLACES, VISITS], SOURCES)
    step = Step("build 5", 2, "index visits_idx of public.visits")
    spared = Deferred("index", step.identity, ("DROP INDEX visits_idx",), 1, (step,))
    made = replace(made, deferral=Deferral(spared=(spared,)))
    line = "stays in place unless something is in the way of a load: the indexes of 1 small table"
    assert line in list(plan_lines(made))
    assert plan_object(made)["spared"] == [step.identity]


def test_a_plan_for_programs_is_json_with_all_that_people_see() -> None:
    made = plan([PLACES, table(3, "new")], SOURCES[:1])
    read = json.loads(json.dumps(plan_object(made)))
    assert read.keys() == {
        "export_id",
        "source_database",
        "target_database",
        "foreign_keys_policy",
        "indexes_policy",
        "tables",
        "foreign_keys",
        "deferred",
        "kept",
        "spared",
        "loaded_together",
        "truncated",
        "notes",
        "warnings",
        "problems",
    }
    assert read["tables"] == [
        {
            "schema": "public",
            "name": "places",
            "level": 0,
            "foreign_key_level": 0,
            "folder": "shop/public.places",
            "parts": 1,
            "rows": 1500,
            "bytes": 2048,
            "format": "text",
            "text_reasons": ["spot: no binary encoder from string to point"],
            "keeps_rows": False,
        }
    ]
    [problem] = read["problems"]
    assert problem["message"] == "in the target but not in the export: public.new"
    assert problem["exit_code"] == 4
    assert problem["hint"]


def test_an_export_is_shown_by_database_or_by_table() -> None:
    shown = export(SOURCES)
    assert list(export_lines(shown, with_tables=False)) == [
        "friday: COMPLETE, /exports/friday",
        "",
        "DATABASE  TABLES  PARTS     SIZE",
        "shop           2      3  2.2 KiB",
    ]
    assert list(export_lines(shown, with_tables=True))[2:] == [
        "DATABASE  TABLE          PARTS     SIZE",
        "shop      public.places      1  2.0 KiB",
        "shop      public.visits      2    200 B",
    ]


STATUS = Summary(
    export_id="friday",
    source_database="shop",
    phase=Phase.LOADING,
    started_at=datetime(2026, 11, 20, 3, 0, tzinfo=UTC),
    tables=3,
    tables_loaded=1,
    parts=1000,
    parts_loaded=20,
    rows=5000,
    rows_loaded=400,
    down=("index a of public.t",),
    is_running=True,
)


def test_the_status_of_a_run_says_how_far_it_is_and_what_is_down() -> None:
    assert list(status_lines(STATUS)) == [
        "friday (shop), since 2026-11-20 03:00:00 UTC",
        "loading, running",
        "tables  1 of 3",
        "parts   20 of 1,000",
        "rows    400 of 5,000",
        "down    index a of public.t",
    ]
    read = json.loads(json.dumps(status_object(STATUS)))
    assert (read["is_unfinished"], read["phase"], read["started_at"]) == (True, "loading", "2026-11-20T03:00:00+00:00")


def test_the_status_of_a_run_that_died_says_what_can_be_done() -> None:
    *_, hint = status_lines(replace(STATUS, is_running=False))
    assert all(way in hint for way in ("--resume", "--restart", "`dbrestore abort`"))


def test_an_error_is_shown_with_its_hint() -> None:
    error = SeveralProblemsError([ConnectError("refused", hint="Start it."), PartError("a.parquet is empty")])
    assert list(problem_lines(error)) == ["error: refused", "hint: Start it.", "error: a.parquet is empty"]


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 1024**2, "5.0 MiB"), (3 * 1024**5, "3072.0 TiB")],
)
def test_bytes_are_shown_in_the_largest_unit_that_fits(size: int, shown: str) -> None:
    assert readable_bytes(size) == shown
