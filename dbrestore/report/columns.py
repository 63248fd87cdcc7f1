"""Tables of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbrestore.printing import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

GAP = "  "
NARROWEST = 16
"""Characters that are left of a name, however narrow the terminal."""


def aligned(
    rows: Sequence[tuple[str, ...]], right: AbstractSet[int], width: int | None = None, flexible: int = 1
) -> Iterator[str]:
    """Lines of ``rows``, the first of which is the heading; the columns ``right`` are aligned to the right.

    Where a line has more than ``width`` characters, the column ``flexible`` gives way.
    """
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if width is not None:
        others = sum(widths) - widths[flexible] + len(GAP) * (len(widths) - 1)
        widths[flexible] = min(widths[flexible], max(width - others, NARROWEST))
    for row in rows:
        cells = (
            shortened(cell, width).rjust(width) if number in right else shortened(cell, width).ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield GAP.join(cells).rstrip()


def shortened(text: str, width: int) -> str:
    """``text`` in at most ``width`` characters: names often differ at both ends, so the middle goes."""
    if len(text) <= width:
        return text
    kept = width - 1
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
