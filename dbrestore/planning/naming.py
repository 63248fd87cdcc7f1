"""Names of tables and columns in messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES_SHOWN = 100


def list_names(names: Sequence[str]) -> str:
    """The names in order, at most NAMES_SHOWN of them."""
    shown = ", ".join(sorted(names)[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown
