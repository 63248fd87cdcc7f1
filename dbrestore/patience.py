"""Patience with the target: what fails for a while is done again, ever more seldom, until it has taken too long."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from dbrestore.errors import DbrestoreError, Fault
from dbrestore.signals import was_signalled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Iterable

    Result = TypeVar("Result")

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 20.0
ANSWERS = {Fault.NOT_READY, Fault.CROWDED}
"""What a server says that was found; before any was, all else is likelier to be a wrong address."""


class Listener(Protocol):
    """Who is told."""

    def retrying(self, error: DbrestoreError, pause: float) -> None:
        """What failed by ``error`` is done again in ``pause`` seconds."""
        ...

    def warn(self, warnings: Iterable[str]) -> None:
        """Something is not as it might be wished."""
        ...


@dataclass(slots=True)
class Patience:
    """How long the faults of one target are borne."""

    listener: Listener
    seconds: float = 0.0
    """From the first fault after something succeeded; 0 to bear none."""
    met: bool = False
    """The target was there once."""
    _failing_since: float | None = None
    _done: set[Hashable] = field(default_factory=set)

    def succeeded(self, key: Hashable) -> None:
        """Something is done. What is only done over again, because a fault ended it, is no success."""
        if key not in self._done:
            self._done.add(key)
            self._failing_since = None

    def bears(self, error: DbrestoreError, pause: float) -> bool:
        """Whether it is to be done again after ``pause`` seconds."""
        if error.fault is None or not (self.met or error.fault in ANSWERS):
            return False
        now = time.monotonic()
        self._failing_since = now if self._failing_since is None else self._failing_since
        return now - self._failing_since + pause <= self.seconds


class Pauses:
    """The pauses between the attempts at something."""

    def __init__(self, patience: Patience) -> None:
        """None yet."""
        self._patience = patience
        self.begin()

    def begin(self) -> None:
        """Something else is attempted."""
        self._longest = FIRST_PAUSE
        self._ended = float("-inf")

    def next(self) -> float:
        """Seconds, with jitter: those who failed together do not come back together.

        They grow as long as the attempts fail sooner than they had to wait.
        """
        if time.monotonic() - self._ended > self._longest:
            self._longest = FIRST_PAUSE
        pause = random.uniform(self._longest / 2, self._longest)  # noqa: S311 - no secret
        self._longest = min(2 * self._longest, LONGEST_PAUSE)
        self._ended = time.monotonic() + pause
        return pause

    async def after(self, error: DbrestoreError) -> None:
        """Wait for the next attempt, or raise ``error`` if there is to be none."""
        if was_signalled():
            # Until Python 3.12 asyncio.wait_for, which asyncpg connects by, takes no notice of a cancellation if what
            # it waits for ends at the same moment.
            raise asyncio.CancelledError
        pause = self.next()
        if not self._patience.bears(error, pause):
            raise error
        self._patience.listener.retrying(error, pause)
        await asyncio.sleep(pause)


async def persist(attempt: Callable[[], Awaitable[Result]], patience: Patience) -> Result:
    """What ``attempt`` returns, as soon as it succeeds. Raises what it raises, when that is not to be borne."""
    pauses = Pauses(patience)
    while True:
        try:
            return await attempt()
        except DbrestoreError as error:
            await pauses.after(error)
