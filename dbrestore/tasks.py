"""The one graph of a restore's tasks: loading, and putting back what was taken down for it."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from dbrestore.scheduler import Task

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

    import asyncpg

    from dbrestore.plan import Plan, PlannedPart, PlannedTable
    from dbrestore.progress import Progress
    from dbrestore.scheduler import Engine
    from dbrestore.target.deferral.execution import PuttingBack

LOADS = "loads"
"""What each COPY claims."""
BUILDS = "builds"
"""What each index build and each check of a foreign key claims."""


def load_tasks(plan: Plan, engine: Engine, progress: Progress) -> Iterator[Task]:
    """A task for each COPY, and a milestone with its oid for each table and each set of partitions to wait for."""
    for oid, partitions in plan.milestones.items():
        yield Task(oid, None, partitions)
    together: dict[frozenset[int], list[PlannedTable]] = defaultdict(list)
    for table in plan.tables:
        if table.together:
            together[table.together].append(table)
        else:
            yield from _load_tasks(table, engine, progress)
    for oids, tables in together.items():
        after = frozenset(oid for table in tables for oid in table.after - oids)
        run = partial(_load_together, engine, progress, tables)
        cost = sum(table.size for table in tables)
        yield Task(oids, run, after, cost, frozenset({LOADS}), is_elsewhere=engine.elsewhere > 0)
        yield from (Task(oid, None, frozenset({oids})) for oid in oids)


def _load_tasks(table: PlannedTable, engine: Engine, progress: Progress) -> Iterator[Task]:
    after: frozenset[Hashable] = table.after
    keys: set[Hashable] = set()
    for parts in _copies(table):
        key = (table.table.oid, parts[0].file.key)
        keys.add(key)
        yield Task(
            key,
            partial(_load, engine, progress, table, parts),
            after,
            cost=sum(part.file.size for part in parts),
            claims=frozenset({LOADS}),
            is_elsewhere=engine.elsewhere > 0,
            prepare=partial(engine.expect, parts),
        )
    yield Task(table.table.oid, None, after | keys)


def _copies(table: PlannedTable) -> list[Sequence[PlannedPart]]:
    """The parts of each COPY of a table."""
    if table.references_itself and table.parts:
        return [table.parts]
    return [[part] for part in table.parts]


async def _load(
    engine: Engine,
    progress: Progress,
    table: PlannedTable,
    parts: Sequence[PlannedPart],
    connection: asyncpg.Connection,
) -> None:
    await engine.load(connection, table, parts)
    progress.loaded(table, parts)


async def _load_together(
    engine: Engine, progress: Progress, tables: Sequence[PlannedTable], connection: asyncpg.Connection
) -> None:
    await engine.load_together(connection, tables)
    for table in tables:
        progress.loaded(table, table.parts)


def put_back_tasks(
    putting_back: PuttingBack, loads: Mapping[int, Iterable[Hashable]], sizes: Mapping[int, int]
) -> Iterator[Task]:
    """A task or milestone for each step.

    By the oid of a table ``loads`` has the tasks that fill it, and ``sizes`` its bytes.
    """
    for step in putting_back.steps.values():
        waits = (key for key in (*step.needs, *step.after) if key in putting_back.steps)
        yield Task(
            step.key,
            partial(putting_back.take, step) if step.statements else None,
            frozenset((*waits, *loads.get(step.table_oid, ()))),
            sizes.get(step.table_oid, 0),
            frozenset((*step.alone, *([BUILDS] if step.reads_rows else []))),
        )


def find_loads(plan: Plan) -> dict[int, set[int]]:
    """By table, the milestones of those whose loads fill it: itself, its partitions, or what it is a partition of."""
    planned = {table.table.oid for table in plan.tables}
    loads: dict[int, set[int]] = {oid: {oid} for oid in planned}
    for parent, partitions in plan.partitions.items():
        loads.setdefault(parent, set()).update(planned.intersection(partitions))
        if parent in planned:
            for partition in partitions:
                loads.setdefault(partition, set()).add(parent)
    return loads
