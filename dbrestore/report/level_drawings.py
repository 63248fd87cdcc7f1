"""The levels of foreign keys drawn where a user wants them: `plan --graph`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dbrestore.report.files import write_whole
from dbrestore.report.levels import level_graph
from dbrestore.report.mermaid import mermaid_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbrestore.plan import Plan

STREAMED_FORMATS = ("mermaid", "svg")
"""What is written to stdout; all else is a file, *.mmd or *.svg."""


def draw_levels(plans: Sequence[Plan], wanted: str) -> None:
    """Draw the levels of each plan: to stdout, or to a file; of several, each has its database in its name."""
    from dbrestore.report.rendering import render_levels  # noqa: PLC0415 - with Jinja, which no other plan needs

    for each in plans:
        graph = level_graph(each)
        path = Path(wanted)
        suffix = wanted if wanted in STREAMED_FORMATS else path.suffix[1:]
        text = f"{render_levels(graph)}\n" if suffix == "svg" else "\n".join((*mermaid_lines(graph), ""))
        if wanted in STREAMED_FORMATS:
            typer.echo(text, nl=False)
        else:
            write_whole(path if len(plans) == 1 else path.with_stem(f"{path.stem}-{each.source_database}"), text)
