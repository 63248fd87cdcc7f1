"""The one graph of a restore's tasks: loading, and putting back what was taken down for it."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from dbrestore.events import Kind
from dbrestore.scheduler import Task

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

    import asyncpg

    from dbrestore.load import Loader
    from dbrestore.plan import Plan, PlannedPart, PlannedTable
    from dbrestore.progress import Progress
    from dbrestore.target.deferral.execution import PuttingBack
    from dbrestore.target.deferral.model import Step

LOADS = "loads"
"""What each COPY claims."""
BUILDS = "builds"
"""What each index build and each check of a foreign key claims."""


def load_tasks(plan: Plan, loader: Loader, progress: Progress) -> Iterator[Task]:
    """A task for each COPY, and a milestone with its oid for each table and each set of partitions to wait for."""
    for oid, partitions in plan.milestones.items():
        yield Task(oid, None, partitions)
    together: dict[frozenset[int], list[PlannedTable]] = defaultdict(list)
    for table in plan.tables:
        if table.together:
            together[table.together].append(table)
        else:
            yield from _load_tasks(table, loader, progress)
    for oids, tables in together.items():
        after = frozenset(oid for table in tables for oid in table.after - oids)
        run = partial(_load_together, loader, progress, tables)
        yield Task(oids, run, after, sum(table.size for table in tables), frozenset({LOADS}))
        yield from (Task(oid, None, frozenset({oids})) for oid in oids)


def _load_tasks(table: PlannedTable, loader: Loader, progress: Progress) -> Iterator[Task]:
    after: frozenset[Hashable] = table.after
    keys: set[Hashable] = set()
    for number, parts in enumerate(_copies(table)):
        key = (table.table.oid, number)
        keys.add(key)
        yield Task(
            key,
            partial(_load, loader, progress, table, parts),
            after,
            cost=sum(part.file.size for part in parts),
            claims=frozenset({LOADS}),
            prepare=partial(loader.expect, parts),
        )
    yield Task(table.table.oid, None, after | keys)


def _copies(table: PlannedTable) -> list[Sequence[PlannedPart]]:
    """The parts of each COPY of a table."""
    if table.references_itself and table.parts:
        return [table.parts]
    return [[part] for part in table.parts]


async def _load(
    loader: Loader,
    progress: Progress,
    table: PlannedTable,
    parts: Sequence[PlannedPart],
    connection: asyncpg.Connection,
) -> None:
    with progress.doing(Kind.LOAD, table.table.dotted, connection, table.table.oid, parts):
        await loader.load(connection, table, parts)
    progress.loaded(table, parts)


async def _load_together(
    loader: Loader, progress: Progress, tables: Sequence[PlannedTable], connection: asyncpg.Connection
) -> None:
    names, parts = [table.table.dotted for table in tables], [part for table in tables for part in table.parts]
    with progress.doing(Kind.LOAD, ", ".join(names), connection, parts=parts):
        await loader.load_together(connection, tables)
    for table in tables:
        progress.loaded(table, table.parts)


def put_back_tasks(
    putting_back: PuttingBack, loads: Mapping[int, Iterable[Hashable]], sizes: Mapping[int, int], progress: Progress
) -> Iterator[Task]:
    """A task or milestone for each step.

    By the oid of a table ``loads`` has the tasks that fill it, and ``sizes`` its bytes.
    """
    for step in putting_back.steps.values():
        waits = (key for key in (*step.needs, *step.after) if key in putting_back.steps)
        yield Task(
            step.key,
            partial(_put_back, putting_back, progress, step) if step.statements else None,
            frozenset((*waits, *loads.get(step.table_oid, ()))),
            sizes.get(step.table_oid, 0),
            frozenset((*step.alone, *([BUILDS] if step.reads_rows else []))),
        )


async def _put_back(putting_back: PuttingBack, progress: Progress, step: Step, connection: asyncpg.Connection) -> None:
    with progress.doing(Kind.PUT_BACK, step.identity, connection, step.table_oid):
        await putting_back.take(step, connection)


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
