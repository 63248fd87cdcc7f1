"""How errors call the place of a value: table, part, row and column."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbrestore.plan import PlannedPart, PlannedTable

VALUE_SHOWN = 80
"""Characters of a value that an error shows."""


def place_of(table: PlannedTable, parts: Sequence[PlannedPart]) -> str:
    """Parts of a table."""
    keys = parts[0].file.key if len(parts) == 1 else f"{len(parts)} parts of {table.folder}"
    return f"{table.table.dotted}, {keys}"


def find_position(error: Exception, table: PlannedTable) -> tuple[int, str | None] | None:
    """Row (from 0) and column of a COPY that failed, from its error's CONTEXT.

    CopyFromErrorCallback (src/backend/commands/copyfrom.c) writes ``COPY table, line 3, column name: "value"``;
    the words are translated on a server that does not speak English, their order is not changed. What a trigger or
    an input function was doing comes before it.
    """
    context = getattr(error, "context", None) or ""
    match = re.search(rf"^COPY {re.escape(table.table.name)}, \D+(\d+)(?:, \S+ (.*))?", context, re.MULTILINE)
    if match is None:
        return None
    about = match[2] or ""
    names = [column.name for column in table.columns if about == column.name or about.startswith(f"{column.name}:")]
    return int(match[1]) - 1, max(names, key=len, default=None)


def shorten(value: object) -> str:
    """A value as an error shows it."""
    text = repr(value)
    return text if len(text) <= VALUE_SHOWN else f"{text[:VALUE_SHOWN]}… ({len(text)} characters)"
