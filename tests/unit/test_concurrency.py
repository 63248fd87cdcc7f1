from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from dbrestore.concurrency import one_at_a_time

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Iterator


async def plainly(item: Awaitable[int | None]) -> int | None:
    return await item


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def taken(numbers: Iterator[int], threads: ThreadPoolExecutor, turn: asyncio.Lock) -> AsyncGenerator[int, None]:
    return one_at_a_time(numbers, threads, plainly, turn)


async def test_an_item_is_made_when_the_last_one_has_been_let_go(threads: ThreadPoolExecutor) -> None:
    made: list[int] = []

    def make() -> Iterator[int]:
        for number in range(3):
            made.append(number)
            yield number

    async with aclosing(taken(make(), threads, asyncio.Lock())) as items:
        async for item in items:
            await asyncio.sleep(0)
            assert made == list(range(item + 1))
    assert made == [0, 1, 2]


async def test_nothing_is_made_while_somebody_else_has_the_turn(threads: ThreadPoolExecutor) -> None:
    turn = asyncio.Lock()
    async with aclosing(taken(iter([1, 2]), threads, turn)) as items:
        assert await anext(items) == 1
        assert not turn.locked()
        async with turn:
            second = asyncio.ensure_future(anext(items))
            await asyncio.sleep(0)
            assert not second.done()
        assert await second == 2


async def test_an_error_of_the_maker_is_raised_and_gives_the_turn_back(threads: ThreadPoolExecutor) -> None:
    def make() -> Iterator[int]:
        yield 1
        raise ValueError("two")

    turn = asyncio.Lock()
    async with aclosing(taken(make(), threads, turn)) as items:
        assert await anext(items) == 1
        with pytest.raises(ValueError, match="two"):
            await anext(items)
    assert not turn.locked()
