"""Coroutines side by side, a bounded number at a time."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

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
    """The items as `Ahead` has them, each made when the last one has been let go; for large ones.

    ``turn`` is held while one is made.
    """

    async def take() -> Item | None:
        async with turn:
            coming = asyncio.get_running_loop().run_in_executor(threads, next, items, None)
            try:
                return await coming
            finally:
                await asyncio.gather(coming, return_exceptions=True)  # see Ahead

    while (item := await wait(take())) is not None:
        yield item
        del item


class Ahead(Generic[Item]):
    """The items, of which a thread makes the next one while the last one is looked at. None ends them.

    The first one is made from the beginning, before anybody waits for it. To be closed in any case.
    """

    def __init__(
        self,
        items: Iterator[Item],
        threads: Executor,
        wait: Callable[[Awaitable[Item | None]], Awaitable[Item | None]] | None = None,
        ended: Callable[[], object] = lambda: None,
    ) -> None:
        """``wait`` waits for an item in another way than ``await``, with a clock, say; ``ended``: all are made."""
        self._wait = wait
        self._ended = ended
        self._take = partial(asyncio.get_running_loop().run_in_executor, threads, next, items, None)
        self._coming = self._make()

    def __aiter__(self) -> Ahead[Item]:
        return self

    async def __anext__(self) -> Item:
        item = await (self._wait(self._coming) if self._wait else self._coming)
        if item is None:
            raise StopAsyncIteration
        self._coming = self._make()
        return item

    async def aclose(self) -> None:
        """Wait for the thread, which may still be reading what is about to be closed."""
        await asyncio.gather(self._coming, return_exceptions=True)

    def _make(self) -> asyncio.Future[Item | None]:
        coming = self._take()
        coming.add_done_callback(self._look)
        return coming

    def _look(self, coming: asyncio.Future[Item | None]) -> None:
        if not coming.cancelled() and coming.exception() is None and coming.result() is None:
            self._ended()
