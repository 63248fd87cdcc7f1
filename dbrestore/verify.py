"""Whether the target has what the export holds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, VerificationError, raise_problems
from dbrestore.scheduler import Task, run_tasks
from dbrestore.target.rows import count_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import asyncpg

    from dbrestore.patience import Patience
    from dbrestore.plan import Plan, PlannedTable


async def count_tables(
    tables: Iterable[PlannedTable], pool: asyncpg.Pool, jobs: int, patience: Patience | None = None
) -> dict[int, int]:
    """The rows of each of ``tables`` in the target, by oid."""
    counts: dict[int, int] = {}

    async def count(table: PlannedTable, connection: asyncpg.Connection) -> None:
        counts[table.table.oid] = await count_rows(connection, table.table)

    tasks = [Task(("count", table.table.oid), partial(count, table), cost=table.size) for table in tables]
    await run_tasks(tasks, pool, jobs, patience=patience)
    return counts


async def verify_counts(
    plan: Plan, before: Mapping[int, int], pool: asyncpg.Pool, jobs: int, patience: Patience | None = None
) -> None:
    """Compare the number of rows of each table with the footers of its parts, and what was there ``before``, by oid.

    Raises VerificationError for a table that differs, SeveralProblemsError if more than one does.
    """
    counts = await count_tables(plan.tables, pool, jobs, patience)
    differences: list[DbrestoreError] = []
    for table in plan.tables:
        found, kept = counts[table.table.oid], before.get(table.table.oid, 0)
        if found != kept + table.rows:
            there = f", and {kept} were there before" if kept else ""
            differences.append(
                VerificationError(
                    f"{table.table.dotted} has {found} rows, its parts in the export have {table.rows}{there}",
                    hint="A trigger of the target, or somebody else, may have written to it during the restore.",
                )
            )
    raise_problems(differences)
