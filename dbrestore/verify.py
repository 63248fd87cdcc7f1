"""Whether the target has what the export holds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, VerificationError, raise_problems
from dbrestore.scheduler import Task, run_tasks
from dbrestore.target.catalog import TableKind
from dbrestore.target.connect import translate_errors

if TYPE_CHECKING:
    import asyncpg

    from dbrestore.plan import Plan, PlannedTable


async def verify_counts(plan: Plan, pool: asyncpg.Pool, jobs: int) -> None:
    """Compare the number of rows of each table with the footers of its parts.

    Raises VerificationError for a table that differs, SeveralProblemsError if more than one does.
    """
    differences: list[DbrestoreError] = []
    tasks = [
        Task(key=table.table.oid, run=partial(_compare, table, differences), cost=table.size) for table in plan.tables
    ]
    await run_tasks(tasks, pool, jobs)
    raise_problems(differences)


async def _compare(table: PlannedTable, differences: list[DbrestoreError], connection: asyncpg.Connection) -> None:
    only = "" if table.table.kind is TableKind.PARTITIONED else "ONLY "
    with translate_errors(f"counting the rows of {table.table.dotted}"):
        found = await connection.fetchval(f"SELECT count(*) FROM {only}{table.table.sql}")
    if found != table.rows:
        differences.append(
            VerificationError(
                f"{table.table.dotted} has {found} rows, its parts in the export have {table.rows}",
                hint="A trigger of the target, or somebody else, may have written to it during the restore.",
            )
        )
