from __future__ import annotations

from typing import Any

import pytest

from dbrestore.target.catalog import TableKind
from dbrestore.target.maintenance import plan_maintenance
from dbrestore.target.views import MaterializedView
from tests.unit.plans import partitioned, table

TABLES = (
    table(1, "plain"),
    partitioned(2, "root"),
    table(3, "old", parent=2),
    partitioned(4, "new", parent=2),
    table(5, "leaf", parent=4),
    table(6, "far", parent=4, kind=TableKind.FOREIGN),
    table(7, "other"),
)


def commands(loaded: set[int], server_version: int = 170000, **given: Any) -> list[str]:
    planned = plan_maintenance(TABLES, loaded, server_version=server_version, **given)
    return [entry.command.replace('"public".', "").replace('"', "") for entry in planned]


def test_tables_that_were_loaded_are_analyzed() -> None:
    assert commands({1}) == ["ANALYZE plain"]


@pytest.mark.parametrize("loaded", [{2}, {3, 5}, {5}])
def test_before_18_a_partitioned_table_is_analyzed_together_with_all_of_its_partitions(loaded: set[int]) -> None:
    assert commands(loaded) == ["ANALYZE root"]


@pytest.mark.parametrize("loaded", [{2}, {3, 5}, {5}])
def test_from_18_on_partitions_are_analyzed_each_for_itself_and_before_what_they_are_in(loaded: set[int]) -> None:
    planned = plan_maintenance(TABLES, loaded, server_version=180000)
    assert {entry.command.split('."')[1].rstrip('"'): entry.after for entry in planned} == {
        "root": {3, 4, 5},
        "old": set(),
        "new": {5},
        "leaf": set(),
    }
    assert {entry.command for entry in planned if "ONLY" in entry.command} == {
        'ANALYZE ONLY "public"."root"',
        'ANALYZE ONLY "public"."new"',
    }


def test_vacuum_freezes_what_it_is_asked_for_before_the_statistics_of_the_whole() -> None:
    assert commands({1, 3, 5}, vacuum={1, 5}) == [
        "VACUUM (FREEZE, ANALYZE) plain",
        "ANALYZE root",
        "VACUUM (FREEZE) leaf",
    ]
    assert [set(entry.after) for entry in plan_maintenance(TABLES, {5}, server_version=170000, vacuum={5})] == [
        {5},
        set(),
    ]


def test_a_table_loaded_through_its_root_is_vacuumed_by_its_partitions() -> None:
    assert commands({2}, 180000, analyze=False, vacuum={2}) == ["VACUUM (FREEZE) old", "VACUUM (FREEZE) leaf"]


def test_materialized_views_are_analyzed_as_well() -> None:
    view = MaterializedView(9, "public", "totals")
    assert commands({1}, views=[view]) == ["ANALYZE plain", "ANALYZE totals"]


def test_nothing_is_done_where_nothing_is_wanted() -> None:
    assert commands({1, 3, 5}, analyze=False, views=[MaterializedView(9, "public", "totals")]) == []
