"""How names of an export are written: in its paths by AWS, in messages by this program."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_NAMES_SHOWN = 5

_REPLACED_IN_PATHS = re.compile(r'[\\`" ]')


@dataclass(frozen=True, slots=True)
class Place:
    """One way to read a manifest's target, and the folder where a table of that name was put."""

    database: str
    name: str
    """``schema.table``"""
    folder: str
    """Path below the export's root."""


def possible_places(target: str) -> Iterator[Place]:
    r"""All ways to split a target into a database and ``schema.table``, the shortest database first.

    ``\``, backtick, ``"`` and space are ``_`` in paths (AWS documentation, "Considerations for DB cluster snapshot
    exports").
    """
    for dot in re.finditer(r"\.", target):
        database, name = target[: dot.start()], target[dot.end() :]
        if "." in name:
            yield Place(database, name, _REPLACED_IN_PATHS.sub("_", f"{database}/{name}"))


def some_of(names: Iterable[str]) -> str:
    """The names in order, as a message lists them: the first few, and how many more there are."""
    ordered = sorted(names)
    shown, more = ordered[:MAX_NAMES_SHOWN], len(ordered) - MAX_NAMES_SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
