"""Compares every row of tables of the target with those of their parts in the export, several tables at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from dbrestore.scheduler import Task, run_tasks
from dbrestore.target.connect import translate_errors
from dbrestore.target.rows import relation
from dbrestore.target.sessions import one_session
from dbrestore.verification.columns import RowForm
from dbrestore.verification.exported import ExportedRows
from dbrestore.verification.hashing import RowHash, RowSum
from dbrestore.verification.search import Search
from dbrestore.verification.stored import StoredRows, count_pages, page_ranges
from dbrestore.verification.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import asyncpg

    from dbrestore.export.storage import Storage
    from dbrestore.patience import Patience
    from dbrestore.plan import PlannedPart, PlannedTable
    from dbrestore.verification.verdicts import Difference


async def compare_contents(
    tables: Sequence[PlannedTable],
    storage: Storage,
    server_version: int,
    pool: asyncpg.Pool,
    jobs: int,
    patience: Patience | None = None,
) -> list[Verdict]:
    """Compare every row of the tables with every row of their parts, as multisets.

    Raises ExportError, TargetError, or DataError for a value of the export that its column cannot hold.
    """
    async with one_session(pool) as connection:
        pages = await count_pages(connection, [table.table for table in tables], server_version)
    with ThreadPoolExecutor(jobs, thread_name_prefix="hash") as threads:
        exported = ExportedRows(storage, threads, RowHash())
        sides = [_Sides(table, RowForm.of(table.columns, exported.row_hash.mark), exported) for table in tables]
        await run_tasks(
            [task for each in sides for task in each.tasks(pages.get(each.oid, 0))], pool, jobs, patience=patience
        )
        await run_tasks([each.search_task() for each in sides if not each.are_equal], pool, jobs, patience=patience)
    return [each.verdict for each in sides]


@dataclass(slots=True)
class _Sides:
    """The two multisets of a table."""

    table: PlannedTable
    form: RowForm
    source: ExportedRows
    exported: RowSum = field(default_factory=RowSum)
    stored: RowSum = field(default_factory=RowSum)
    difference: Difference | None = None

    @property
    def oid(self) -> int:
        return self.table.table.oid

    @property
    def are_equal(self) -> bool:
        return self.exported.equals(self.stored)

    @property
    def verdict(self) -> Verdict:
        return Verdict(self.table, self.stored.rows, is_content_compared=True, difference=self.difference)

    def tasks(self, pages: int) -> Iterator[Task]:
        """What sums up both sides, with each part and each range of pages by itself."""
        cost = self.table.size
        for part in self.table.parts:
            prepare = partial(self.source.storage.expect, part.file)
            yield Task((self.oid, part.file.key), partial(self._sum_part, part), cost=cost, prepare=prepare)
        for condition in page_ranges(pages):
            yield Task((self.oid, condition), partial(self._sum_range, condition), cost=cost)

    async def _sum_part(self, part: PlannedPart, _: asyncpg.Connection) -> None:
        found = RowSum()
        async with aclosing(self.source.read(self.table, part, self.form)) as batches:
            async for batch in batches:
                found.add(batch.digests)
        self.exported.merge(found)

    async def _sum_range(self, condition: str, connection: asyncpg.Connection) -> None:
        found = RowSum()
        row_hash = self.source.row_hash
        query = self.form.query(relation(self.table.table), condition)
        with translate_errors(f"reading {self.table.table.dotted}"):
            await StoredRows(connection, self.source.threads).read(
                query, lambda stream: found.add(row_hash.digests(row_hash.rows(stream)))
            )
        self.stored.merge(found)

    def search_task(self) -> Task:
        """What finds the rows that differ."""
        return Task(self.oid, self._search, cost=self.table.size)

    async def _search(self, connection: asyncpg.Connection) -> None:
        with translate_errors(f"comparing {self.table.table.dotted}"):
            self.difference = await Search(self.table, self.form, self.source, connection).run()
