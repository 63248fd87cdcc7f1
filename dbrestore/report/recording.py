"""Remembers what a report tells of a run."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from dbrestore.events import Ended, StageEntered

if TYPE_CHECKING:
    from dbrestore.events import Event
    from dbrestore.tally import Tally

MOST_ACTIVITIES = 100_000
"""That a report has; of more the shorter half is left out."""


class Recording:
    """The stages of a run, and what its connections did."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, float]] = []
        """Each with the seconds at which it began."""
        self.activities: list[Ended] = []
        self.left_out = 0
        """Activities that were too short to be kept."""

    def add(self, event: Event, tally: Tally) -> None:
        """Something happened."""
        match event:
            case StageEntered(stage=stage):
                self.stages.append((stage, tally.elapsed))
            case Ended():
                self.activities.append(event)
                if len(self.activities) > MOST_ACTIVITIES:
                    self._thin_out()

    def by_connection(self) -> dict[int, list[Ended]]:
        """By the server's process, what it did, in order."""
        found: dict[int, list[Ended]] = defaultdict(list)
        for ended in sorted(self.activities, key=lambda ended: ended.activity.started):
            found[ended.activity.pid].append(ended)
        return found

    def _thin_out(self) -> None:
        kept = sorted(self.activities, key=lambda ended: -ended.seconds)[: MOST_ACTIVITIES // 2]
        self.left_out += len(self.activities) - len(kept)
        self.activities = kept
