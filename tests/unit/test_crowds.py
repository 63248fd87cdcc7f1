from __future__ import annotations

from dbrestore.crowds import MOST_IN_CROWD, SMALL_BYTES, group


def sizes(*given: int, jobs: int = 1) -> list[list[int]]:
    return [list(each) for each in group(given, lambda size: size, jobs)]


def test_what_is_large_stays_alone_and_what_is_small_comes_in_crowds() -> None:
    large = SMALL_BYTES + 1
    assert sizes(large, *range(8), large) == [[large], [large], [0, 1], [2, 3], [4, 5], [6, 7]]


def test_where_there_are_few_each_stays_alone() -> None:
    assert sizes(1, SMALL_BYTES + 1, 2) == [[SMALL_BYTES + 1], [1], [2]]
    assert sizes(*range(15), jobs=2) == [[each] for each in range(15)]


def test_no_crowd_is_too_large() -> None:
    assert {len(each) for each in sizes(*range(10 * MOST_IN_CROWD))} == {MOST_IN_CROWD}
