"""What comes after the rows: sequences go on, materialized views are filled, the planner gets to know the tables."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from dbrestore.crowds import group
from dbrestore.errors import DbrestoreError
from dbrestore.events import Kind
from dbrestore.scheduler import Task, run_tasks
from dbrestore.target.connect import make_durable
from dbrestore.target.maintenance import Maintenance, maintain, plan_maintenance
from dbrestore.target.sequences import (
    Extent,
    NumberSequence,
    Probe,
    advance,
    plan_probes,
    probe_columns,
    read_sequences,
)
from dbrestore.target.sessions import one_session
from dbrestore.target.views import Refresh, plan_refreshes, read_views, refresh

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import asyncpg

    from dbrestore.patience import Patience
    from dbrestore.plan import Plan
    from dbrestore.progress import Progress


@dataclass(frozen=True, slots=True)
class FinishingOptions:
    """What is done after the rows."""

    refresh: bool = True
    """Fill the materialized views."""
    analyze: bool = True
    """Collect the planner's statistics."""
    vacuum: bool = False
    """Freeze the tables and make their visibility maps."""


@dataclass(slots=True)
class Finishing:
    """Finishes a restore, and collects what did not go well: none of it harms a row."""

    plan: Plan
    options: FinishingOptions
    progress: Progress
    warnings: list[str] = field(default_factory=list)
    failures: list[DbrestoreError] = field(default_factory=list)
    _extents: list[Extent] = field(default_factory=list)

    async def run(self, pool: asyncpg.Pool, jobs: int, patience: Patience | None = None) -> None:
        """Do all of it, ``jobs`` things at a time. Raises TargetError."""
        loaded = [table.table.oid for table in self.plan.tables]
        async with one_session(pool) as connection:
            sequences = await read_sequences(connection, loaded)
            views = await read_views(connection) if self.options.refresh else None
        refreshes = plan_refreshes(views) if views else ()
        await run_tasks([*self._number(sequences), *map(self._refreshing, refreshes)], pool, jobs, patience=patience)
        async with one_session(pool) as connection:
            await make_durable(connection)
        await run_tasks(self._maintaining(loaded, refreshes, jobs), pool, jobs, patience=patience)

    def _number(self, sequences: Sequence[NumberSequence]) -> Iterator[Task]:
        probes = plan_probes(sequences)
        for probe in probes:
            yield Task(probe, partial(self._probe, probe))
        yield Task("sequences", partial(self._advance, sequences), frozenset(probes))

    async def _probe(self, probe: Probe, connection: asyncpg.Connection) -> None:
        self._extents += await probe_columns(connection, probe)

    async def _advance(self, sequences: Sequence[NumberSequence], connection: asyncpg.Connection) -> None:
        self.warnings += await advance(connection, sequences, self._extents)

    def _refreshing(self, entry: Refresh) -> Task:
        return Task(entry.view.oid, partial(self._refresh, entry), entry.after)

    async def _refresh(self, entry: Refresh, connection: asyncpg.Connection) -> None:
        try:
            with self.progress.doing(Kind.REFRESH, entry.view.dotted, connection):
                self.warnings += await refresh(connection, entry.view)
        except DbrestoreError as error:
            if error.fault:
                raise
            self.failures.append(error)

    def _maintaining(self, loaded: Sequence[int], refreshes: Sequence[Refresh], jobs: int) -> list[Task]:
        maintenance = plan_maintenance(
            self.plan.catalog.tables,
            loaded,
            server_version=self.plan.catalog.server_version,
            analyze=self.options.analyze,
            vacuum=loaded if self.options.vacuum else (),
            views=[entry.view for entry in refreshes],
        )
        sizes = {table.table.oid: table.size for table in self.plan.tables}
        return [
            Task(
                crowd[0].oid,
                partial(self._maintain, crowd),
                crowd[0].after,
                sum(sizes.get(each.oid, 0) for each in crowd),
            )
            for crowd in _crowds(maintenance, sizes, jobs)
        ]

    async def _maintain(self, crowd: Sequence[Maintenance], connection: asyncpg.Connection) -> None:
        names = ", ".join(entry.dotted for entry in crowd)
        oid = crowd[0].oid if len(crowd) == 1 else None
        with self.progress.doing(Kind.MAINTAIN, names, connection, oid):
            self.warnings += await maintain(connection, crowd)


def _crowds(maintenance: Sequence[Maintenance], sizes: Mapping[int, int], jobs: int) -> Iterator[Sequence[Maintenance]]:
    """Small tables together, where nothing waits for one of them or the other way round."""
    awaited = {oid for entry in maintenance for oid in entry.after}
    free: dict[str, list[Maintenance]] = defaultdict(list)
    for entry in maintenance:
        if entry.after or entry.oid in awaited or entry.oid not in sizes:
            yield [entry]
        else:
            free[entry.verb].append(entry)
    for same in free.values():
        yield from group(same, lambda entry: sizes[entry.oid], jobs)
