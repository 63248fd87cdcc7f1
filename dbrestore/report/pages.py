"""The page of a run: ``restore --report FILE.html``. One file, which needs nothing else and runs no script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbrestore.report.quantities import readable_seconds
from dbrestore.report.rendering import render_levels, render_page
from dbrestore.report.timelines import TICKS, connection_lanes, stage_bars

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbrestore.report.levels import LevelGraph

SLOWEST_SHOWN = 15
PROBLEMS_SHOWN = 50
"""That are shown at once; the others can be opened."""


def render_run(run: dict[str, Any], graphs: Sequence[LevelGraph]) -> str:
    """HTML of a run, as ``report.runs`` has it, with the ``graphs`` of its databases."""
    return render_page(
        "page.html",
        run=run,
        stages=stage_bars(run),
        lanes=connection_lanes(run),
        ticks=[(100 * share, readable_seconds(share * run["seconds"])) for share in TICKS],
        databases=[
            {
                **database,
                "picture": render_levels(graph),
                "levels": len(graph.levels),
                "slowest": list(_slowest(database["tables"])),
            }
            for database, graph in zip(run["databases"], graphs, strict=True)
        ],
        shown=PROBLEMS_SHOWN,
        kinds=sorted({activity["kind"] for found in run["connections"] for activity in found["activities"]}),
    )


def _slowest(tables: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Those that took longest, with bars of a length in per cent of the first."""
    ranked = sorted(tables, key=lambda table: -sum(table["seconds"].values()))[:SLOWEST_SHOWN]
    longest = max((sum(table["seconds"].values()) for table in ranked), default=0) or 1
    for table in ranked:
        seconds = table["seconds"]
        if seconds:
            bars = [(kind.replace(" ", "-"), 100 * value / longest, kind, value) for kind, value in seconds.items()]
            yield {**table, "total": sum(seconds.values()), "bars": bars}
