from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from graphlib import CycleError
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbrestore.errors import (
    ConnectError,
    DataError,
    DbrestoreError,
    Fault,
    PartError,
    SeveralProblemsError,
    TargetError,
)
from dbrestore.patience import Patience
from dbrestore.scheduler import AHEAD_PER_JOB, Task, run_tasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable, Iterable, Mapping

    from hypothesis.strategies import DrawFn


@dataclass
class Connection:
    """A connection to nothing."""

    is_cut: bool = False

    def terminate(self) -> None:
        self.is_cut = True


@dataclass
class Connections:
    """A pool of nothing, which counts."""

    limit: int
    server_limit: int | None = None
    """What the server has; None for enough."""
    used: int = 0
    most: int = 0
    all: list[Connection] = field(default_factory=list)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        if self.server_limit is not None and self.used >= self.server_limit:
            raise ConnectError("no more connections", fault=Fault.CROWDED)
        self.used += 1
        self.most = max(self.most, self.used)
        assert self.used <= self.limit
        connection = Connection()
        self.all.append(connection)
        try:
            yield connection
        finally:
            self.used -= 1


@dataclass
class Record:
    """What ran, in order."""

    started: list[Hashable] = field(default_factory=list)
    ended: list[Hashable] = field(default_factory=list)
    cancelled: list[Hashable] = field(default_factory=list)
    running: int = 0
    most: int = 0

    def task(
        self, key: Hashable, after: set[Any] | None = None, cost: int = 0, steps: int = 1, claims: Iterable[Any] = ()
    ) -> Task:
        return Task(key, partial(self._run, key, steps), frozenset(after or ()), cost, frozenset(claims))

    def failing(self, key: Hashable, error: Exception, steps: int = 1) -> Task:
        return Task(key, partial(self._fail, key, error, steps))

    async def _run(self, key: Hashable, steps: int, connection: Any) -> None:
        self.started.append(key)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for _ in range(steps):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled.append(key)
            raise
        finally:
            self.running -= 1
        self.ended.append(key)

    async def _fail(self, key: Hashable, error: Exception, steps: int, connection: Any) -> None:
        await self._run(key, steps, connection)
        raise error


class Listener:
    def __init__(self) -> None:
        self.told: list[str] = []

    def retrying(self, error: DbrestoreError, pause: float) -> None:
        self.told.append(error.message)

    def warn(self, warnings: Iterable[str]) -> None:
        self.told += warnings


async def run(tasks: list[Task], jobs: int = 2, shares: Mapping[Hashable, int] | None = None) -> Connections:
    pool: Any = Connections(jobs)
    await run_tasks(tasks, pool, jobs, shares)
    assert pool.used == 0
    return pool  # type: ignore[no-any-return]


@st.composite
def task_graphs(draw: DrawFn) -> dict[int, tuple[set[int], int, int, bool]]:
    """For each task: those before it, its cost, how long it takes, and whether it is a milestone."""
    graph = {}
    for node in range(draw(st.integers(0, 10))):
        before = draw(st.sets(st.integers(0, node - 1), max_size=3)) if node else set()
        graph[node] = (before, draw(st.integers(0, 5)), draw(st.integers(0, 4)), draw(st.booleans()))
    return graph


async def test_no_tasks_are_done_at_once() -> None:
    assert (await run([])).most == 0


async def test_milestones_alone_need_no_connection() -> None:
    assert (await run([Task("a", None), Task("b", None, frozenset({"a"}))])).most == 0


async def test_tasks_are_prepared_in_the_order_of_starting_and_only_the_next_few() -> None:
    record = Record()
    prepared: list[int] = []
    ahead: list[int] = []

    async def look(_: Any) -> None:
        ahead.append(len(prepared))

    costs = range(AHEAD_PER_JOB + 5)
    tasks = [Task(cost, look, cost=cost, prepare=partial(prepared.append, cost)) for cost in costs]
    await run([*tasks, record.task("dear", {costs[-1]}, cost=99)], jobs=1)
    assert prepared == sorted(costs, reverse=True)
    assert ahead[0] == AHEAD_PER_JOB + 1
    assert record.started == ["dear"]


async def test_the_costliest_of_those_that_are_ready_starts_first() -> None:
    record = Record()
    tasks = [record.task("small", cost=1), record.task("large", cost=9), record.task("middle", cost=5)]
    await run([*tasks, record.task("last", {"large"}, cost=7)], jobs=1)
    assert record.started == ["large", "last", "middle", "small"]


async def test_a_task_is_as_urgent_as_the_costliest_chain_that_waits_for_it() -> None:
    record = Record()
    tasks = [
        record.task("large", cost=9),
        record.task("first", cost=1),
        Task("milestone", None, frozenset({"first"})),
        record.task("second", {"milestone"}, cost=5),
        record.task("third", {"second"}, cost=5),
        record.task("beside", {"first"}, cost=2),
    ]
    await run(tasks, jobs=1)
    assert record.started == ["first", "second", "large", "third", "beside"]


async def test_a_task_waits_for_a_milestone_and_what_that_waits_for() -> None:
    record = Record()
    tasks = [
        record.task("part 1"),
        record.task("part 2", steps=5),
        Task("table", None, frozenset({"part 1", "part 2"})),
    ]
    await run([record.task("child", {"table"}, cost=99), *tasks], jobs=3)
    assert record.ended[-1] == "child"


async def test_a_task_does_not_wait_for_a_level_to_end() -> None:
    record = Record()
    await run([record.task("slow", steps=50), record.task("quick"), record.task("child", {"quick"})])
    assert record.ended == ["quick", "child", "slow"]


async def test_tasks_that_wait_for_each_other_are_refused() -> None:
    record = Record()
    with pytest.raises(CycleError):
        await run([record.task("a", {"b"}), record.task("b", {"a"})])


@given(task_graphs(), st.integers(1, 4))
def test_nothing_starts_early_and_no_more_run_than_there_are_jobs(
    graph: dict[int, tuple[set[int], int, int, bool]], jobs: int
) -> None:
    record = Record()

    async def observe(key: int, before: set[int], steps: int, connection: object) -> None:
        assert {other for other in before if not graph[other][3]} <= set(record.ended)
        await record._run(key, steps, connection)

    tasks = [
        Task(key, None if is_milestone else partial(observe, key, before, steps), frozenset(before), cost)
        for key, (before, cost, steps, is_milestone) in graph.items()
    ]
    pool = asyncio.run(run(tasks, jobs))
    assert set(record.ended) == {key for key, (*_, is_milestone) in graph.items() if not is_milestone}
    assert len(record.ended) == len(set(record.ended))
    assert pool.most <= jobs


async def test_of_those_that_claim_one_thing_one_runs_at_a_time_while_others_do() -> None:
    record = Record()
    tasks = [record.task(name, cost=9, steps=5, claims={"orders"}) for name in ("first", "second")]
    await run([*tasks, record.task("other", cost=1, steps=2)])
    assert record.started == ["first", "other", "second"]


async def test_a_task_that_cannot_have_all_it_claims_keeps_nobody_from_the_rest_of_it() -> None:
    record = Record()
    tasks = [
        record.task("orders", cost=9, steps=50, claims={"orders"}),
        record.task("both", cost=8, claims={"orders", "lines"}),
        record.task("lines", cost=7, steps=2, claims={"lines"}),
    ]
    await run(tasks, jobs=3)
    assert record.ended == ["lines", "orders", "both"]


async def test_a_table_of_shares_says_how_many_may_have_a_thing() -> None:
    record = Record()
    await run([record.task(number, steps=5, claims={"memory"}) for number in range(9)], 5, {"memory": 3})
    assert record.most == 3
    assert len(record.ended) == 9


@st.composite
def claims(draw: DrawFn) -> list[tuple[set[str], int, int]]:
    """For each task: what it claims, its cost, and how long it takes."""
    things = st.sets(st.sampled_from("abcd"))
    return draw(st.lists(st.tuples(things, st.integers(0, 5), st.integers(0, 4)), max_size=12))


@given(claims(), st.integers(1, 5), st.integers(1, 3))
def test_whatever_they_claim_all_tasks_run_and_nothing_is_shared_too_often(
    wanted: list[tuple[set[str], int, int]], jobs: int, share: int
) -> None:
    in_use: Counter[str] = Counter()
    ended = []

    async def use(number: int, things: set[str], steps: int, connection: object) -> None:
        in_use.update(things)
        assert all(in_use[thing] <= (share if thing == "a" else 1) for thing in in_use)
        for _ in range(steps):
            await asyncio.sleep(0)
        in_use.subtract(things)
        ended.append(number)

    tasks = [
        Task(number, partial(use, number, things, steps), cost=cost, claims=frozenset(things))
        for number, (things, cost, steps) in enumerate(wanted)
    ]
    asyncio.run(run(tasks, jobs, {"a": share}))
    assert sorted(ended) == list(range(len(wanted)))


async def test_a_failure_cancels_what_runs_and_starts_nothing_more() -> None:
    record = Record()
    error = DataError("no such colour")
    tasks = [record.failing("bad", error), record.task("long", steps=1000), record.task("waiting", {"long"})]
    with pytest.raises(DataError) as caught:
        await run(tasks)
    assert caught.value is error
    assert record.cancelled == ["long"]
    assert "waiting" not in record.started


async def test_failures_at_the_same_time_are_all_told() -> None:
    barrier = asyncio.Barrier(2)

    async def fail(error: Exception, connection: object) -> None:
        await barrier.wait()
        raise error

    errors = [DataError("no such colour"), PartError("a.parquet is damaged")]
    with pytest.raises(SeveralProblemsError) as caught:
        await run([Task(str(error), partial(fail, error)) for error in errors])
    assert set(caught.value.problems) == set(errors)
    assert caught.value.exit_code == 3


async def test_an_error_that_nobody_expected_is_not_swallowed() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await run([Record().failing("bug", ZeroDivisionError())])
    assert caught.group_contains(ZeroDivisionError)


async def test_cancelling_cancels_all_that_runs() -> None:
    record = Record()
    work = asyncio.create_task(run([record.task("a", steps=1000), record.task("b", steps=1000)]))
    for _ in range(10):
        await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert sorted(map(str, record.cancelled)) == ["a", "b"]


async def test_a_task_that_meets_a_fault_that_passes_is_run_again_on_another_connection() -> None:
    used: list[object] = []

    async def lose_one(connection: object) -> None:
        used.append(connection)
        if len(used) == 1:
            raise ConnectError("lost", fault=Fault.LOST)

    record, pool, listener = Record(), Connections(1), Listener()
    tasks = [Task("first", lose_one), record.task("second", {"first"})]
    await run_tasks(tasks, pool, 1, patience=Patience(listener, 60, met=True))
    assert (len(used), used[0] is used[1], pool.all[0].is_cut) == (2, False, True)
    assert (record.ended, listener.told) == (["second"], ["lost"])


@pytest.mark.parametrize("fault", [None, Fault.LOCK_LOST])
async def test_a_fault_that_does_not_pass_or_is_not_for_a_task_to_bear_ends_all(fault: Fault | None) -> None:
    record, pool = Record(), Connections(1)
    tasks = [record.failing("first", ConnectError("lost", fault=fault)), record.task("second", {"first"})]
    with pytest.raises(ConnectError):
        await run_tasks(tasks, pool, 1, patience=Patience(Listener(), 60, met=True))
    assert record.started == ["first"]


async def test_jobs_for_which_the_server_has_no_connection_leave_their_tasks_to_the_others() -> None:
    record, pool, listener = Record(), Connections(4, server_limit=2), Listener()
    tasks = [record.task(number, steps=20, claims={number % 3}) for number in range(30)]
    shares: dict[Any, int] = {0: 1, 1: 2, 2: 3}
    await run_tasks(tasks, pool, 4, shares, Patience(listener, 60, met=True))
    assert sorted(record.ended) == list(range(30))  # type: ignore[type-var]
    assert pool.most == 2
    assert listener.told[-1] == "the server has no more connections: going on with 2 instead of 4"


async def test_a_server_that_has_no_connection_at_all_is_an_error_in_the_end() -> None:
    pool = Connections(2, server_limit=0)
    with pytest.raises(DbrestoreError, match="no more connections"):
        await run_tasks([Record().task("only")], pool, 2, patience=Patience(Listener(), 0.5, met=True))


def elsewhere(task: Task) -> Task:
    return replace(task, is_elsewhere=True)


async def test_what_runs_elsewhere_takes_no_connection_and_has_a_limit_of_its_own() -> None:
    record, there = Record(), Record()
    tasks = [elsewhere(there.task(("there", number), steps=5)) for number in range(9)]
    pool: Any = Connections(2)
    await run_tasks([*tasks, *(record.task(number, steps=5) for number in range(9))], pool, 2, elsewhere=4)
    assert (len(record.ended), len(there.ended)) == (9, 9)
    assert (pool.most, record.most, there.most) == (2, 2, 4)


async def test_what_runs_here_and_what_runs_elsewhere_wait_for_each_other() -> None:
    record = Record()
    tasks = [
        elsewhere(record.task("load", cost=1)),
        elsewhere(record.task("larger load", cost=2)),
        record.task("index", {"load", "larger load"}, claims={"table"}),
        elsewhere(record.task("last", {"index"}, claims={"table"})),
    ]
    await run_tasks(tasks, Connections(1), 1, elsewhere=1)
    assert record.ended == ["larger load", "load", "index", "last"]


async def test_a_failure_elsewhere_cancels_all_that_runs() -> None:
    record = Record()
    tasks = [record.task("here", steps=1000), elsewhere(record.failing("there", DataError("no")))]
    with pytest.raises(DataError):
        await run_tasks(tasks, Connections(1), 1, elsewhere=1)
    assert record.cancelled == ["here"]


async def test_what_failed_elsewhere_by_a_fault_that_passes_is_run_again() -> None:
    listener, failures = Listener(), [Fault.CROWDED, Fault.LOST]
    patience = Patience(listener, 600.0, met=True)

    async def run_in_the_end(connection: Any) -> None:
        assert connection is None
        if failures:
            raise TargetError("not now", fault=failures.pop())

    await run_tasks(
        [Task("there", run_in_the_end, is_elsewhere=True)],
        Connections(1),
        1,
        patience=patience,
        elsewhere=2,
    )
    assert listener.told == ["not now", "not now"]


async def test_one_reason_of_several_failures_is_told_once() -> None:
    record = Record()
    with pytest.raises(PartError):
        await run([record.failing(number, PartError("gone")) for number in range(2)])
