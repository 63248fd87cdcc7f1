"""Compares the numbers of rows of tables of the target with those of their parts in the export."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

from dbrestore.crowds import group
from dbrestore.events import Kind
from dbrestore.scheduler import Task, run_tasks
from dbrestore.target.rows import count_rows
from dbrestore.verification.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    import asyncpg

    from dbrestore.patience import Patience
    from dbrestore.plan import PlannedTable
    from dbrestore.progress import Progress


def count_tasks(
    tables: Iterable[PlannedTable],
    jobs: int,
    counts: dict[int, int],
    after: frozenset[Hashable] = frozenset(),
    progress: Progress | None = None,
) -> list[Task]:
    """Tasks that put the rows of each of ``tables`` in the target into ``counts``, by oid, once ``after`` is done.

    ``progress`` is told what is being counted.
    """

    async def count(crowd: Sequence[PlannedTable], connection: asyncpg.Connection) -> None:
        names = ", ".join(table.table.dotted for table in crowd)
        oid = crowd[0].table.oid if len(crowd) == 1 else None
        with progress.doing(Kind.COUNT, names, connection, oid) if progress else nullcontext():
            found = await count_rows(connection, [table.table for table in crowd])
        counts.update(zip((table.table.oid for table in crowd), found, strict=True))

    return [
        Task(("count", crowd[0].table.oid), partial(count, crowd), after, sum(table.size for table in crowd))
        for crowd in group(tables, lambda table: table.size, jobs)
    ]


async def count_tables(
    tables: Iterable[PlannedTable], pool: asyncpg.Pool, jobs: int, patience: Patience | None = None
) -> dict[int, int]:
    """The rows of each of ``tables`` in the target, by oid."""
    counts: dict[int, int] = {}
    await run_tasks(count_tasks(tables, jobs, counts), pool, jobs, patience=patience)
    return counts


def compare_counts(
    tables: Iterable[PlannedTable], counts: Mapping[int, int], before: Mapping[int, int]
) -> list[Verdict]:
    """Compare the number of rows of each table with the footers of its parts, and what was there ``before``, by oid."""
    return [Verdict(table, counts[table.table.oid], before.get(table.table.oid, 0)) for table in tables]
