"""What each connection did when, as bars of a timeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbrestore.report.quantities import readable_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

NARROWEST = 0.15
"""Per cent of the whole; bars that are narrower are put together with their neighbours."""
TICKS = (0, 0.25, 0.5, 0.75, 1)


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time; ``left`` and ``width`` in per cent of the whole."""

    left: float
    width: float
    kind: str
    """A class of the style."""
    title: str


@dataclass(frozen=True, slots=True)
class Lane:
    """What one connection did."""

    name: str
    bars: tuple[Bar, ...]
    busy: float
    """Per cent of the whole."""


def connection_lanes(run: dict[str, Any]) -> list[Lane]:
    """A lane for each connection of a report's run."""
    total = max(run["seconds"], 0.001)
    return [
        Lane(
            str(connection["pid"]) if connection["pid"] > 0 else f"load {-connection['pid']}",
            tuple(_bars(connection["activities"], total)),
            100 * min(sum(activity["seconds"] for activity in connection["activities"]) / total, 1),
        )
        for connection in run["connections"]
    ]


def stage_bars(run: dict[str, Any]) -> list[Bar]:
    """What the run did as a whole."""
    total = max(run["seconds"], 0.001)
    return [
        Bar(
            100 * stage["start"] / total,
            100 * stage["seconds"] / total,
            f"stage{number % 2}",
            f"{stage['stage']}: {readable_seconds(stage['seconds'])}",
        )
        for number, stage in enumerate(run["stages"])
    ]


def _bars(activities: Iterable[dict[str, Any]], total: float) -> Iterator[Bar]:
    narrow: list[dict[str, Any]] = []
    for activity in activities:
        is_narrow = 100 * activity["seconds"] / total < NARROWEST
        if narrow and not (is_narrow and _goes_on(narrow, activity, total)):
            yield _bar(narrow, total)
            narrow = []
        if is_narrow:
            narrow.append(activity)
        else:
            yield _bar([activity], total)
    if narrow:
        yield _bar(narrow, total)


def _goes_on(narrow: Sequence[dict[str, Any]], activity: dict[str, Any], total: float) -> bool:
    """Whether an activity is of the same sort as the last one, and comes right after it."""
    last = narrow[-1]
    gap = activity["start"] - last["start"] - last["seconds"]
    is_alike = (activity["kind"], activity["has_failed"]) == (last["kind"], last["has_failed"])
    return is_alike and 100 * gap / total < NARROWEST


def _bar(activities: Sequence[dict[str, Any]], total: float) -> Bar:
    first, last = activities[0], activities[-1]
    start, end = first["start"], last["start"] + last["seconds"]
    if len(activities) == 1:
        rows = f", {first['rows']:,} rows" if first["rows"] else ""
        title = f"{first['kind']} {first['name']}{rows}: {readable_seconds(first['seconds'])}"
    else:
        title = f"{first['kind']}, {len(activities):,} times, {first['name']} to {last['name']}"
    failed = " failed" if first["has_failed"] else ""
    return Bar(100 * start / total, 100 * (end - start) / total, _class(first["kind"]) + failed, title + failed)


def _class(kind: str) -> str:
    return kind.replace(" ", "-")
