"""Coroutines side by side, a bounded number at a time."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Iterator
    from concurrent.futures import Executor

Item = TypeVar("Item")


async def run_all(coroutines: Iterable[Coroutine[Any, Any, None]], at_a_time: int) -> None:
    """Run all of them, each being taken from the iterable as soon as there is room for it.

    The first that fails ends the others; its exception is raised as it is.
    """
    waiting = iter(coroutines)

    async def work() -> None:
        for coroutine in waiting:
            await coroutine

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_a_time):
                group.create_task(work())
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def one_at_a_time(
    items: Iterator[Item],
    threads: Executor,
    wait: Callable[[Awaitable[Item | None]], Awaitable[Item | None]],
    turn: asyncio.Lock,
) -> AsyncGenerator[Item, None]:
    """The items as `one_ahead` has them, each made when the last one has been let go; for large ones.

    ``turn`` is held while one is made.
    """

    async def take() -> Item | None:
        async with turn:
            coming = asyncio.get_running_loop().run_in_executor(threads, next, items, None)
            try:
                return await coming
            finally:
                await asyncio.gather(coming, return_exceptions=True)  # see one_ahead

    while (item := await wait(take())) is not None:
        yield item
        del item


async def one_ahead(
    items: Iterator[Item],
    threads: Executor,
    wait: Callable[[Awaitable[Item | None]], Awaitable[Item | None]] | None = None,
) -> AsyncGenerator[Item, None]:
    """The items, of which a thread makes the next one while the last one is looked at. None ends them.

    ``wait`` waits for one in another way than ``await``: with a clock, say.
    """
    take = partial(asyncio.get_running_loop().run_in_executor, threads, next, items, None)
    coming = take()
    try:
        while (item := await (wait(coming) if wait else coming)) is not None:
            coming = take()
            yield item
    finally:
        # The thread may still be reading what is about to be closed.
        await asyncio.gather(coming, return_exceptions=True)
