"""Beside and after the rows: sequences go on, materialized views are filled, the planner gets to know the tables."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from dbrestore.crowds import group
from dbrestore.errors import DbrestoreError
from dbrestore.events import Kind
from dbrestore.scheduler import Task, run_tasks
from dbrestore.target.catalog import TableKind
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
from dbrestore.target.views import MaterializedView, Refresh, plan_refreshes, read_views, refresh

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence

    import asyncpg

    from dbrestore.patience import Patience
    from dbrestore.plan import Plan
    from dbrestore.progress import Progress
    from dbrestore.target.deferral.model import Step


ANALYZE_COST = 0.05
"""Of loading the same rows."""


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
    _sizes: dict[int, int] = field(init=False)
    """Bytes of the loaded tables by oid."""
    _early: set[int] = field(default_factory=set)
    """The oids of what ``early_tasks`` analyzes."""

    def __post_init__(self) -> None:
        """Add up what is asked for of each table."""
        self._sizes = {table.table.oid: table.size for table in self.plan.tables}

    def early_tasks(self, steps: Iterable[Step], loads: Mapping[int, Iterable[Hashable]], jobs: int) -> list[Task]:
        """ANALYZE of tables, each when it is loaded and its own ``steps`` are taken.

        The keys of one table go back one after the other, and meanwhile there is often nothing else to do. By the oid
        of a table ``loads`` has the tasks that fill it.
        """
        by_table: dict[int, list[Hashable]] = defaultdict(list)
        for step in steps:
            by_table[step.table_oid].append(step.key)
        early = self._independent()
        self._early |= {entry.oid for entry in early}
        tasks = []
        for crowd in _crowds(early, self._sizes, jobs):
            oids = [entry.oid for entry in crowd]
            after = frozenset(key for oid in oids for key in (*loads.get(oid, ()), *by_table[oid]))
            tasks.append(self._maintenance_task(("analyze", oids[0]), crowd, after, oids))
        return tasks

    async def run(self, pool: asyncpg.Pool, jobs: int, patience: Patience | None = None) -> None:
        """Do all of the rest, ``jobs`` things at a time. Raises TargetError."""
        loaded = list(self._sizes)
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
        """What ``early_tasks`` leaves over."""
        vacuum = loaded if self.options.vacuum else ()
        entries = self._planned(vacuum, [entry.view for entry in refreshes])
        left = [entry for entry in entries if entry.oid not in self._early]
        return [
            self._maintenance_task(crowd[0].oid, crowd, crowd[0].after - self._early)
            for crowd in _crowds(left, self._sizes, jobs)
        ]

    def _independent(self) -> list[Maintenance]:
        """Tables of which all that is to be known is there when they are loaded and their own steps are taken.

        Others are analyzed with their partitions or heirs, or have indexes that may have to give way to rows. VACUUM
        has to wait until all that was loaded is durable.
        """
        if self.options.vacuum:
            return []
        tables = self.plan.catalog.tables
        spared = {deferred.table_oid for deferred in self.plan.deferral.spared}
        trees = {table.oid for table in tables if table.parent is not None or table.kind is TableKind.PARTITIONED}
        parents = {oid for table in tables for oid in table.inherits}
        left = {*spared, *trees, *parents}
        return [entry for entry in self._planned() if entry.oid in self._sizes and entry.oid not in left]

    def _planned(self, vacuum: Collection[int] = (), views: Sequence[MaterializedView] = ()) -> tuple[Maintenance, ...]:
        return plan_maintenance(
            self.plan.catalog.tables,
            self._sizes,
            server_version=self.plan.catalog.server_version,
            analyze=self.options.analyze,
            vacuum=vacuum,
            views=views,
        )

    def _maintenance_task(
        self, key: Hashable, crowd: Sequence[Maintenance], after: frozenset[Hashable], claims: Iterable[int] = ()
    ) -> Task:
        size = sum(self._sizes.get(entry.oid, 0) for entry in crowd)
        return Task(key, partial(self._maintain, crowd), after, int(size * ANALYZE_COST), frozenset(claims))

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
