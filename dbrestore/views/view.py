"""What every view is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbrestore.events import Event
    from dbrestore.tally import Tally


class View:
    """Shows what happens. Every method may be left as it is. One that raises OSError is dropped."""

    figures_interval: float | None = None
    """Seconds between two looks at the server's figures; None where they are not shown."""
    wants_statements = False
    """Each statement of SQL is an event."""

    def open(self) -> None:
        """The run begins."""

    def show(self, event: Event, tally: Tally) -> None:
        """Something happened, which ``tally`` already knows."""

    def tick(self, tally: Tally) -> None:
        """Some time has passed: about half a second."""

    def close(self, tally: Tally) -> None:
        """The run is over. Raises a DbrestoreError if what was promised cannot be kept."""
