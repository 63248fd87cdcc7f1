"""What a verification found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbrestore.plan import PlannedTable


class Verification(StrEnum):
    """How the target is compared with the export."""

    NONE = "none"
    COUNTS = "counts"
    """The rows of each table, with the footers."""
    DEEP = "deep"
    """And every row with every row."""


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row that only one side has."""

    values: tuple[tuple[str, str], ...]
    """Columns and what they hold, for people."""
    part: str | None = None
    """The key of the part that has it; None if it is the target that does."""
    row: int | None = None
    """Its place in the part, from 1."""

    @property
    def text(self) -> str:
        """For people."""
        values = ", ".join(f"{name}={value}" for name, value in self.values)
        return f"{self.part}, row {self.row}: ({values})" if self.part else f"({values})"


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows of a table that only one side has."""

    only_in_export: int
    only_in_target: int
    is_exact: bool
    """Else there are more than these numbers: there are so many differences that not all were looked at."""
    rows: tuple[ShownRow, ...] = ()
    """Some of them."""
    is_by_form: bool = False
    """The target could not put the export's values into its own form, so some rows may only look different."""

    @property
    def lines(self) -> Iterator[str]:
        """For people."""
        more = "" if self.is_exact else "at least "
        yield f"{more}{self.only_in_export:,} rows only in the export, {more}{self.only_in_target:,} only in the target"
        for row in self.rows:
            yield f"  only in the {'export' if row.part else 'target'}: {row.text}"
        if self.is_by_form:
            yield "  (some may only be written in another way: to tell, the role needs TEMPORARY, and no standby)"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one table."""

    table: PlannedTable
    found: int
    """Rows in the target."""
    kept: int = 0
    """Rows that were there before the restore."""
    is_content_compared: bool = False
    difference: Difference | None = None

    @property
    def expected(self) -> int:
        """Rows that the target should have."""
        return self.kept + self.table.rows

    @property
    def is_right(self) -> bool:
        """Whether nothing differs, as far as it was looked at."""
        return self.found == self.expected and self.difference is None

    @property
    def message(self) -> str:
        """What differs, for people."""
        name = self.table.table.dotted
        there = f", and {self.kept} were there before" if self.kept else ""
        counts = f"{name} has {self.found} rows, its parts in the export have {self.table.rows}{there}"
        if self.difference is None:
            return counts
        first = counts if self.found != self.expected else f"{name} has other rows than its parts in the export"
        return "\n".join([f"{first}:", *(f"  {line}" for line in self.difference.lines)])
