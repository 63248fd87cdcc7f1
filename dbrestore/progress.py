"""What people see of a restore while it runs: lines on stderr."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from dbrestore.target.journal import SCHEMA, UNFINISHED_HINT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from dbrestore.errors import DbrestoreError
    from dbrestore.plan import Plan, PlannedPart, PlannedTable
    from dbrestore.target.deferral.model import Step

COMPLAINT_INTERVAL = 2.0
"""Seconds between two lines about faults of one kind."""
LINE_INTERVAL = 10.0
"""Seconds between two lines while nothing else is to be said."""


@dataclass(slots=True)
class Progress:
    """Counts what is loaded and says so now and then; every part, if ``verbose``."""

    verbose: bool = False
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    rows: int = 0
    started: float = field(default_factory=time.monotonic)
    _total: int = 0
    _earlier_rows: int = 0
    """That were loaded by the run that is gone on with."""
    _said: float = field(default_factory=time.monotonic)
    _complained: dict[object, float] = field(default_factory=dict)
    """When each fault was told of last."""

    def planned(self, plan: Plan, loaded: Collection[str] = ()) -> None:
        """The plan is made and loading begins, of all parts but those that are ``loaded``, by their keys."""
        parts = [part for table in plan.tables for part in table.parts]
        self._earlier_rows = sum(part.rows for part in parts if part.file.key in loaded)
        self.rows, self._total = 0, sum(part.rows for part in parts)
        for note in plan.notes if self.verbose else ():
            self._say(f"note: {note}")
        self.warn(plan.warnings)
        self._say(
            f"restoring {len(plan.tables)} tables, {self._total:,} rows of {plan.export_id} ({plan.source_database}) "
            f"into {plan.target_database}"
        )
        if loaded:
            self._say(f"going on: {len(loaded):,} of {len(parts):,} parts, {self._earlier_rows:,} rows are loaded")

    def tell(self, line: str) -> None:
        """Something that people may want to know."""
        self._say(line)

    def warn(self, warnings: Iterable[str]) -> None:
        """Something is not as it might be wished."""
        for warning in warnings:
            self._say(f"warning: {warning}")

    def retrying(self, error: DbrestoreError, pause: float) -> None:
        """What failed by ``error`` is done again in ``pause`` seconds. One line is for all who meet it."""
        now = time.monotonic()
        if now - self._complained.get(error.fault, -COMPLAINT_INTERVAL) >= COMPLAINT_INTERVAL:
            self._complained[error.fault] = now
            reason = "; ".join(error.message.splitlines())
            self._say(f"{reason}; trying again in {pause:.1f} s")

    def loaded(self, table: PlannedTable, parts: Sequence[PlannedPart]) -> None:
        """Parts of a table are in the target."""
        rows = sum(part.rows for part in parts)
        self.rows += rows
        if self.verbose:
            self._say(f"{table.table.dotted}: {rows:,} rows of {', '.join(part.file.key for part in parts)}")
        elif time.monotonic() - self._said >= LINE_INTERVAL:
            self._say(
                f"{self._earlier_rows + self.rows:,} of {self._total:,} rows, {self.rows / self.elapsed:,.0f} rows/s"
            )

    @contextmanager
    def telling_how_to_go_on(self, *, is_journaled: bool) -> Iterator[None]:
        """Say what can be done where the block ends before all is done."""
        try:
            yield
        except BaseException:
            if is_journaled:
                self._say(f"the restore is unfinished; its journal is the schema {SCHEMA} of the target")
                self._say(f"hint: {UNFINISHED_HINT}")
            raise

    def aborted(self, steps: Sequence[Step]) -> None:
        """What an unfinished run took down is back: these steps were taken."""
        objects = {step.identity for step in steps if step.statements}
        self._say(f"put back {len(objects)} keys, indexes and triggers in {self.elapsed:.1f} s")

    def had_nothing_to_abort(self) -> None:
        """There is no unfinished run."""
        self._say("no restore is unfinished: there is nothing to put back")

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def finished(self, plan: Plan) -> None:
        """All is loaded and verified."""
        seconds = self.elapsed
        self._say(
            f"restored {len(plan.tables)} tables, {self._total:,} rows in {seconds:.1f} s "
            f"({self.rows / seconds:,.0f} rows/s); row counts verified"
        )
        self.started = time.monotonic()

    def _say(self, line: str) -> None:
        self._said = time.monotonic()
        print(line, file=self.stream, flush=True)
