from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from benchmarks.measuring import Measurement
from benchmarks.page import PAGE, keep
from benchmarks.suite import datasets
from benchmarks.suite.contenders import CONTENDERS
from benchmarks.suite.goals import GOALS, goal_lines
from benchmarks.suite.loaders.adbc_ingest import in_wire_types
from benchmarks.suite.loaders.parts import Part, share
from benchmarks.suite.loaders.typing_columns import typed
from benchmarks.suite.running import Outcomes
from benchmarks.suite.tables import ratio

if TYPE_CHECKING:
    from pathlib import Path


def outcomes(**seconds: list[float]) -> Outcomes:
    """Of one job."""
    found = Outcomes()
    for name, times in seconds.items():
        found.times[name, 1] = [Measurement(each, 0, 0) for each in times]
    return found


def test_a_ratio_is_of_medians() -> None:
    found = outcomes(dbrestore=[1, 9, 2], pg_restore=[4, 4, 100])
    assert ratio(found, "pg_restore", 1) == 0.5
    assert ratio(found, "duckdb", 1) is None


def test_a_contender_that_failed_once_has_no_median() -> None:
    found = outcomes(dbrestore=[1])
    found.failures["dbrestore", 1] = "wrong rows"
    assert found.median("dbrestore", 1) is None


def test_goals_are_met_or_not() -> None:
    found = {"twelve": outcomes(dbrestore=[2], pg_restore=[4], psql=[1.5], adbc=[1.9])}
    found["twelve"].loads["dbrestore", 1] = [1.8, 1.7, 1.9]
    names = ("dbrestore", "dbrestore_as_others", "pg_restore", "psql", "adbc")
    lines = list(goal_lines(found, {"twelve": 1_000_000}, list(names), [1]))
    assert "| pg_restore | twelve | 0.75 | 0.50 (N = 1) | met |" in lines
    assert "| psql | twelve, loading alone | 1.15 | 1.20 (N = 1) | not met |" in lines
    assert "| row-wise | twelve | at least 440,000 rows/s | 500,000 rows/s (N = 1) | met |" in lines
    assert "| adbc | every data set | 1.00 | at worst 1.05 (twelve, N = 1) | not met |" in lines
    assert not any(line.startswith(("| psql | every", "| dbrestore_")) for line in lines)


def test_goals_name_data_sets_and_contenders_that_there_are() -> None:
    names = {contender.name for contender in CONTENDERS}
    assert {goal.data_set for goal in GOALS} <= set(datasets.make(1))
    assert {goal.other for goal in GOALS} <= names


def test_the_result_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- speed -->\nold\n<!-- end of speed -->\nafter\n")
    keep("speed", [r"a \copy", "b"], page)
    keep("speed", [r"a \copy", "c"], page)
    assert page.read_text() == "before\n<!-- speed -->\n\na \\copy\nc\n\n<!-- end of speed -->\nafter\n"
    with pytest.raises(SystemExit):
        keep("memory", ["a"], page)


@pytest.mark.parametrize("name", ["make bench", "make bench-scale", "benchmarks.settings_worth", "benchmarks.memory"])
def test_the_page_has_a_place_for_each_result(name: str) -> None:
    text = PAGE.read_text()
    assert (text.count(f"<!-- {name} -->"), text.count(f"<!-- end of {name} -->")) == (1, 1)


def test_parts_are_shared_by_their_sizes(tmp_path: Path) -> None:
    parts = []
    for size in (10, 6, 4, 1):
        path = tmp_path / str(size)
        path.write_bytes(bytes(size))
        parts.append(Part("t", path))
    shares = [[part.path.name for part in each] for each in share(parts, 2)]
    assert shares == [["10", "1"], ["6", "4"]] or shares == [["10"], ["6", "4", "1"]]
    assert len(share(parts, 8)) == 4


def test_strings_become_what_the_server_receives() -> None:
    types = {"n": ("numeric", (12 << 16 | 2) + 4), "u": ("uuid", -1), "j": ("jsonb", -1), "s": ("text", -1)}
    strings = pa.table({"n": ["1.50"], "u": ["00000000-0000-0000-0000-0000000000ff"], "j": ["{}"], "s": ["a"]})
    found = in_wire_types(typed(strings, types), types)
    assert found["n"].type == pa.decimal128(12, 2)
    assert found["u"].to_pylist() == [bytes(15) + b"\xff"]
    assert found["j"].to_pylist() == [b"\x01{}"]
    assert found["s"].to_pylist() == ["a"]
