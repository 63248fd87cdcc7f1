from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbrestore.errors import SchemaError
from dbrestore.target.deferral.policy import ForeignKeys, Policy
from tests.unit.plans import foreign_key, messages, plan, table

if TYPE_CHECKING:
    from dbrestore.target.post_data import ForeignKey

TABLES = [table(1, "hens"), table(2, "eggs"), table(3, "barns")]


def cycle(**changes: bool | str) -> list[ForeignKey]:
    """Hens reference eggs, and eggs hens; barns reference hens."""
    return [foreign_key(1, 1, 2, **changes), foreign_key(2, 2, 1), foreign_key(3, 3, 1)]


def test_a_cycle_with_a_deferrable_key_is_loaded_together() -> None:
    made = plan(TABLES, keys=cycle(is_deferrable=True))
    assert made.problems == ()
    assert made.deferral.objects == ()
    assert {planned.table.name: planned.together for planned in made.tables} == {
        "hens": {1, 2},
        "eggs": {1, 2},
        "barns": frozenset(),
    }
    # Within the transaction eggs wait for hens: only the other key is deferred.
    assert [(planned.table.name, planned.level) for planned in made.tables] == [("hens", 0), ("barns", 1), ("eggs", 1)]


def test_a_cycle_without_a_deferrable_key_is_opened_by_taking_one_down() -> None:
    made = plan(TABLES, keys=cycle())
    assert made.problems == ()
    [deferred] = made.deferral.objects
    assert deferred.identity in {"foreign key key_1_2 of public.t1", "foreign key key_2_1 of public.t2"}
    assert {planned.together for planned in made.tables} == {frozenset()}
    assert {planned.level for planned in made.tables} >= {0, 1}


def test_a_cycle_is_opened_where_the_role_may() -> None:
    made = plan(TABLES, keys=cycle(obstacle="it is nailed down"))
    assert made.problems == ()
    assert [deferred.identity for deferred in made.deferral.objects] == ["foreign key key_2_1 of public.t2"]


def test_a_cycle_that_cannot_be_opened_is_a_problem_with_a_hint() -> None:
    nailed = [foreign_key(1, 1, 2, obstacle="it is nailed down"), foreign_key(2, 2, 1, obstacle="it is nailed down")]
    [problem] = plan(TABLES, keys=nailed).problems
    assert isinstance(problem, SchemaError)
    assert problem.message.startswith("foreign keys form a cycle: ")
    assert "DEFERRABLE" in str(problem.hint)


def test_two_keys_between_two_tables_are_deferred_only_if_both_can_be() -> None:
    twice = [*cycle(is_deferrable=True), foreign_key(4, 1, 2)]
    made = plan(TABLES, keys=twice)
    assert {planned.together for planned in made.tables} == {frozenset()}
    assert len(made.deferral.objects) in {1, 2}


def test_keys_that_come_down_make_nobody_wait() -> None:
    made = plan(TABLES, keys=[*cycle(), foreign_key(4, 2, 2)], policy=Policy())
    assert messages(made) == []
    assert {(planned.level, planned.after, planned.references_itself) for planned in made.tables} == {
        (0, frozenset(), False)
    }
    assert len(made.deferral.objects) == 4


def test_keys_that_stay_make_their_tables_wait_while_others_come_down() -> None:
    made = plan(TABLES, keys=[*cycle(), foreign_key(5, 3, 2, obstacle="it is nailed down")], policy=Policy())
    assert {planned.table.name: planned.after for planned in made.tables} == {
        "hens": frozenset(),
        "eggs": frozenset(),
        "barns": {2},
    }


@pytest.mark.parametrize(
    ("policy", "key"),
    [
        (Policy(ForeignKeys.ORDERED), foreign_key(1, 1, 2, is_enforced=False)),
        (Policy(ForeignKeys.UNCHECKED), foreign_key(1, 1, 2)),
    ],
)
def test_keys_that_nothing_checks_make_nobody_wait(policy: Policy, key: ForeignKey) -> None:
    made = plan(TABLES, keys=[key], policy=policy)
    assert {planned.after for planned in made.tables} == {frozenset()}
    assert made.deferral.objects == ()
