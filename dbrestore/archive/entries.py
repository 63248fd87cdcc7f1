"""What is in an archive: the table of contents that `pg_restore --list` prints.

The form of a line is that of PrintTOCSummary (src/bin/pg_dump/pg_backup_archiver.c): ``id; oid oid KIND schema tag
owner``. Names are not quoted there, so that one with blanks cannot be told from two; the longest that fits is taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

_LINE = re.compile(r"\d+; \d+ (?:\d+ )?(?P<text>[A-Z].*)")
FOREIGN_KEY = "FK CONSTRAINT"
LASTING_KINDS = (
    "CHECK CONSTRAINT",
    "CONSTRAINT",
    "EVENT TRIGGER",
    FOREIGN_KEY,
    "FUNCTION",
    "INDEX",
    "MATERIALIZED VIEW",
    "POLICY",
    "PROCEDURE",
    "PUBLICATION",
    "RULE",
    "STATISTICS",
    "TRIGGER",
)
"""Kinds of post-data that cannot be made twice. What else there is may be: COMMENT, INDEX ATTACH, ROW SECURITY …"""
REPLACED_VIEW = " _RETURN "
"""The rule of a view that pg_dump makes in two steps, the second of them in post-data, by CREATE OR REPLACE."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A thing in an archive."""

    line: str
    """As `pg_restore --use-list` wants it."""
    text: str
    """``KIND schema tag owner``."""

    def is_of(self, kind: str) -> bool:
        """Whether it is of a kind that is not the beginning of another kind's name."""
        rest = self.text.removeprefix(f"{kind} ")
        return rest != self.text and not rest.startswith(("ATTACH ", "DATA ", "TABLE"))

    @property
    def lasting_kind(self) -> str | None:
        """Its kind, if it is one of those that cannot be made twice."""
        if REPLACED_VIEW in self.text:
            return None
        return next(filter(self.is_of, LASTING_KINDS), None)

    def name(self, kind: str, known: Set[str]) -> str | None:
        """The longest of the ``known`` names of that kind, ``schema tag``, that it may have."""
        words = self.text.removeprefix(f"{kind} ").split(" ")
        names = (" ".join(words[:length]) for length in range(len(words), 0, -1))
        return next((name for name in names if name in known), None)

    @property
    def shown(self) -> str:
        """For people."""
        kind = re.match(r"[A-Z ]*(?= )", self.text)
        name = self.text[kind.end() :].strip() if kind else self.text
        return f"{kind[0].lower() if kind else ''} {name.removeprefix('- ').rpartition(' ')[0]}".strip()


def parse_entries(listing: str) -> Iterator[Entry]:
    """The entries of what `pg_restore --list` printed."""
    for line in listing.splitlines():
        if match := _LINE.match(line):
            yield Entry(line, match["text"])
