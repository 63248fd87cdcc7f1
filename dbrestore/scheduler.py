"""Walks a graph of tasks with a bounded number of connections.

A task starts when all that it comes after are done and a job is free; of those that could start, the costliest does.
The first failure cancels all that runs.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

from dbrestore.errors import DbrestoreError, raise_problems
from dbrestore.target.connect import cut, translate_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence

    import asyncpg

AHEAD_PER_JOB = 2
"""Tasks that are chosen before a job is free for them."""

_Entry: TypeAlias = "tuple[int, int, Task]"
Work: TypeAlias = "Callable[[asyncpg.Connection], Awaitable[None]]"


@dataclass(frozen=True, slots=True)
class Task:
    """A node of the graph."""

    key: Hashable
    run: Work | None
    """What to do with a connection; None for a milestone, which only comes between others."""
    after: frozenset[Hashable] = frozenset()
    """Keys of the tasks that have to be done before."""
    cost: int = 0
    """Larger is started earlier: bytes, say."""
    prepare: Callable[[], None] | None = None
    """Called a little before ``run``, in the order of starting, for what can be had ahead of time."""


async def run_tasks(tasks: Sequence[Task], pool: asyncpg.Pool, jobs: int) -> None:
    """Run all tasks, at most ``jobs`` at a time.

    Raises:
        DbrestoreError: what the failing task raised; SeveralProblemsError if more than one failed at once.
        graphlib.CycleError: the tasks wait for each other.
    """
    board = _Board(tasks, jobs)
    failures: list[DbrestoreError] = []
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(jobs):
                group.create_task(_work(board, pool))
    except* DbrestoreError as failed:
        failures += [error for error in failed.exceptions if isinstance(error, DbrestoreError)]
    raise_problems(failures)


async def _work(board: _Board, pool: asyncpg.Pool) -> None:
    """Run tasks on one connection, from the first one to the end."""
    async with AsyncExitStack() as stack:
        connection: asyncpg.Connection | None = None
        while (task := await board.take()) is not None:
            assert task.run is not None, "milestones are never ready to be taken"
            if connection is None:
                connection = await stack.enter_async_context(_holding(pool))
            await task.run(connection)
            board.finish(task)


@asynccontextmanager
async def _holding(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the pool, which is cut if the block fails: whatever it was doing ends with it."""
    with translate_errors("holding a connection to the target"):
        async with pool.acquire() as connection:
            try:
                yield connection
            except BaseException:
                cut(connection)
                raise


class _Board:
    """What is ready to run. The next few tasks are chosen, and prepared, before a job is free for them."""

    def __init__(self, tasks: Sequence[Task], jobs: int) -> None:
        self._tasks = {task.key: task for task in tasks}
        self._sorter = TopologicalSorter({task.key: task.after for task in tasks})
        self._sorter.prepare()
        self._jobs = jobs
        self._ahead = AHEAD_PER_JOB * jobs
        self._order = count()
        self._ready: list[_Entry] = []
        self._chosen: list[_Entry] = []
        self._to_take = asyncio.Semaphore(0)
        self._release()

    async def take(self) -> Task | None:
        """The costliest ready task, as soon as there is one; None when all are done."""
        await self._to_take.acquire()
        if not self._chosen:
            return None
        task = heappop(self._chosen)[-1]
        self._choose()
        return task

    def finish(self, task: Task) -> None:
        """Let those start that waited for ``task`` alone."""
        self._sorter.done(task.key)
        self._release()

    def _release(self) -> None:
        while released := self._sorter.get_ready():
            for task in map(self._tasks.__getitem__, released):
                if task.run is None:
                    self._sorter.done(task.key)
                else:
                    heappush(self._ready, (-task.cost, next(self._order), task))
        self._choose()
        if not self._sorter.is_active():
            for _ in range(self._jobs):
                self._to_take.release()

    def _choose(self) -> None:
        while self._ready and (len(self._chosen) < self._ahead or self._ready[0] < self._chosen[0]):
            entry = heappop(self._ready)
            heappush(self._chosen, entry)
            if (prepare := entry[-1].prepare) is not None:
                prepare()
            self._to_take.release()
