from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dbrestore.planning.choices import Choices, IfNotEmpty
from dbrestore.planning.resumption import find_changes, record_plan, remaining_plan
from dbrestore.target.deferral.policy import ForeignKeys, Policy
from dbrestore.target.recorded import RecordedPart, RecordedRun, RecordedTable
from tests.unit.plans import Source, plan, table

FIRST, SECOND = RecordedPart("a/1.parquet", 100, "v1", 10), RecordedPart("a/2.parquet", 100, "v1", 10)
ITEMS = RecordedTable(1, "public.items", ("id: int32 to integer", "word: string to text"), "binary", (FIRST, SECOND))
RUN = RecordedRun("friday", "shop", {"foreign_keys": "rebuild", "strict": "True"}, (ITEMS,), frozenset({7}))


def changes(now: RecordedRun) -> list[str]:
    return [problem.message.removeprefix("the run cannot be resumed: ") for problem in find_changes(RUN, now)]


def with_table(**change: Any) -> RecordedRun:
    return replace(RUN, tables=(replace(ITEMS, **change),))


def test_the_same_run_has_no_changes_however_far_it_is() -> None:
    loaded = replace(ITEMS, parts=(replace(FIRST, is_loaded=True), SECOND), rows_before=5)
    assert changes(replace(RUN, tables=(loaded,))) == []


def test_another_export_is_one_change_whatever_else_differs() -> None:
    now = replace(with_table(name="public.other"), export_id="monday")
    assert changes(now) == ["the unfinished restore is of friday (shop), not of monday (shop)"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"foreign_keys": "ordered"}, "foreign keys: rebuild then, ordered now"),
        ({"foreign_keys": "rebuild", "include_tables": ["a", "b"]}, "include tables: not given then, a,b now"),
        ({"foreign_keys": "rebuild", "map_tables": [["a", "b"]]}, "map tables: not given then, a=b now"),
    ],
)
def test_settings_that_matter_have_to_be_the_same(settings: dict[str, Any], told: str) -> None:
    assert told in changes(replace(RUN, settings=settings))


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (with_table(oid=2), "tables that it restored are not there any more, or made anew: public.items"),
        (with_table(name="public.things"), "public.items is now public.things"),
        (
            with_table(columns=("id: int32 to bigint", ITEMS.columns[1])),
            "public.items had other columns: id: int32 to bigint is new, id: int32 to integer is gone",
        ),
        (with_table(columns=ITEMS.columns[::-1]), "public.items had other columns: in another order"),
        (with_table(copy_format="text"), "public.items was loaded as binary, and would be as text"),
        (with_table(parts=(FIRST,)), "public.items: parts are gone: a/2.parquet"),
        (with_table(parts=(FIRST, SECOND, replace(FIRST, key="new"))), "public.items: parts are new: new"),
        (
            with_table(parts=(FIRST, replace(SECOND, size=101))),
            "public.items: parts have another size, version or number of rows: a/2.parquet",
        ),
        (
            with_table(parts=(replace(FIRST, version="v2"), SECOND)),
            "public.items: parts have another size, version or number of rows: a/1.parquet",
        ),
    ],
)
def test_what_is_to_be_loaded_has_to_be_the_same(now: RecordedRun, told: str) -> None:
    assert told in changes(now)


def test_a_table_that_was_not_there_is_a_change_and_one_that_was_skipped_is_none() -> None:
    assert changes(replace(RUN, skipped=frozenset({7, 8}))) == ["1 tables are there that were not when it began"]


def test_a_plan_is_recorded_with_its_parts_and_what_decides_on_them() -> None:
    made = plan([table(1, "a"), table(2, "b")], filled=[2], if_not_empty=IfNotEmpty.APPEND)
    recorded = record_plan(made, Choices(include_tables=("a", "b"), if_not_empty=IfNotEmpty.APPEND), {2: 70})
    assert [(entry.name, entry.rows_before) for entry in recorded.tables] == [("public.a", 0), ("public.b", 70)]
    assert recorded.tables[0].columns == ("id: int32 to integer",)
    assert recorded.tables[0].parts == (RecordedPart("shop/public.a/1/0.parquet", 100, "1", 10),)
    assert recorded.settings == {
        "foreign_keys": "ordered", "indexes": "rebuild", "partitions": "auto", "include_tables": ["a", "b"],
    }  # fmt: skip


def test_the_settings_of_a_run_are_told_by_name_and_value() -> None:
    made = plan([table(1, "a")], policy=Policy(ForeignKeys.UNCHECKED))
    assert record_plan(made, Choices(map_schemas=(("a", "b"),)), {}).settings["map_schemas"] == [["a", "b"]]


def test_tables_that_were_skipped_stay_skipped_though_they_are_empty_by_now() -> None:
    was = record_plan(plan([table(1, "a"), table(2, "b")], filled=[2], if_not_empty=IfNotEmpty.SKIP), Choices(), {})
    made = plan([table(1, "a"), table(2, "b")], filled=[1], resumed=was)
    assert [entry.table.name for entry in made.tables] == ["a"]
    assert made.problems == ()
    assert find_changes(was, record_plan(made, Choices(), {})) == []


def test_only_parts_that_are_not_loaded_remain() -> None:
    made = plan([table(1, "a")], [Source("public.a", (3, 4, 5))])
    keys = [part.file.key for part in made.tables[0].parts]
    assert [part.file.key for part in remaining_plan(made, {keys[1]}).tables[0].parts] == [keys[0], keys[2]]
