"""What a restore says of itself: each method makes an event, which all views are told."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

from dbrestore import events
from dbrestore.errors import DbrestoreError, Fault, SeveralProblemsError
from dbrestore.events import Activity, Failure, Kind
from dbrestore.tally import TableTally, Tally
from dbrestore.target.journal import SCHEMA, UNFINISHED_HINT
from dbrestore.verification.verdicts import Verification

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence

    import asyncpg

    from dbrestore.plan import Plan, PlannedPart, PlannedTable
    from dbrestore.target.connect import OnStatement
    from dbrestore.target.deferral.model import Step
    from dbrestore.timing import RestoreTimes
    from dbrestore.views.view import View

TICK = 0.5
"""Seconds between two looks at a run by its views."""
COMPLAINT_INTERVAL = 2.0
"""Seconds between two lines about faults of one sort."""

_VERIFIED = {
    Verification.NONE: "not verified",
    Verification.COUNTS: "row counts verified",
    Verification.DEEP: "every row verified",
}


class Progress:
    """Tells views what happens. Without a view nothing is shown."""

    def __init__(self, views: Iterable[View] = ()) -> None:
        self._views = list(views)
        self.tally = Tally()
        self._complained: dict[Fault | None, float] = {}
        """When people were told of a fault of each sort last."""

    def tell(self, event: events.Event) -> None:
        """Something happened."""
        self.tally.add(event)
        for view in list(self._views):
            try:
                view.show(event, self.tally)
            except OSError:  # nobody reads any more; the restore goes on
                self._views.remove(view)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Open the views, tell them what ends the block, and close them.

        Raises a DbrestoreError if a view could not be kept: the block itself had come to its end then.
        """
        try:
            for view in self._views:
                view.open()
            yield
        except BaseException as error:
            self.tell(_failed(error))
            with suppress(DbrestoreError):
                self._close()
            raise
        self._close()

    def _close(self) -> None:
        failures = []
        for view in self._views:
            try:
                view.close(self.tally)
            except DbrestoreError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    @asynccontextmanager
    async def ticking(self) -> AsyncIterator[None]:
        """Let the views look at the run now and then, while the block lasts."""
        ticker = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            ticker.cancel()
            await asyncio.gather(ticker, return_exceptions=True)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self.tally.sample()
            for view in list(self._views):
                try:
                    view.tick(self.tally)
                except OSError:
                    self._views.remove(view)

    @property
    def figures_interval(self) -> float | None:
        """Seconds between two looks at the server's figures; None if nobody wants them."""
        return min((view.figures_interval for view in self._views if view.figures_interval), default=None)

    @property
    def on_statement(self) -> OnStatement | None:
        """What is to be told each statement of SQL; None if nobody wants to know them."""
        return self.executed if any(view.wants_statements for view in self._views) else None

    def planned(self, plan: Plan, loaded: Collection[str] = ()) -> None:
        """The plan is made and loading begins, of all parts but those that are ``loaded``, by their keys."""
        parts = [part for table in plan.tables for part in table.parts]
        earlier = [part for part in parts if part.file.key in loaded]
        planned = events.Planned(
            plan,
            plan.export_id,
            plan.source_database,
            plan.target_database,
            len(plan.tables),
            len(parts),
            sum(part.rows for part in parts),
            sum(part.file.size for part in parts),
            len(earlier),
            sum(part.rows for part in earlier),
            sum(part.file.size for part in earlier),
        )
        for note in plan.notes:
            self.tell(events.Noted(note))
        self.warn(plan.warnings)
        self.tally.begin(planned, {table.table.oid: _new_tally(table, loaded) for table in plan.tables})
        self.tell(planned)

    def enter(self, stage: str) -> None:
        """The run does this from now on, if it does not do it already."""
        if stage != self.tally.entered:
            self.tell(events.StageEntered(stage))

    def note(self, line: str) -> None:
        """Something that people may want to know while it goes on."""
        self.tell(events.Told(line))

    def warn(self, warnings: Iterable[str]) -> None:
        """Something is not as it might be wished."""
        for warning in warnings:
            self.tell(events.Warned(warning))

    def retrying(self, error: DbrestoreError, pause: float) -> None:
        """What failed by ``error`` is done again in ``pause`` seconds. One line is for all who meet it."""
        now, fault = self.tally.elapsed, error.fault
        is_repeated = now - self._complained.get(fault, -COMPLAINT_INTERVAL) < COMPLAINT_INTERVAL
        if not is_repeated:
            self._complained[fault] = now
        self.tell(events.Retrying("; ".join(error.message.splitlines()), pause, is_repeated))

    def putting_back(self, steps: Iterable[Step]) -> None:
        """These steps, and milestones, are to be taken."""
        self.tell(events.StepsCounted(sum(bool(step.statements) for step in steps)))

    @contextmanager
    def doing(
        self,
        kind: Kind,
        name: str,
        connection: asyncpg.Connection | None,
        table_oid: int | None = None,
        parts: Sequence[PlannedPart] = (),
    ) -> Iterator[None]:
        """While the block lasts, a connection is busy with a table, index or key; or with ``parts``.

        Without a ``connection`` it is one of a worker elsewhere.
        """
        rows, size = sum(part.rows for part in parts), sum(part.file.size for part in parts)
        pid = connection.get_server_pid() if connection else self.tally.free_place()
        activity = Activity(kind, name, pid, self.tally.elapsed, table_oid, rows, size)
        self.tell(events.Began(activity))
        try:
            yield
        except BaseException:
            self.tell(events.Ended(activity, self.tally.elapsed - activity.started, has_failed=True))
            raise
        self.tell(events.Ended(activity, self.tally.elapsed - activity.started))

    def loaded(self, table: PlannedTable, parts: Sequence[PlannedPart]) -> None:
        """Parts of a table are in the target."""
        name, oid = table.table.dotted, table.table.oid
        files = tuple(part.file.key for part in parts)
        rows, size = sum(part.rows for part in parts), sum(part.file.size for part in parts)
        self.tell(events.PartsLoaded(name, oid, files, rows, size))
        found = self.tally.database.tables[oid] if self.tally.database else None
        if found and not found.parts_left:
            planned = found.planned
            self.tell(events.TableLoaded(name, planned.rows, planned.size, round(found.seconds.get(Kind.LOAD, 0.0), 3)))

    @contextmanager
    def telling_how_to_go_on(self, *, is_journaled: bool) -> Iterator[None]:
        """Say what can be done where the block ends before all is done."""
        try:
            yield
        except BaseException:
            if is_journaled:
                self.tell(events.LeftUnfinished(SCHEMA, UNFINISHED_HINT))
            raise

    def aborted(self, steps: Sequence[Step]) -> None:
        """What an unfinished run took down is back: these steps were taken."""
        objects = {step.identity for step in steps if step.statements}
        self.tell(events.Aborted(len(objects), self.tally.elapsed))

    def had_nothing_to_abort(self) -> None:
        """There is no unfinished run."""
        self.tell(events.NothingToAbort())

    def advise(self, hints: Iterable[str]) -> None:
        """What might make the next restore faster."""
        for hint in hints:
            self.note(f"hint: {hint}")

    def finished(self, plan: Plan, times: RestoreTimes, verification: Verification = Verification.COUNTS) -> None:
        """All is loaded, and verified in this way, and took this time."""
        tally = self.tally.database
        assert tally is not None, "only what was planned is finished"
        planned, seconds = tally.planned, self.tally.elapsed - tally.began
        self.tell(
            events.Finished(
                plan.target_database,
                planned.tables,
                planned.rows,
                planned.bytes,
                seconds,
                tally.rows,
                tally.bytes,
                _VERIFIED[verification],
                times,
            )
        )

    def executed(self, pid: int, statement: str, seconds: float, error: BaseException | None) -> None:
        """A process of the server has run a statement, or refused it."""
        self.tell(events.Executed(statement, seconds, pid, type(error).__name__ if error else None))


def _new_tally(table: PlannedTable, loaded: Collection[str]) -> TableTally:
    return TableTally(table, sum(part.file.key not in loaded for part in table.parts))


def _failed(error: BaseException) -> events.Failed:
    if isinstance(error, SeveralProblemsError):
        found = tuple(Failure(problem.message, problem.hint) for problem in error.problems)
        return events.Failed(found, error.exit_code)
    if isinstance(error, DbrestoreError):
        return events.Failed((Failure(error.message, error.hint),), error.exit_code)
    return events.Failed((Failure(f"{type(error).__name__}: {error}"),), 1)
