"""The one graph of a restore's tasks: loading, and putting back what was taken down for it."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack
from functools import cache, partial
from typing import TYPE_CHECKING

from dbrestore.crowds import SMALL_BYTES, form_crowds
from dbrestore.events import Kind
from dbrestore.scheduler import Task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping, Sequence, Set
    from typing import TypeAlias

    import asyncpg

    from dbrestore.load import Begun
    from dbrestore.plan import Plan, PlannedPart, PlannedTable
    from dbrestore.progress import Progress
    from dbrestore.scheduler import Engine
    from dbrestore.target.deferral.execution import PuttingBack
    from dbrestore.target.deferral.model import Step
    from dbrestore.timing import Timing

    LoadTables: TypeAlias = Callable[[asyncpg.Connection, Sequence[PlannedTable], Begun], Awaitable[None]]

LOADS = "loads"
"""What each COPY claims."""
BUILDS = "builds"
"""What each index build and each check of a foreign key claims."""
WHOLE_BYTES = 256 * 1024**2
"""Of a table's parts, up to which they may go in one COPY: a run that was killed loses no more than that."""
EVEN_SHARE = 0.5
"""Of what a job has to load, up to which a table may go in one COPY: the jobs still end at about the same time."""
BUILD_COST = 0.25
"""Of an index build, or a check of a foreign key, against loading the same rows."""


def find_whole(plan: Plan, jobs: int) -> frozenset[int]:
    """The oids of the tables that may go in one COPY each without that a job waits for another."""
    size = sum(table.size for table in plan.tables)
    most = min(WHOLE_BYTES, size if jobs == 1 else size / jobs * EVEN_SHARE)
    return frozenset(table.table.oid for table in plan.tables if table.size <= most)


def find_crowds(tables: Sequence[PlannedTable], jobs: int) -> list[Sequence[PlannedTable]]:
    """Small tables that wait for nothing, so many to a transaction that there are several for each job."""
    small = [table for table in tables if table.parts and table.size <= SMALL_BYTES and not table.after]
    return form_crowds(small, jobs)


def load_tasks(
    plan: Plan, engine: Engine, progress: Progress, jobs: int = 1, *, whole: Set[int] = frozenset()
) -> Iterator[Task]:
    """The tasks of loading, and a milestone with its oid for each table and each set of partitions to wait for.

    ``whole`` are the oids of tables whose parts go in one COPY.
    """
    for oid, partitions in plan.milestones.items():
        yield Task(oid, None, partitions)
    together: dict[frozenset[int], list[PlannedTable]] = defaultdict(list)
    for table in plan.tables:
        if table.together:
            together[table.together].append(table)
    for oids, tables in together.items():
        after = frozenset(oid for table in tables for oid in table.after - oids)
        yield from _together_tasks(oids, tables, after, engine.load_together, engine, progress)
    alone = [table for table in plan.tables if not table.together]
    crowded: set[int] = set()
    for crowd in find_crowds(alone, jobs):
        oids = frozenset(table.table.oid for table in crowd)
        crowded |= oids
        yield from _together_tasks(oids, crowd, frozenset(), engine.load_crowd, engine, progress)
    for table in alone:
        if table.table.oid not in crowded:
            is_whole = table.references_itself or table.table.oid in whole
            yield from _load_tasks(table, _copies(table, is_whole=is_whole), engine, progress)


def _together_tasks(
    oids: frozenset[int],
    tables: Sequence[PlannedTable],
    after: frozenset[Hashable],
    load: LoadTables,
    engine: Engine,
    progress: Progress,
) -> Iterator[Task]:
    yield Task(
        oids,
        partial(_load_together, load, progress, tables),
        after,
        sum(table.size for table in tables),
        frozenset({LOADS}),
        is_elsewhere=engine.elsewhere > 0,
        prepare=partial(engine.expect, [part for table in tables for part in table.parts]),
    )
    yield from (Task(oid, None, frozenset({oids})) for oid in oids)


def _load_tasks(
    table: PlannedTable, copies: Iterable[Sequence[PlannedPart]], engine: Engine, progress: Progress
) -> Iterator[Task]:
    after: frozenset[Hashable] = table.after
    keys: set[Hashable] = set()
    for parts in copies:
        key = (table.table.oid, parts[0].file.key)
        keys.add(key)
        yield Task(
            key,
            partial(_load, engine, progress, table, parts),
            after,
            cost=sum(part.file.size for part in parts),
            claims=frozenset({LOADS}),
            is_elsewhere=engine.elsewhere > 0,
            prepare=partial(engine.expect, parts, table),
        )
    yield Task(table.table.oid, None, after | keys)


def _copies(table: PlannedTable, *, is_whole: bool) -> list[Sequence[PlannedPart]]:
    """The parts of each COPY of a table."""
    if is_whole and table.parts:
        return [table.parts]
    return [[part] for part in table.parts]


async def _load(
    engine: Engine,
    progress: Progress,
    table: PlannedTable,
    parts: Sequence[PlannedPart],
    connection: asyncpg.Connection,
) -> None:
    with ExitStack() as stack:
        doing = progress.doing(Kind.LOAD, table.table.dotted, connection, table.table.oid, parts)
        await engine.load(connection, table, parts, cache(partial(stack.enter_context, doing)))
    progress.loaded(table, parts)


async def _load_together(
    load: LoadTables, progress: Progress, tables: Sequence[PlannedTable], connection: asyncpg.Connection
) -> None:
    names, parts = [table.table.dotted for table in tables], [part for table in tables for part in table.parts]
    with ExitStack() as stack:
        doing = progress.doing(Kind.LOAD, ", ".join(names), connection, parts=parts)
        await load(connection, tables, cache(partial(stack.enter_context, doing)))
    for table in tables:
        progress.loaded(table, table.parts)


def put_back_tasks(
    putting_back: PuttingBack,
    loads: Mapping[int, Iterable[Hashable]],
    sizes: Mapping[int, int],
    progress: Progress,
    timing: Timing,
) -> Iterator[Task]:
    """A task or milestone for each step.

    By the oid of a table ``loads`` has the tasks that fill it, and ``sizes`` its bytes.
    """
    for step in putting_back.steps.values():
        waits = (key for key in (*step.needs, *step.after) if key in putting_back.steps)
        yield Task(
            step.key,
            partial(_put_back, putting_back, progress, timing, step) if step.statements else None,
            frozenset((*waits, *loads.get(step.table_oid, ()))),
            int(sizes.get(step.table_oid, 0) * BUILD_COST) if step.reads_rows else 0,
            frozenset((*step.alone, *([BUILDS] if step.reads_rows else []))),
        )


async def _put_back(
    putting_back: PuttingBack, progress: Progress, timing: Timing, step: Step, connection: asyncpg.Connection
) -> None:
    doing = progress.doing(Kind.PUT_BACK, step.identity, connection, step.table_oid)
    with doing, timing.build(step.table_oid):
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
