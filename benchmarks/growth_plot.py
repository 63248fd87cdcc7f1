"""Draws how seconds grow with a size, as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Curve:
    """Seconds against a size."""

    title: str
    points: tuple[tuple[int, float], ...]
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
    figure.savefig(path, format="svg", metadata={"Date": None})


def _draw(curve: Curve, panel: Any) -> None:
    sizes, seconds = zip(*curve.points, strict=True)
    panel.loglog(sizes, seconds, marker="o")
    if curve.is_proportional:
        panel.loglog(
            sizes, [size / sizes[-1] * seconds[-1] for size in sizes], "--", color="grey", label="proportional"
        )
        panel.legend()
    panel.set_xlabel(curve.title)
    panel.set_ylabel("seconds")
    panel.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=30)
    panel.minorticks_off()
