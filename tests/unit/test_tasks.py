from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbrestore.crowds import MOST_IN_CROWD, SMALL_BYTES
from dbrestore.tasks import WHOLE_BYTES, find_crowds, find_whole
from tests.unit.plans import Source, plan, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbrestore.plan import Plan


def made(sizes: Sequence[int], keys: Iterable[tuple[int, int]] = ()) -> Plan:
    """The plan for tables, counted from 1, with parts of so many bytes."""
    tables = [table(number, f"t{number}") for number in range(1, len(sizes) + 1)]
    sources = [Source(entry.dotted, part_bytes=size) for entry, size in zip(tables, sizes, strict=True)]
    return plan(tables, sources, keys=keys)


@pytest.mark.parametrize(
    ("sizes", "jobs", "expected"),
    [
        ([100], 1, {1}),
        ([100], 2, set()),
        ([100, 100], 2, set()),
        ([100, 10, 10, 10], 2, {2, 3, 4}),
        ([25] * 4, 2, {1, 2, 3, 4}),
        ([WHOLE_BYTES, WHOLE_BYTES + 1], 1, {1}),
        ([WHOLE_BYTES + 1] * 8, 2, set()),
    ],
)
def test_a_table_goes_in_one_copy_if_no_job_waits_for_it(sizes: Sequence[int], jobs: int, expected: set[int]) -> None:
    assert set(find_whole(made(sizes), jobs)) == expected


@pytest.mark.parametrize(
    ("number", "jobs", "expected"),
    [(7, 1, []), (8, 1, [2, 2, 2, 2]), (15, 2, []), (17, 2, [2] * 8 + [1]), (1000, 4, [MOST_IN_CROWD] * 31 + [8])],
)
def test_small_tables_share_transactions_if_there_are_several_for_each_job(
    number: int, jobs: int, expected: list[int]
) -> None:
    assert [len(crowd) for crowd in find_crowds(made([100] * number).tables, jobs)] == expected


def test_a_large_table_and_one_that_waits_for_another_share_no_transaction() -> None:
    plan = made([100] * 8 + [100, SMALL_BYTES + 1], keys=[(9, 1)])
    crowds = find_crowds(plan.tables, 1)
    assert sorted(table.table.oid for crowd in crowds for table in crowd) == list(range(1, 9))
