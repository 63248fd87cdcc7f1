"""The connections of one worker, whose number may change while it works."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbrestore.target.sessions import one_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    import asyncpg

    OpenPool = Callable[[], AbstractAsyncContextManager[asyncpg.Pool]]


@dataclass(slots=True)
class _Seat:
    """A connection that is there, or can be made again: a pool of one."""

    pool: asyncpg.Pool
    stack: AsyncExitStack


@dataclass(slots=True)
class Connections:
    """At most as many as ``limit`` said last, as soon as the loads that have more of them end."""

    open_pool: OpenPool
    """Of one connection."""
    _most: int = 0
    _count: int = 0
    """Seats that are taken, free, or about to be opened or closed."""
    _free: list[_Seat] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def limit(self, most: int) -> int:
        """Have no more than ``most`` from now on; return how many there still are."""
        self._most = most
        while self._free and self._count > most:
            await self._close(self._free.pop())
        await self._tell()
        return self._count

    async def wait_for_some(self, seconds: float) -> bool:
        """Whether there may be any, or might within that time."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self._most > 0)
        except TimeoutError:
            return False
        return True

    @asynccontextmanager
    async def session(self) -> AsyncIterator[asyncpg.Connection]:
        """One of them, for the time of the block. Raises ConnectError."""
        seat = await self._take()
        try:
            async with one_session(seat.pool) as connection:
                yield connection
        finally:
            await self._give_back(seat)

    async def close(self) -> None:
        """Close those that no block has."""
        await self.limit(0)

    async def _take(self) -> _Seat:
        async with self._changed:
            await self._changed.wait_for(lambda: self._count - len(self._free) < self._most)
            if self._free:
                return self._free.pop()
            self._count += 1
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._forget)
            pool = await stack.enter_async_context(self.open_pool())
            return _Seat(pool, stack.pop_all())

    async def _give_back(self, seat: _Seat) -> None:
        if self._count > self._most:
            await self._close(seat)
        else:
            self._free.append(seat)
            await self._tell()

    async def _close(self, seat: _Seat) -> None:
        await seat.stack.aclose()

    async def _forget(self) -> None:
        self._count -= 1
        await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
