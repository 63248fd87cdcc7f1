from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbrestore.errors import PrivilegeError, SchemaError, TargetError
from dbrestore.planning.choices import IfNotEmpty
from dbrestore.target.catalog import TableKind
from tests.unit.plans import Source, loaded, messages, partitioned, plan, table

if TYPE_CHECKING:
    from dbrestore.plan import Plan

A, B, C = table(1, "a"), table(2, "b"), table(3, "c")
LEAVES = (partitioned(10, "p"), table(11, "p1", parent=10), table(12, "p2", parent=10))
ALL_LEAVES = [Source("public.p", (5,)), Source("public.p1", (2,)), Source("public.p2", (3,))]
TRUNCATE = IfNotEmpty.TRUNCATE


def truncated(made: Plan) -> list[str]:
    return [entry.name for group in made.truncated for entry in group]


def test_rows_in_the_target_are_a_problem() -> None:
    [problem] = plan([A, B], filled=[2]).problems
    assert type(problem) is TargetError
    assert problem.message == "already with rows in the target: public.b"
    assert problem.hint == "Empty them first, or choose --if-not-empty skip, truncate or append."


def test_rows_in_any_partition_are_in_the_way_of_a_partitioned_table() -> None:
    assert messages(plan(LEAVES, ALL_LEAVES[:1], filled=[12])) == ["already with rows in the target: public.p"]


@pytest.mark.parametrize("choice", IfNotEmpty)
def test_empty_tables_are_no_matter(choice: IfNotEmpty) -> None:
    made = plan([A, B], if_not_empty=choice)
    assert (messages(made), made.notes, made.truncated, loaded(made)) == ([], (), (), ["a", "b"])


def test_tables_with_rows_may_be_skipped() -> None:
    made = plan([A, B], filled=[2], keys=[(1, 2)], if_not_empty=IfNotEmpty.SKIP)
    assert (messages(made), loaded(made), made.warnings) == ([], ["a"], ())
    assert made.notes == ("not restored, because they have rows: public.b",)


def test_tables_with_rows_may_keep_them() -> None:
    made = plan([A, B], filled=[2], if_not_empty=IfNotEmpty.APPEND)
    assert (messages(made), loaded(made)) == ([], ["a", "b"])
    assert [entry.keeps_rows for entry in made.tables] == [False, True]
    assert made.notes == ("added to the rows that are there: public.b",)


def test_only_tables_with_rows_and_those_that_reference_them_are_truncated() -> None:
    made = plan([A, B, C, table(4, "d")], filled=[1], keys=[(2, 1), (3, 2), (3, 4)], if_not_empty=TRUNCATE)
    assert messages(made) == []
    assert truncated(made) == ["a", "b", "c"]
    assert made.notes == ("emptied first: public.a, public.b, public.c",)


def test_a_table_outside_that_references_one_to_be_truncated_is_a_problem() -> None:
    [problem] = plan(
        [A, B, C], filled=[1], keys=[(2, 1), (3, 2)], exclude_tables=("c",), if_not_empty=TRUNCATE
    ).problems
    assert isinstance(problem, SchemaError)
    assert problem.message == (
        "tables that are not restored reference tables that would be emptied: public.c (key_3_2 to public.b)"
    )


def test_a_table_outside_that_references_an_empty_one_is_none() -> None:
    made = plan([A, B, C], filled=[1], keys=[(3, 2)], exclude_tables=("c",), if_not_empty=TRUNCATE)
    assert (messages(made), truncated(made)) == ([], ["a"])


def test_partitions_are_truncated_one_by_one_where_not_all_of_them_have_to_be() -> None:
    assert truncated(plan(LEAVES, ALL_LEAVES, filled=[12], if_not_empty=TRUNCATE)) == ["p2"]


def test_a_partitioned_table_that_references_another_table_is_truncated_whole() -> None:
    made = plan([*LEAVES, A], [*ALL_LEAVES, Source("public.a")], filled=[1], keys=[(10, 1)], if_not_empty=TRUNCATE)
    assert (messages(made), truncated(made)) == ([], ["a", "p"])


def test_what_references_a_partitioned_table_is_truncated_with_its_partitions() -> None:
    made = plan([*LEAVES, A], [*ALL_LEAVES, Source("public.a")], filled=[11], keys=[(1, 10)], if_not_empty=TRUNCATE)
    assert (messages(made), truncated(made)) == ([], ["a", "p1"])


def test_a_partition_outside_is_a_table_outside() -> None:
    made = plan(
        [*LEAVES, A],
        [*ALL_LEAVES, Source("public.a")],
        filled=[1],
        keys=[(10, 1)],
        exclude_tables=("p2",),
        if_not_empty=TRUNCATE,
    )
    assert messages(made) == [
        "tables that are not restored reference tables that would be emptied: public.p2 (key_10_1 to public.a)"
    ]


def test_a_foreign_partition_is_not_truncated() -> None:
    tables = [*LEAVES, table(13, "p3", parent=10, kind=TableKind.FOREIGN)]
    assert truncated(plan(tables, ALL_LEAVES, filled=[11, 12], if_not_empty=TRUNCATE)) == ["p1", "p2"]


def test_a_table_that_the_role_may_not_truncate_is_a_problem() -> None:
    [problem] = plan([table(1, "a", is_truncatable=False), B], filled=[1, 2], if_not_empty=TRUNCATE).problems
    assert isinstance(problem, PrivilegeError)
    assert problem.message == "the role may not truncate public.a"


def test_tables_without_keys_between_them_are_truncated_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbrestore.planning.existing.TABLES_PER_TRUNCATE", 2)
    tables = [table(oid, f"t{oid}") for oid in range(1, 8)]
    made = plan(tables, filled=range(1, 8), keys=[(6, 1), (7, 6)], if_not_empty=TRUNCATE)
    assert [[entry.oid for entry in group] for group in made.truncated] == [[1, 6, 7], [2, 3], [4, 5]]


def test_thousands_of_partitions_are_no_reason_to_wait() -> None:
    tables = [partitioned(1, "p"), *(table(n, f"p{n}", parent=1) for n in range(2, 10_000))]
    made = plan(
        tables, [Source(entry.dotted, (1,)) for entry in tables[1:]], filled=range(2, 9999), if_not_empty=TRUNCATE
    )
    assert max(map(len, made.truncated)) == 500
