"""Walks a graph of tasks with a bounded number of connections.

A task starts when all that it comes after are done, all that it claims is free, and so is a job; of those that could
start, the one does with which the costliest chain of tasks begins, since the end waits for that. The first failure that
does not pass cancels all that runs.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Protocol, TypeAlias

from dbrestore.errors import DbrestoreError, Fault, raise_problems
from dbrestore.patience import Pauses
from dbrestore.target.sessions import one_session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    import asyncpg

    from dbrestore.load import Begun
    from dbrestore.patience import Patience
    from dbrestore.plan import PlannedPart, PlannedTable

AHEAD_PER_JOB = 2
"""Tasks that are prepared before a job is free for them."""

Work: TypeAlias = "Callable[[asyncpg.Connection], Awaitable[None]]"
_Entry: TypeAlias = "tuple[float, int, Task]"
"""In the order of starting."""


@dataclass(frozen=True, slots=True)
class Task:
    """A node of the graph."""

    key: Hashable
    run: Work | None
    """What to do with a connection; None for a milestone, which only comes between others."""
    after: frozenset[Hashable] = frozenset()
    """Keys of the tasks that have to be done before."""
    cost: int = 0
    """Bytes, say: how long it takes, compared to the others."""
    claims: frozenset[Hashable] = frozenset()
    """What it takes a share of while it runs."""
    is_elsewhere: bool = False
    """An `Engine` runs it without a connection of this process: ``run`` is given None."""
    prepare: Callable[[], None] | None = None
    """Called a little before ``run``, in the order of starting, for what can be had ahead of time."""


class Engine(Protocol):
    """What loads rows: this process, or the workers of a cluster. Raises a DbrestoreError.

    Each load calls ``begun`` once it has a connection, maybe more than once.
    """

    @property
    def elsewhere(self) -> int:
        """Loads that it takes at a time without a connection of this process; 0 if each of them needs one."""
        ...

    def expect(self, parts: Sequence[PlannedPart], table: PlannedTable | None = None) -> None:
        """``parts`` are going to be loaded soon, by ``load`` where ``table`` says whose they are."""
        ...

    async def load(
        self,
        connection: asyncpg.Connection | None,
        table: PlannedTable,
        parts: Sequence[PlannedPart],
        begun: Begun,
    ) -> None:
        """Load ``parts`` of ``table`` that are not loaded yet, all rows or none."""
        ...

    async def load_together(
        self, connection: asyncpg.Connection | None, tables: Sequence[PlannedTable], begun: Begun
    ) -> None:
        """Load whole tables whose rows may reference those of later ones, all rows or none."""
        ...

    async def load_crowd(
        self, connection: asyncpg.Connection | None, tables: Sequence[PlannedTable], begun: Begun
    ) -> None:
        """Load small tables that have nothing to do with each other, all rows or none."""
        ...


async def run_tasks(
    tasks: Sequence[Task],
    pool: asyncpg.Pool,
    jobs: int,
    shares: Mapping[Hashable, int] | None = None,
    patience: Patience | None = None,
    elsewhere: int = 0,
) -> None:
    """Run all tasks, at most ``jobs`` at a time on connections of ``pool``, and ``elsewhere`` without one.

    ``shares`` says of what is claimed how many tasks at a time may have it; of all that is not in it, one may. With
    ``patience`` a task that fails for a fault of the target that passes is run again, on another connection, and fewer
    than ``jobs`` go on where the server has no more connections.

    Raises:
        DbrestoreError: what the failing task raised; SeveralProblemsError if more than one failed at once.
        graphlib.CycleError: the tasks wait for each other.
    """
    board = _Board(tasks, shares or {}, AHEAD_PER_JOB * jobs)
    crews = (
        _Crew(board, partial(one_session, pool), jobs, patience),
        _Crew(board, nullcontext, elsewhere, patience, is_elsewhere=True),
    )
    failures: list[DbrestoreError] = []
    try:
        async with asyncio.TaskGroup() as group:
            for crew in crews:
                for _ in range(crew.size):
                    group.create_task(crew.work())
    except* DbrestoreError as failed:
        failures += [error for error in failed.exceptions if isinstance(error, DbrestoreError)]
    raise_problems(list({error.message: error for error in failures}.values()))


@dataclass(slots=True)
class _Crew:
    """Those who run the tasks of one kind, each on a connection of its own, or without any."""

    board: _Board
    sessions: Callable[[], AbstractAsyncContextManager[asyncpg.Connection | None]]
    size: int
    patience: Patience | None
    is_elsewhere: bool = False
    connected: int = 0
    told: int = 0
    """Of how many that are connected people know."""

    async def work(self) -> None:
        """Run tasks on one connection, from the first one to the end, and on another one after a fault."""
        pauses = Pauses(self.patience) if self.patience else None
        task = await self.board.take(is_elsewhere=self.is_elsewhere)
        while task is not None:
            try:
                async with self.sessions() as connection:
                    with self._counted():
                        while task is not None:
                            assert task.run is not None, "milestones are never ready to be taken"
                            await task.run(connection)
                            self._finish(task, pauses)
                            task = await self.board.take(is_elsewhere=self.is_elsewhere)
            except DbrestoreError as error:
                if pauses is None or error.fault is Fault.LOCK_LOST:
                    raise
                if error.fault is Fault.CROWDED and self.connected and not self.is_elsewhere:
                    task = await self._stand_back(task, pauses)
                else:
                    await pauses.after(error)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.connected += 1
        try:
            yield
        finally:
            self.connected -= 1

    def _finish(self, task: Task, pauses: Pauses | None) -> None:
        self.board.finish(task)
        if self.patience and pauses:
            self.patience.succeeded(task.key)
            pauses.begin()

    async def _stand_back(self, task: Task | None, pauses: Pauses) -> Task | None:
        """Leave the task to those who have a connection; return one when it is time to try again."""
        assert self.patience is not None
        if task is not None:
            self.board.give_back(task)
        if self.told != self.connected:
            self.told = self.connected
            self.patience.listener.warn(
                [f"the server has no more connections: going on with {self.connected} instead of {self.size}"]
            )
        await self.board.wait_for_end(pauses.next())
        return await self.board.take(is_elsewhere=self.is_elsewhere)


def _chain_costs(tasks: Mapping[Hashable, Task]) -> dict[Hashable, int]:
    """By key, the cost of a task with the costliest of those that come after it, and of those after that, and so on.

    Raises graphlib.CycleError.
    """
    costs: dict[Hashable, int] = defaultdict(int)
    for key in reversed(list(TopologicalSorter({key: task.after for key, task in tasks.items()}).static_order())):
        costs[key] += tasks[key].cost
        for before in tasks[key].after:
            costs[before] = max(costs[before], costs[key])
    return costs


class _Board:
    """What is ready to run."""

    def __init__(self, tasks: Sequence[Task], shares: Mapping[Hashable, int], ahead: int) -> None:
        self._tasks = {task.key: task for task in tasks}
        self._chains = _chain_costs(self._tasks)
        self._sorter = TopologicalSorter({task.key: task.after for task in tasks})
        self._sorter.prepare()
        self._order = count()
        self._ready: dict[bool, list[_Entry]] = {False: [], True: []}
        """By whether they run elsewhere."""
        self._blocked: dict[Hashable, list[_Entry]] = defaultdict(list)
        """Those that were ready, by what they claim and could not have."""
        self._free = dict(shares)
        self._changed = asyncio.Event()
        self._ended = asyncio.Event()
        self._preparation = _Preparation(ahead)
        self._release()

    async def take(self, *, is_elsewhere: bool) -> Task | None:
        """The most urgent task of its kind that can start, as soon as there is one; None when all tasks are done."""
        while (task := self._find(self._ready[is_elsewhere])) is None and self._sorter.is_active():
            self._changed.clear()
            await self._changed.wait()
        return task

    def finish(self, task: Task) -> None:
        """Let those start that waited for ``task`` alone, or for what it had claimed."""
        self._free_claims(task)
        self._sorter.done(task.key)
        self._release()

    def give_back(self, task: Task) -> None:
        """Let somebody else take ``task``, which was not run."""
        self._free_claims(task)
        heappush(self._ready[task.is_elsewhere], self._entry(task))
        self._changed.set()

    async def wait_for_end(self, seconds: float) -> None:
        """Wait until all tasks are done, but no longer than that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    def _free_claims(self, task: Task) -> None:
        for claim in task.claims:
            self._free[claim] += 1
            self._unblock(claim)

    def _release(self) -> None:
        while released := self._sorter.get_ready():
            for task in map(self._tasks.__getitem__, released):
                if task.run is None:
                    self._sorter.done(task.key)
                else:
                    entry = self._entry(task)
                    heappush(self._ready[task.is_elsewhere], entry)
                    self._preparation.add(entry)
        self._preparation.go_on()
        self._changed.set()
        if not self._sorter.is_active():
            self._ended.set()

    def _entry(self, task: Task) -> _Entry:
        return -self._chains[task.key], next(self._order), task

    def _find(self, ready: list[_Entry]) -> Task | None:
        while ready:
            entry = heappop(ready)
            task = entry[-1]
            taken = next((claim for claim in task.claims if not self._free.setdefault(claim, 1)), None)
            if taken is None:
                for claim in task.claims:
                    self._free[claim] -= 1
                self._preparation.start(task)
                return task
            heappush(self._blocked[taken], entry)
            for claim in task.claims - {taken}:
                self._unblock(claim)
        return None

    def _unblock(self, claim: Hashable) -> None:
        """Let the most urgent of those that are blocked by ``claim`` try again, if there is some of that."""
        if self._free.get(claim, 1) and self._blocked[claim]:
            entry = heappop(self._blocked[claim])
            heappush(self._ready[entry[-1].is_elsewhere], entry)


class _Preparation:
    """Prepares the next few of the tasks that can be prepared, in the order of starting."""

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead
        self._waiting: list[_Entry] = []
        self._prepared: set[Hashable] = set()
        """Keys of tasks that are prepared and have not started."""
        self._started: set[Hashable] = set()
        """Keys of tasks that started before it was their turn to be prepared."""

    def add(self, entry: _Entry) -> None:
        """A task is ready."""
        if entry[-1].prepare is not None:
            heappush(self._waiting, entry)

    def start(self, task: Task) -> None:
        """A task starts."""
        if task.key in self._prepared:
            self._prepared.discard(task.key)
        elif task.prepare is not None:
            self._started.add(task.key)
        self.go_on()

    def go_on(self) -> None:
        """Prepare what there is room for."""
        while self._waiting and len(self._prepared) < self._ahead:
            *_, task = heappop(self._waiting)
            if task.key in self._started:
                self._started.discard(task.key)
            elif task.prepare is not None:
                self._prepared.add(task.key)
                task.prepare()
