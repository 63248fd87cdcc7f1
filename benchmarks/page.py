"""Puts results into docs/performance.md, each between two comments with the name of what measured it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def keep(name: str, lines: Iterable[str], page: Path = PAGE) -> None:
    """Put the result of ``name`` in the place of its last one. Raises SystemExit if the page has no place for it."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    place = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    kept = f"{begin}\n" + "\n".join([*lines, "", end])
    text, places = place.subn(lambda _: kept, page.read_text())
    if places != 1:
        raise SystemExit(f"{page} has {places} places for {name} instead of one")
    page.write_text(text)
