"""What people have to know of a plan, gathered from the decisions that it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbrestore.errors import DbrestoreError


@dataclass(slots=True)
class Findings:
    """Notes say what was chosen, warnings what is left out or may fail, problems what stands in the way."""

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[DbrestoreError] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        """Take over those of another decision."""
        self.notes += other.notes
        self.warnings += other.warnings
        self.problems += other.problems
