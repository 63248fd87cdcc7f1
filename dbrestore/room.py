"""Bytes that may be in use at a time."""

from __future__ import annotations

import asyncio


class Room:
    """Room for parts that are being loaded, and for those that come ahead of need.

    The latter get half of it at the most, so that what is needed now never waits for what is not: it waits only for
    other parts that are being loaded, and these end.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._ahead = 0
        self._used = 0
        self._freed = asyncio.Event()

    @property
    def taken(self) -> int:
        """Bytes in use."""
        return self._ahead + self._used

    def take_ahead(self, size: int) -> bool:
        """Take room for what will be needed, if there is any."""
        fits = self._ahead + size <= self.limit // 2 and self.taken + size <= self.limit
        self._ahead += size if fits else 0
        return fits

    def take_now(self, size: int) -> bool:
        """Take room for what is needed, if there is any."""
        fits = self.taken + size <= self.limit
        self._used += size if fits else 0
        return fits

    async def take(self, size: int) -> None:
        """Take room for what is needed, as soon as there is any. What alone is too large gets it nevertheless."""
        while not self.take_now(size):
            if not self._used:
                self._used += size
                return
            self._freed.clear()
            await self._freed.wait()

    def need(self, size: int) -> None:
        """What came ahead is needed now."""
        self._ahead -= size
        self._used += size

    def free(self, size: int, *, ahead: bool = False) -> None:
        """Give room back."""
        if ahead:
            self._ahead -= size
        else:
            self._used -= size
        self._freed.set()
