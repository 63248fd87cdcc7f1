from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbrestore.errors import LayoutError, SchemaError
from dbrestore.planning.choices import PartitionFolders
from dbrestore.planning.families import Families
from dbrestore.planning.partitions import CHOICE_HINT, FamilyRows, PartitionChoice, Relative, choose_partitions
from dbrestore.target.catalog import TableKind
from tests.unit.plans import partitioned, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from dbrestore.target.catalog import Table

ROOT = partitioned(1, "events")
EARLY = table(2, "events_2023", parent=1)
LATE = table(3, "events_2024", parent=1)
FLAT = (ROOT, EARLY, LATE)
MIDDLE = partitioned(4, "events_2025", parent=1)
DEEP = (ROOT, EARLY, MIDDLE, table(5, "events_2025_a", parent=4), table(6, "events_2025_b", parent=4))
REMOTE = table(7, "events_cold", parent=1, kind=TableKind.FOREIGN)


def choose(
    tables: Sequence[Table],
    rows: Mapping[int, int],
    *relatives: Relative,
    folders: PartitionFolders = PartitionFolders.AUTO,
    together: Set[int] = frozenset(),
    selected: Set[int] | None = None,
) -> PartitionChoice:
    counts = FamilyRows(rows, {1: relatives, 4: relatives}, together)
    oids = {entry.oid for entry in tables} if selected is None else selected
    return choose_partitions(Families(tables), counts, oids, folders)


def messages(choice: PartitionChoice) -> list[str]:
    return [problem.message for problem in choice.findings.problems]


def missing(choice: PartitionChoice) -> list[str]:
    return [entry.name for entry in choice.missing]


def dropped(name: str, rows: int) -> Relative:
    return Relative(name, rows, is_in_target=False)


def alone(name: str, rows: int) -> Relative:
    return Relative(name, rows, is_in_target=True)


def test_partitions_are_loaded_where_they_have_the_rows_of_their_parent() -> None:
    choice = choose(FLAT, {1: 30, 2: 10, 3: 20})
    assert choice.loaded == {2, 3}
    assert messages(choice) == []
    assert choice.findings.notes == ["public.events: through its partitions, 30 rows as in its own folder"]


def test_partitions_alone_are_enough() -> None:
    choice = choose(FLAT, {2: 10, 3: 20})
    assert (choice.loaded, missing(choice), messages(choice)) == ({2, 3}, [], [])


def test_a_partition_that_an_export_of_partitions_alone_lacks_is_missing() -> None:
    assert missing(choose(FLAT, {3: 20})) == ["events_2023"]


def test_the_parent_is_loaded_where_the_export_has_none_of_its_partitions() -> None:
    choice = choose(FLAT, {1: 30})
    assert (choice.loaded, missing(choice), messages(choice)) == ({1}, [], [])


def test_the_parent_is_loaded_although_a_larger_table_looks_like_one_of_its_partitions() -> None:
    assert choose(FLAT, {1: 30}, alone("public.archive", 31)).loaded == {1}


def test_a_smaller_table_that_looks_like_a_partition_may_have_been_one() -> None:
    assert len(messages(choose(FLAT, {1: 30}, alone("public.archive", 7)))) == 1


def test_a_parent_without_rows_is_loaded_itself() -> None:
    choice = choose(FLAT, {1: 0})
    assert (choice.loaded, missing(choice), messages(choice)) == ({1}, [], [])


def test_a_parent_without_partitions_can_only_take_no_rows() -> None:
    assert choose([ROOT], {1: 0}).loaded == {1}
    [problem] = choose([ROOT], {1: 5}).findings.problems
    assert isinstance(problem, SchemaError)
    assert problem.message == "public.events has 5 rows in the export and no partition in the target to take them"


def test_an_export_without_any_of_a_family_lacks_the_parent() -> None:
    choice = choose(FLAT, {})
    assert (choice.loaded, missing(choice)) == (set(), ["events"])


def test_a_partition_made_after_the_snapshot_stays_empty() -> None:
    choice = choose(FLAT, {1: 20, 3: 20})
    assert (choice.loaded, missing(choice), messages(choice)) == ({3}, [], [])
    assert choice.findings.notes[-1] == (
        "public.events: no rows in the export for public.events_2023: by the count there were none"
    )


def test_rows_of_a_partition_that_the_export_lacks_come_through_the_parent() -> None:
    choice = choose(FLAT, {1: 30, 3: 20})
    assert (choice.loaded, missing(choice), messages(choice)) == ({1}, [], [])
    assert choice.findings.notes == [
        "public.events: through the table itself, 30 rows: the export has no public.events_2023"
    ]


def test_rows_of_a_partition_that_the_target_lacks_come_through_the_parent() -> None:
    choice = choose(FLAT, {1: 37, 2: 10, 3: 20}, dropped("public.events_2022", 4), dropped("public.events_2021", 3))
    assert choice.loaded == {1}
    assert choice.dropped == {"public.events_2021", "public.events_2022"}
    assert choice.findings.notes == [
        "public.events: through the table itself, 37 rows: the target has no public.events_2021, public.events_2022"
    ]


def test_a_table_that_the_target_lacks_is_no_partition_if_the_count_is_another() -> None:
    choice = choose(FLAT, {1: 37, 2: 10, 3: 20}, dropped("public.events_old", 8))
    assert choice.dropped == set()
    assert len(messages(choice)) == 1


def test_a_dropped_partition_is_accounted_for_once() -> None:
    tables = (*DEEP, partitioned(11, "q"), table(12, "q1", parent=11))
    relatives = [dropped("public.old", 5)]
    counts = FamilyRows({1: 35, 2: 10, 4: 20, 5: 10, 6: 10, 11: 15, 12: 10}, {1: relatives, 11: relatives})
    choice = choose_partitions(Families(tables), counts, {entry.oid for entry in tables})
    assert choice.loaded == {1, 12}
    assert [problem.message.split(" has")[0] for problem in choice.findings.problems] == ["public.q"]


def test_a_detached_partition_is_not_loaded_twice() -> None:
    choice = choose(FLAT, {1: 35, 2: 10, 3: 20}, alone("public.events_2022", 5))
    assert (choice.loaded, messages(choice)) == ({2, 3}, [])
    assert choice.findings.notes == [
        "public.events: through its partitions, 30 rows: its folder also has the 5 of public.events_2022"
    ]


def test_a_parent_above_a_detached_partition_is_not_loaded_itself() -> None:
    rows = {1: 32, 2: 10, 4: 20, 5: 10, 6: 5}
    [message] = messages(choose(DEEP, rows, alone("public.events_2025_c", 5), dropped("public.events_2022", 2)))
    assert message.startswith("public.events has 32 rows in the export, its 3 partitions have 30")


def test_the_oldest_partition_may_be_detached_while_a_new_one_is_made() -> None:
    choice = choose(FLAT, {1: 15, 2: 10}, alone("public.events_2022", 5))
    assert (choice.loaded, missing(choice), messages(choice)) == ({2}, [], [])


@pytest.mark.parametrize(
    "relatives",
    [
        [alone("public.archive", 4)],
        [alone("public.events_2022", 5), dropped("public.events_2021", 5)],
        [alone("public.a", 5), alone("public.b", 5)],
    ],
)
def test_where_the_counts_allow_more_than_one_answer_none_is_taken(relatives: list[Relative]) -> None:
    [problem] = choose(FLAT, {1: 35, 2: 10, 3: 20}, *relatives).findings.problems
    assert isinstance(problem, LayoutError)
    assert "a difference of 5" in problem.message
    assert problem.hint == CHOICE_HINT


def test_a_table_that_could_hold_the_rows_of_a_missing_partition_leaves_it_undecided() -> None:
    [message] = messages(choose(FLAT, {1: 30, 3: 20}, alone("public.archive", 9)))
    assert "not in the export: public.events_2023" in message


def test_a_subset_of_the_tables_that_look_like_partitions_is_enough_to_leave_it_undecided() -> None:
    relatives = [alone("public.events_2022", 4), alone("public.events_2021", 1), alone("public.archive", 900)]
    assert len(messages(choose(FLAT, {1: 35, 2: 10, 3: 20}, *relatives, dropped("public.events_2020", 5)))) == 1
    choice = choose(FLAT, {1: 36, 2: 10, 3: 20}, *relatives, dropped("public.events_2020", 6))
    assert (choice.loaded, messages(choice)) == ({1}, [])


def test_too_many_tables_that_look_like_partitions_leave_it_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbrestore.planning.partitions.SUMS_TRIED", 100)
    relatives = [alone(f"public.archive_{number}", 2**number) for number in range(1, 10)]
    assert len(messages(choose(FLAT, {1: 2031, 2: 10, 3: 20}, *relatives, dropped("public.old", 2001)))) == 1


def test_all_partitions_detached_at_once_are_not_told_from_none_exported() -> None:
    assert len(messages(choose(FLAT, {1: 30}, alone("public.events_old", 30)))) == 1


@pytest.mark.parametrize("rows", [31, 29])
def test_a_difference_that_nothing_explains_is_a_problem_that_names_it(rows: int) -> None:
    [problem] = choose(FLAT, {1: rows, 2: 10, 3: 20}).findings.problems
    assert isinstance(problem, LayoutError)
    assert problem.message == (
        f"public.events has {rows} rows in the export, its 2 partitions have 30, a difference of 1: partitions were "
        "made, dropped or moved between the snapshot and the target's schema"
    )
    assert problem.hint is not None
    assert "--partitions via-parent" in problem.hint


def test_partitions_of_partitions_are_loaded_and_all_parents_left() -> None:
    choice = choose(DEEP, {1: 30, 2: 10, 4: 20, 5: 15, 6: 5})
    assert (choice.loaded, messages(choice)) == ({2, 5, 6}, [])


def test_only_the_nearest_parent_is_loaded_for_what_its_partitions_lack() -> None:
    choice = choose(DEEP, {1: 30, 2: 10, 4: 20, 5: 15})
    assert (choice.loaded, messages(choice)) == ({2, 4}, [])


def test_a_parent_further_up_is_loaded_where_the_nearest_is_not_in_the_export() -> None:
    choice = choose(DEEP, {1: 30, 2: 10, 5: 15})
    assert (choice.loaded, messages(choice)) == ({1}, [])


def test_a_leaf_that_was_cut_into_partitions_takes_its_rows_itself() -> None:
    choice = choose(DEEP, {1: 30, 2: 10, 4: 20})
    assert (choice.loaded, messages(choice)) == ({2, 4}, [])


def test_a_parent_in_the_middle_is_counted_too() -> None:
    [message] = messages(choose(DEEP, {1: 30, 2: 10, 4: 21, 5: 15, 6: 5}))[:1]
    assert message.startswith("public.events_2025 has 21 rows in the export, its 2 partitions have 20")


def test_a_foreign_partition_is_left_out_and_said_so() -> None:
    choice = choose((*FLAT, REMOTE), {1: 30, 2: 10, 3: 20})
    assert (choice.loaded, messages(choice)) == ({2, 3}, [])
    assert choice.findings.warnings == ["public.events: foreign tables are left out: public.events_cold"]


def test_rows_that_may_be_those_of_a_foreign_partition_are_not_guessed_at() -> None:
    [message] = messages(choose((*FLAT, REMOTE), {1: 33, 2: 10, 3: 20}))
    assert "foreign tables, whose rows may be the others: public.events_cold" in message


@pytest.mark.parametrize("folders", [PartitionFolders.AUTO, PartitionFolders.VIA_PARENT])
def test_nothing_is_written_to_a_foreign_partition(folders: PartitionFolders) -> None:
    [problem] = choose((*FLAT, REMOTE), {1: 33, 3: 20}, folders=folders).findings.problems
    assert problem.message == "rows of public.events might be written to foreign tables: public.events_cold"


def test_the_parent_may_be_chosen() -> None:
    choice = choose(DEEP, {1: 30, 2: 10, 4: 20, 5: 15, 6: 5}, folders=PartitionFolders.VIA_PARENT)
    assert (choice.loaded, messages(choice), choice.findings.warnings) == ({1}, [], [])


def test_the_nearest_parent_that_has_a_folder_may_be_chosen() -> None:
    choice = choose(DEEP, {2: 10, 4: 20, 5: 15, 6: 5}, folders=PartitionFolders.VIA_PARENT)
    assert choice.loaded == {2, 4}


def test_rows_that_the_chosen_parent_lacks_are_a_warning() -> None:
    choice = choose(FLAT, {1: 20, 2: 10, 3: 20}, folders=PartitionFolders.VIA_PARENT)
    assert choice.findings.warnings == [
        "public.events: its folder has 20 rows, those of its partitions have 30, which are left out"
    ]


def test_the_partitions_may_be_chosen_with_a_warning_of_what_they_lack() -> None:
    choice = choose(FLAT, {1: 40, 2: 10, 3: 20}, folders=PartitionFolders.LEAVES)
    assert (choice.loaded, messages(choice)) == ({2, 3}, [])
    assert choice.findings.warnings == [
        "public.events: its folder has 40 rows, those of its partitions have 30; the others are left out"
    ]


def test_a_partition_that_is_not_there_is_missing_although_partitions_are_chosen() -> None:
    assert missing(choose(FLAT, {1: 40, 2: 10}, folders=PartitionFolders.LEAVES)) == ["events_2024"]
    assert missing(choose(FLAT, {1: 10, 2: 10}, folders=PartitionFolders.LEAVES)) == []


def test_rows_that_reference_each_other_across_partitions_come_through_the_root() -> None:
    choice = choose(FLAT, {1: 30, 2: 10, 3: 20}, together={1})
    assert (choice.loaded, messages(choice)) == ({1}, [])


def test_partitions_that_have_to_come_together_are_loaded_alone_where_the_root_is_not_exported() -> None:
    assert choose(FLAT, {2: 10, 3: 20}, together={1}).loaded == {2, 3}


def test_a_partition_is_loaded_without_the_others_if_only_it_is_selected() -> None:
    choice = choose(FLAT, {1: 30, 2: 10, 3: 20}, selected={3})
    assert (choice.loaded, messages(choice)) == ({3}, [])


def test_a_selected_partition_cannot_be_told_apart_in_the_folder_of_its_parent() -> None:
    choice = choose(FLAT, {1: 30, 3: 20}, selected={3})
    assert choice.loaded == set()
    assert messages(choice) == [
        "public.events is loaded from its own folder, which also holds the rows of public.events, public.events_2023"
    ]


def test_a_family_of_which_nothing_is_selected_is_not_looked_at() -> None:
    assert messages(choose(FLAT, {1: 31, 2: 10, 3: 20}, selected=set())) == []


def test_a_family_is_everything_below_at_any_depth() -> None:
    families = Families((*DEEP, REMOTE))
    assert [root.oid for root in families.roots()] == [1]
    assert sorted(member.oid for member in families.below(ROOT)) == [2, 4, 5, 6, 7]
    assert sorted(member.oid for member in families.members(ROOT)) == [1, 2, 4, 5, 6]
    assert [above.oid for above in families.above(DEEP[-1])] == [4, 1]
    assert families.below(EARLY) == []
