"""Draws how seconds grow with a size, as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Point:
    """What one size takes."""

    size: int
    seconds: float
    client: float
    """CPU seconds of dbrestore."""
    server: float
    """CPU seconds of the server."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Seconds against a size."""

    title: str
    points: tuple[Point, ...]
    is_proportional: bool = True
    """The seconds are meant to grow as the size does."""


def draw(curves: Sequence[Curve], path: Path) -> None:
    """A panel for each curve, with logarithmic axes, and a line for what is proportional to the largest point."""
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "dbrestore"  # the same figures make the same file
    pyplot: Any = import_module("matplotlib.pyplot")
    figure, panels = pyplot.subplots(1, len(curves), figsize=(4 * len(curves), 3.2), layout="constrained")
    for curve, panel in zip(curves, panels, strict=True):
        _draw(curve, panel)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.savefig(path, format="svg", metadata={"Date": None})


def _draw(curve: Curve, panel: Any) -> None:
    sizes = [point.size for point in curve.points]
    seconds = [point.seconds for point in curve.points]
    panel.loglog(sizes, seconds, marker="o", label="seconds")
    panel.loglog(sizes, [point.server for point in curve.points], marker=".", label="CPU of the server")
    panel.loglog(sizes, [point.client for point in curve.points], marker=".", label="CPU of dbrestore")
    if curve.is_proportional:
        panel.loglog(
            sizes, [size / sizes[-1] * seconds[-1] for size in sizes], "--", color="grey", label="proportional"
        )
    panel.set_xlabel(curve.title)
    panel.set_ylabel("seconds")
    panel.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=30)
    panel.minorticks_off()
