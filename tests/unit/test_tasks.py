from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbrestore.tasks import WHOLE_BYTES, find_whole
from tests.unit.plans import Source, plan, table

if TYPE_CHECKING:
    from collections.abc import Sequence


def whole(sizes: Sequence[int], jobs: int) -> set[int]:
    """Which of tables with parts of so many bytes, counted from 1, go in one COPY."""
    tables = [table(number, f"t{number}") for number in range(1, len(sizes) + 1)]
    sources = [Source(entry.dotted, part_bytes=size) for entry, size in zip(tables, sizes, strict=True)]
    return set(find_whole(plan(tables, sources), jobs))


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
    assert whole(sizes, jobs) == expected
