"""Asks the server now and then how far it is with what it does for us."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from dbrestore.errors import TargetError
from dbrestore.events import Observed
from dbrestore.target.activity import read_figures

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from dbrestore.progress import Progress


@asynccontextmanager
async def watching(pool: asyncpg.Pool, progress: Progress) -> AsyncIterator[None]:
    """Tell ``progress`` the server's figures while the block lasts, if somebody wants them.

    It takes one connection of the pool. A server that does not answer is no reason for the restore to fail.
    """
    interval = progress.figures_interval
    if interval is None:
        yield
        return
    over = asyncio.Event()
    watcher = asyncio.create_task(_watch(pool, progress, interval, over))
    try:
        yield
    except BaseException:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
        raise
    over.set()
    await watcher


async def _watch(pool: asyncpg.Pool, progress: Progress, interval: float, over: asyncio.Event) -> None:
    while not over.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(interval):
                await over.wait()
        if progress.tally.activities and not over.is_set():
            with suppress(TargetError):
                progress.tell(Observed(tuple(await read_figures(pool))))
