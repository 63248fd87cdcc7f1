"""Patience with faults that may pass."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from dbrestore.export.s3.faults import FOREIGN_ERRORS, answered, passes, translated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dbrestore.export.opening import Notify

Result = TypeVar("Result")

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 20.0
FIRST_CONTACT = 15.0
"""Seconds that a server may be silent before it was ever heard of: until then a wrong address is likelier."""
SILENCE = 10.0
"""Seconds of trying after which people are told, and again after each as long."""


@dataclass(slots=True)
class Patience:
    """How long faults are borne. One for each storage."""

    seconds: float
    """Without progress, for each thing that is tried."""
    notify: Notify
    met: bool = False
    """A server has answered."""
    _told: float = field(default=float("-inf"))

    def tell(self, line: str) -> None:
        """Say ``line``, unless something like it was said a moment ago."""
        now = time.monotonic()
        if now - self._told >= SILENCE:
            self._told = now
            self.notify(line)


class Attempts:
    """The attempts at one thing."""

    def __init__(self, patience: Patience, url: str) -> None:
        self._patience = patience
        self._url = url
        self.progress()

    def progress(self) -> None:
        """The last attempt got further: patience begins anew."""
        self._since = time.monotonic()
        self._pause = FIRST_PAUSE

    async def pause(self, error: Exception) -> None:
        """Wait for the next attempt, ever longer, with jitter; or raise ``error`` as one of dbrestore's."""
        patience = self._patience
        patience.met = patience.met or answered(error)
        bearable = patience.seconds if patience.met else min(patience.seconds, FIRST_CONTACT)
        tried = time.monotonic() - self._since
        if not passes(error) or tried + self._pause > bearable:
            raise translated(error, self._url) from error
        if tried > SILENCE:
            patience.tell(f"{translated(error, self._url).message}; trying again since {tried:.0f} s")
        await asyncio.sleep(random.uniform(self._pause / 2, self._pause))  # noqa: S311 - no secret
        self._pause = min(2 * self._pause, LONGEST_PAUSE)


async def persist(request: Callable[[], Awaitable[Result]], patience: Patience, url: str) -> Result:
    """What ``request`` returns, as soon as it succeeds. Raises a DbrestoreError about ``url``."""
    attempts = Attempts(patience, url)
    while True:
        try:
            result = await request()
        except FOREIGN_ERRORS as error:
            await attempts.pause(error)
        else:
            patience.met = True
            return result
