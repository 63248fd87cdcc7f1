"""Coroutines side by side, a bounded number at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable


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
