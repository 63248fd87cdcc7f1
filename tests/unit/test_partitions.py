from __future__ import annotations

from dbrestore.errors import LayoutError, SchemaError
from dbrestore.partitions import Families, choose_partitions
from dbrestore.target.catalog import TableKind
from tests.unit.plans import partitioned, table

ROOT = partitioned(1, "events")
EARLY = table(2, "events_2023", parent=1)
LATE = table(3, "events_2024", parent=1)
FLAT = (ROOT, EARLY, LATE)
DEEP = (ROOT, EARLY, partitioned(4, "events_2025", parent=1), table(5, "events_2025_a", parent=4))


def test_partitions_are_loaded_where_the_export_has_all_of_them() -> None:
    choice = choose_partitions(FLAT, {1: 30, 2: 10, 3: 20})
    assert choice.skipped == {1}
    assert choice.problems == []


def test_partitions_alone_are_enough() -> None:
    assert choose_partitions(FLAT, {2: 10, 3: 20}).problems == []


def test_the_partitioned_table_is_loaded_where_the_export_has_none_of_its_partitions() -> None:
    choice = choose_partitions(FLAT, {1: 30})
    assert choice.skipped == {2, 3}
    assert choice.problems == []


def test_a_partitioned_table_without_partitions_is_loaded_itself() -> None:
    choice = choose_partitions([ROOT], {1: 0})
    assert choice.skipped == set()
    assert choice.problems == []


def test_some_partitions_are_a_problem_that_names_the_others() -> None:
    [problem] = choose_partitions(FLAT, {1: 30, 3: 20}).problems
    assert isinstance(problem, SchemaError)
    assert problem.message == "the export has some partitions of public.events but not public.events_2023"


def test_an_export_without_any_of_a_family_is_no_matter_of_partitions() -> None:
    choice = choose_partitions(FLAT, {})
    assert (choice.skipped, choice.problems) == (set(), [])


def test_rows_that_the_partitions_lack_are_a_problem() -> None:
    [problem] = choose_partitions(FLAT, {1: 31, 2: 10, 3: 20}).problems
    assert isinstance(problem, LayoutError)
    assert problem.message.startswith("public.events has 31 rows in the export, its 2 partitions have 30")


def test_partitions_of_partitions_are_loaded_and_all_parents_left() -> None:
    choice = choose_partitions(DEEP, {1: 30, 2: 10, 4: 20, 5: 20})
    assert choice.skipped == {1, 4}
    assert choice.problems == []


def test_a_parent_in_the_middle_is_counted_too() -> None:
    [problem] = choose_partitions(DEEP, {1: 30, 2: 10, 4: 21, 5: 20}).problems
    assert problem.message.startswith("public.events_2025 has 21 rows in the export, its 1 partitions have 20")


def test_everything_below_the_root_is_left_where_the_root_is_loaded() -> None:
    assert choose_partitions(DEEP, {1: 30, 4: 20}).skipped == {2, 4, 5}


def test_a_foreign_partition_can_only_be_reached_through_the_root() -> None:
    remote = table(2, "events_2023", parent=1, kind=TableKind.FOREIGN)
    assert choose_partitions([ROOT, remote], {1: 30}).skipped == {2}


def test_rows_that_reference_each_other_across_partitions_come_through_the_root() -> None:
    choice = choose_partitions(FLAT, {1: 30, 2: 10, 3: 20}, together={1})
    assert choice.skipped == {2, 3}
    assert choice.problems == []


def test_partitions_that_have_to_come_together_are_loaded_alone_where_the_root_is_not_exported() -> None:
    assert choose_partitions(FLAT, {2: 10, 3: 20}, together={1}).skipped == {1}


def test_a_family_is_everything_below_at_any_depth() -> None:
    families = Families(DEEP)
    assert [root.oid for root in families.roots()] == [1]
    assert sorted(member.oid for member in families.below(ROOT)) == [2, 4, 5]
    assert families.below(EARLY) == []
