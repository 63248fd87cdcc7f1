from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbrestore.errors import LayoutError
from dbrestore.planning.choices import InheritedRows
from dbrestore.planning.inheritance import Heirs, InheritanceChoice, choose_inherited
from dbrestore.target.catalog import TableKind
from tests.unit.plans import Source, loaded, messages, plan, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbrestore.target.catalog import Table

PARENT = table(1, "logs")
HEIRS = (table(2, "logs_a", inherits=(1,)), table(3, "logs_b", inherits=(1,)))
FLAT = (PARENT, *HEIRS)


def choose(tables: Sequence[Table], rows: Mapping[int, int], chosen: InheritedRows | None = None) -> InheritanceChoice:
    return choose_inherited(Heirs(tables), rows, {entry.oid for entry in tables}, chosen)


def problems(choice: InheritanceChoice) -> list[str]:
    return [problem.message for problem in choice.findings.problems]


@pytest.mark.parametrize(
    "rows", [{1: 0, 2: 10, 3: 20}, {1: 29, 2: 10, 3: 20}, {1: 5, 2: 0, 3: 0}, {1: 0}], ids=["none", "few", "all", "-"]
)
def test_each_folder_is_loaded_where_the_counts_tell(rows: Mapping[int, int]) -> None:
    choice = choose(FLAT, rows)
    assert (choice.skipped, problems(choice)) == (set(), [])


@pytest.mark.parametrize("rows", [30, 31])
def test_a_folder_that_may_hold_the_rows_of_heirs_is_refused_with_the_choice_to_make(rows: int) -> None:
    [problem] = choose(FLAT, {1: rows, 2: 10, 3: 20}).findings.problems
    assert isinstance(problem, LayoutError)
    assert problem.message == f"the folder of public.logs has {rows} rows, its heirs have 30: it may hold theirs or not"
    assert problem.hint is not None
    assert "--inherited own" in problem.hint
    assert "--inherited all" in problem.hint


def test_one_folder_that_cannot_hold_the_rows_of_heirs_tells_for_all() -> None:
    other = (table(4, "jobs"), table(5, "jobs_a", inherits=(4,)))
    choice = choose((*FLAT, *other), {1: 31, 2: 10, 3: 20, 4: 1, 5: 2})
    assert (choice.skipped, problems(choice)) == (set(), [])
    assert choice.findings.notes[0] == "public.logs: its folder holds its own rows, not those of its heirs"


def test_own_rows_may_be_chosen() -> None:
    choice = choose(FLAT, {1: 31, 2: 10, 3: 20}, InheritedRows.OWN)
    assert (choice.skipped, problems(choice)) == (set(), [])


def test_a_folder_with_nothing_but_the_rows_of_heirs_is_not_loaded_if_so_chosen() -> None:
    choice = choose(FLAT, {1: 30, 2: 10, 3: 20}, InheritedRows.ALL)
    assert (choice.skipped, problems(choice)) == ({1}, [])
    assert choice.findings.notes == ["public.logs: all 30 rows of its folder are its heirs'"]


def test_own_rows_among_those_of_heirs_cannot_be_told_apart() -> None:
    choice = choose(FLAT, {1: 31, 2: 10, 3: 20}, InheritedRows.ALL)
    assert problems(choice) == [
        "the folder of public.logs has 31 rows, its heirs have 30: its own cannot be told from theirs"
    ]


def test_a_choice_that_the_counts_rule_out_is_a_problem() -> None:
    choice = choose(FLAT, {1: 29, 2: 10, 3: 20}, InheritedRows.ALL)
    assert problems(choice) == ["the folder of public.logs has 29 rows, its heirs have 30: it cannot hold theirs"]


@pytest.mark.parametrize(
    "heir", [table(2, "far", inherits=(1,), kind=TableKind.FOREIGN), table(2, "far", inherits=(1,))]
)
def test_heirs_that_are_not_in_the_export_leave_it_open(heir: Table) -> None:
    [message] = problems(choose((PARENT, heir), {1: 5}))
    assert message == (
        "the folder of public.logs has 5 rows, its heirs have 0, and those of public.far are not known: it may hold "
        "theirs or not"
    )
    assert problems(choose((PARENT, heir), {1: 0})) == []


def test_an_unlogged_heir_has_no_rows_in_a_snapshot() -> None:
    assert problems(choose((PARENT, table(2, "cache", inherits=(1,), is_unlogged=True)), {1: 5})) == []


def test_rows_are_in_the_way_of_a_table_whose_folder_is_not_loaded() -> None:
    sources = [Source("public.logs", (30,)), Source("public.logs_a", (10,)), Source("public.logs_b", (20,))]
    made = plan(FLAT, sources, filled=[1], inherited=InheritedRows.ALL)
    assert messages(made) == ["already with rows in the target: public.logs"]


def test_heirs_of_heirs_are_counted_once_though_they_inherit_from_several() -> None:
    diamond = (*FLAT, table(4, "both", inherits=(2, 3)))
    rows = {1: 8, 2: 5, 3: 7, 4: 4}
    choice = choose(diamond, rows, InheritedRows.ALL)
    assert problems(choice) == [
        "the folder of public.logs_a has 5 rows, its heirs have 4: its own cannot be told from theirs",
        "the folder of public.logs_b has 7 rows, its heirs have 4: its own cannot be told from theirs",
    ]
    assert choice.skipped == {1}


def test_tables_that_are_connected_by_inheritance_are_a_line() -> None:
    heirs = Heirs((*FLAT, table(4, "both", inherits=(3, 5)), table(5, "more"), table(6, "alone")))
    assert heirs.lines() == [{1, 2, 3, 4, 5}]


def test_a_plan_counts_heirs_that_it_does_not_restore() -> None:
    made = plan(FLAT, include_tables=("logs",))
    assert messages(made) == []
    assert loaded(made) == ["logs"]
