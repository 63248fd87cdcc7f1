"""Pages and pictures from templates, which escape whatever is put into them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dbrestore.printing import printable
from dbrestore.report.drawing import lay_out
from dbrestore.report.quantities import clock, readable_bytes, readable_seconds

if TYPE_CHECKING:
    from typing import Any

    from dbrestore.report.levels import LevelGraph

MANY_LINES = 150
"""Foreign keys from which a picture draws them fainter."""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("dbrestore.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "printable": printable,
        "bytes": readable_bytes,
        "seconds": readable_seconds,
        "clock": clock,
        "number": "{:,}".format,
    }
    return environment


def render_levels(graph: LevelGraph) -> Markup:
    """A picture of a graph as SVG, which needs nothing else and follows the reader's light or dark colours."""
    picture = lay_out(graph)
    opacity = 0.6 if len(picture.lines) <= MANY_LINES else 0.25
    return Markup(_environment().get_template("levels.svg").render(picture=picture, opacity=opacity))  # noqa: S704 - escaped


def render_page(name: str, **content: Any) -> str:
    """A page from a template."""
    return _environment().get_template(name).render(**content)
