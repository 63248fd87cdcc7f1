"""What a restore is meant to reach, and whether it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.suite.tables import ALL_OURS, OURS, load_ratio, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.suite.running import Outcomes

LIMIT = "psql"
"""The contender that does nothing but feed the server, and need not be beaten."""
ROW_WISE_RATE = 88_000
"""Rows/s of a loader that makes a Python object of each value."""
TIMES_ROW_WISE = 5


@dataclass(frozen=True, slots=True)
class Goal:
    """dbrestore's time is at most ``share`` of another's on a data set."""

    data_set: str
    other: str
    share: float
    jobs: int | None = None
    """For this number of jobs only."""
    is_of_load: bool = False
    """It is about loading alone, without the start and what comes after the rows."""


GOALS = (
    Goal("twelve", "pg_restore", 0.75),
    Goal("tpch", "pg_restore", 0.75),
    Goal("skewed", "pg_restore", 0.55),
    Goal("small", "pg_restore", 1.0),
    Goal("twelve", LIMIT, 1.15, jobs=1, is_of_load=True),
)


def goal_lines(
    outcomes: Mapping[str, Outcomes], rows: Mapping[str, int], others: Sequence[str], jobs: Sequence[int]
) -> Iterator[str]:
    """A table of goals; ``rows`` are those of each data set, ``others`` the contenders that load all of them."""
    yield from ("### Goals", "", "| dbrestore against | on | at most | measured | |", "|---|---|---|---|---|")
    for goal in GOALS:
        if goal.data_set in outcomes:
            yield from _line(goal, outcomes[goal.data_set], jobs)
    if "twelve" in outcomes:
        yield from _rate_line(outcomes["twelve"], rows["twelve"], jobs)
    for other in others:
        if other not in (*ALL_OURS, LIMIT):
            yield from _never_slower(other, outcomes, jobs)


def _never_slower(other: str, outcomes: Mapping[str, Outcomes], jobs: Sequence[int]) -> Iterator[str]:
    shares = [
        (share, data_set, number)
        for data_set, found in outcomes.items()
        for number in jobs
        if (share := ratio(found, other, number)) is not None
    ]
    if shares:
        share, data_set, number = max(shares)
        measured = f"at worst {share:.2f} ({data_set}, N = {number})"
        yield f"| {other} | every data set | 1.00 | {measured} | {_verdict(share <= 1)} |"


def _line(goal: Goal, outcomes: Outcomes, jobs: Sequence[int]) -> Iterator[str]:
    wanted = [number for number in jobs if goal.jobs in (None, number)]
    find = load_ratio if goal.is_of_load else ratio
    shares = [(number, share) for number in wanted if (share := find(outcomes, goal.other, number)) is not None]
    if shares:
        measured = ", ".join(f"{share:.2f} (N = {number})" for number, share in shares)
        verdict = _verdict(all(share <= goal.share for _, share in shares))
        what = f"{goal.data_set}, loading alone" if goal.is_of_load else goal.data_set
        yield f"| {goal.other} | {what} | {goal.share:.2f} | {measured} | {verdict} |"


def _rate_line(outcomes: Outcomes, rows: int, jobs: Sequence[int]) -> Iterator[str]:
    """With the number of jobs that suits dbrestore: the rate of the other is what it reaches with all it has."""
    rates = [(rows / ours.seconds, number) for number in jobs if (ours := outcomes.median(OURS, number))]
    if rates:
        rate, number = max(rates)
        wanted = ROW_WISE_RATE * TIMES_ROW_WISE
        verdict = _verdict(rate >= wanted)
        yield f"| row-wise | twelve | at least {wanted:,} rows/s | {rate:,.0f} rows/s (N = {number}) | {verdict} |"


def _verdict(is_met: bool) -> str:
    return "met" if is_met else "not met"
