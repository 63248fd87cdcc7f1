"""The outcome as Markdown: medians, ratios, and what became of the goals."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.suite.contenders import Contender
    from benchmarks.suite.preparation import Prepared
    from benchmarks.suite.running import Outcomes

MEBIBYTE = 1024**2
OURS = "dbrestore"
ALL_OURS = (OURS, "dbrestore_as_others")
NOT_MEASURED = "-"


def data_set_lines(
    prepared: Prepared, outcomes: Outcomes, contenders: Sequence[Contender], jobs: Sequence[int]
) -> Iterator[str]:
    """Seconds of each contender and, behind them, dbrestore's as a share of them."""
    yield from (f"### {prepared.data_set.title}", "")
    yield f"| | {' | '.join(f'N = {number}' for number in jobs)} | rows/s at {jobs[-1]} | peak memory at {jobs[-1]} |"
    yield "|---" * (len(jobs) + 3) + "|"
    for contender in contenders:
        if not contender.is_slice:
            yield _line(prepared, outcomes, contender, jobs)
    yield ""
    yield from _slice_lines(prepared, outcomes, contenders, jobs[0])
    for (name, number), failure in outcomes.failures.items():
        yield from (f"{name} at N = {number} failed: {' '.join(failure.split())}", "")


def _line(prepared: Prepared, outcomes: Outcomes, contender: Contender, jobs: Sequence[int]) -> str:
    cells = [_cell(outcomes, contender.name, number) for number in jobs]
    widest = outcomes.median(contender.name, jobs[-1])
    rate = f"{prepared.rows_in_all / widest.seconds:,.0f}" if widest else NOT_MEASURED
    peak = f"{widest.peak_bytes / MEBIBYTE:.0f} MiB" if widest else NOT_MEASURED
    return f"| {contender.title} | {' | '.join(cells)} | {rate} | {peak} |"


def _cell(outcomes: Outcomes, name: str, jobs: int) -> str:
    measured = outcomes.median(name, jobs)
    if measured is None:
        return NOT_MEASURED
    share = ratio(outcomes, name, jobs)
    return f"{measured.seconds:.2f} s" + (f" ({share:.2f})" if share is not None and name not in ALL_OURS else "")


def ratio(outcomes: Outcomes, other: str, jobs: int) -> float | None:
    """dbrestore's seconds as a share of another's, if both have been measured."""
    ours, theirs = outcomes.median(OURS, jobs), outcomes.median(other, jobs)
    return ours.seconds / theirs.seconds if ours and theirs else None


def load_ratio(outcomes: Outcomes, other: str, jobs: int) -> float | None:
    """The seconds of dbrestore's loading alone as a share of all of another's, if both have been measured."""
    loads, theirs = outcomes.loads.get((OURS, jobs)), outcomes.median(other, jobs)
    return median(loads) / theirs.seconds if loads and theirs else None


def _slice_lines(prepared: Prepared, outcomes: Outcomes, contenders: Sequence[Contender], jobs: int) -> Iterator[str]:
    rows = prepared.slice_rows
    rates = [
        f"{contender.title} {rows / measured.seconds:,.0f} rows/s"
        for contender in contenders
        if contender.is_slice and (measured := outcomes.median(contender.name, jobs))
    ]
    if rates:
        yield from (f"A slice of {rows:,} rows of the largest part, one connection: {', '.join(rates)}.", "")
