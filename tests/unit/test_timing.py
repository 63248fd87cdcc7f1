from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from dbrestore.timing import CopyClock, RestoreTimes, Stage, TableTimes, Timing
from dbrestore.views.sentences import time_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

TICK = 0.02
"""Seconds that a step takes at least."""


def slowly(*items: int) -> Iterator[int]:
    for item in items:
        time.sleep(TICK)
        yield item


async def test_a_copy_waits_for_the_storage_for_the_client_and_for_the_server() -> None:
    timing = Timing()
    async with timing.copy(7) as clock:
        assert await clock.wait_for_storage(asyncio.sleep(TICK, "part")) == "part"
        assert await clock.wait_for_client(asyncio.sleep(2 * TICK, "chunk")) == "chunk"
        await asyncio.sleep(3 * TICK)
    times = timing.times().tables[7]
    assert times.waiting_for_storage >= TICK
    assert times.waiting_for_client >= 2 * TICK
    assert times.waiting_for_server >= 3 * TICK


def test_copies_of_another_process_count_as_this_ones_do() -> None:
    timing = Timing()
    with timing.loading():
        time.sleep(TICK)
        timing.add_copies({7: TableTimes(waiting_for_storage=1.0), 8: TableTimes(decoding=2.0)})
        timing.add_copies({7: TableTimes(waiting_for_storage=0.5)})
        timing.add_copies({})
    times = timing.times()
    assert times.tables == {7: TableTimes(waiting_for_storage=1.5), 8: TableTimes(decoding=2.0)}
    assert times.stages[Stage.LOADING] >= TICK


def test_decoding_and_encoding_are_timed_apart_though_one_pulls_the_other() -> None:
    clock = CopyClock()
    encoded = [chunk for batch in clock.decode(slowly(1, 2)) for chunk in clock.encode(slowly(batch, batch, batch))]
    assert encoded == [1, 1, 1, 2, 2, 2]
    assert clock.decoding >= 2 * TICK
    assert clock.encoding >= 6 * TICK


def test_an_error_of_what_is_timed_comes_through() -> None:
    def fails() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    timed = CopyClock().encode(fails())
    assert next(timed) == 1
    with pytest.raises(ValueError, match="broken"):
        next(timed)


async def test_what_is_put_back_after_the_last_copy_is_a_stage_of_its_own() -> None:
    timing = Timing()
    with timing.loading():
        await asyncio.sleep(TICK)
        async with timing.copy(1):
            await asyncio.sleep(TICK)
        with timing.build(2):
            await asyncio.sleep(3 * TICK)
    times = timing.times()
    assert times.stages[Stage.LOADING] >= 2 * TICK
    assert times.stages[Stage.PUTTING_BACK] >= 3 * TICK
    assert times.tables[2].building >= 3 * TICK


def test_a_run_that_copies_nothing_puts_back_only() -> None:
    timing = Timing()
    with timing.loading():
        time.sleep(TICK)
    assert timing.times().stages[Stage.LOADING] == 0
    assert timing.times().stages[Stage.PUTTING_BACK] >= TICK


def test_the_times_of_tables_add_up_and_are_told_with_the_stages() -> None:
    one = TableTimes(1, 2, 3, 4, 5, 6)
    times = RestoreTimes({Stage.PLANNING: 0.25, Stage.LOADING: 4.0}, {1: one, 2: one})
    assert times.seconds == 4.25
    assert times.total == TableTimes(2, 4, 6, 8, 10, 12)
    stages, jobs = time_lines(times)
    assert stages == "time: plan 0.2 s, load 4.0 s"
    assert jobs == (
        "in all jobs together: waiting for storage 2.0 s, for decoding (8.0 s of work) and encoding (10.0 s) 4.0 s, "
        "for the server 6.0 s; building keys and indexes 12.0 s"
    )


def test_what_was_made_before_a_copy_counts_for_its_table_and_is_waited_for_once() -> None:
    timing, waiting = Timing(), CopyClock(client=3.0)
    timing.encoded(1, CopyClock(storage=1.0, decoding=0.5, encoding=0.25), waiting)
    timing.encoded(2, CopyClock(decoding=0.125), waiting)
    assert timing.times().tables == {
        1: TableTimes(1.0, 3.0, 0.0, 0.5, 0.25),
        2: TableTimes(decoding=0.125),
    }
