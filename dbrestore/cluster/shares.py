"""Splits the connections among the workers of a cluster: one bound for all of them, whoever joins or dies.

A worker that joins gets its share as soon as others have given theirs up, each at the end of a load. What one had that
is gone is given to others when the server has ended its sessions.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbrestore.cluster.worker import APPLICATION, application_of, limit_connections
from dbrestore.errors import DbrestoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Set

    from distributed import Client

    EndSessions = Callable[[str, Set[str]], Awaitable[Mapping[str, int]]]
    """As ``dbrestore.target.sessions.end_sessions`` on a pool."""

POLL_SECONDS = 0.2
"""Between two looks at what workers still have."""


@dataclass(slots=True)
class _Share:
    """Of one worker."""

    application: str
    """As the server shows its connections."""
    held: int = 0
    """The most that it may have at this moment."""
    told: int = 0
    """What it knows to be its own."""


@dataclass(slots=True)
class Shares:
    """How many connections each worker has in one run."""

    client: Client
    run: str
    connections: int
    """Of all workers together, at most."""
    end_sessions: EndSessions
    _shares: dict[str, _Share] = field(default_factory=dict)
    """By the address of the worker; also of those that are gone, until their sessions are."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _keeper: asyncio.Task[None] | None = None

    def find_workers(self) -> list[str]:
        """The addresses of those that have connections. Raises what keeps anybody from getting some."""
        if self._keeper and self._keeper.done():
            self._keeper.result()
        return [address for address, share in self._shares.items() if share.told]

    def change(self) -> None:
        """A worker has come or gone."""
        self._changed.set()

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keep all of that true while the block lasts."""
        self._keeper = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    async def _keep(self) -> None:
        while self.client.status == "running":
            self._changed.clear()
            is_settled = False
            with suppress(OSError, DbrestoreError):  # the scheduler or the target is away for a moment, or for good
                is_settled = await self._split()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if is_settled else POLL_SECONDS):
                    await self._changed.wait()

    async def _split(self) -> bool:
        """Take from those that have too much, give to others what is free; whether all have what they should."""
        identity = await self.client.scheduler.identity(n_workers=-1)
        wanted = self._choose(identity["workers"])
        surplus = {address: most for address, most in wanted.items() if self._shares[address].held > most}
        await self._tell(surplus)
        is_first = not any(share.held for share in self._shares.values())
        if is_first or await self._are_sessions_over(self._shares.keys() - wanted.keys()):
            await self._tell(self._find_growth(wanted))
        return all(share.held == share.told == wanted.get(address) for address, share in self._shares.items())

    def _choose(self, workers: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
        """What each should have, to whom came first rather more than to the others."""
        for address in workers:
            self._shares.setdefault(address, _Share(application_of(workers[address]["name"])))
        here = [address for address in self._shares if address in workers]
        each, more = divmod(self.connections, max(1, len(here)))
        return {address: each + (number < more) for number, address in enumerate(here)}

    async def _are_sessions_over(self, gone: Set[str]) -> bool:
        """Whether the server has ended those of workers that are gone, and those that others gave up.

        In the middle of a COPY they would live on, with nobody who feeds them.
        """
        lost = {self._shares[address].application for address in gone}
        counts = await self.end_sessions(APPLICATION, lost)
        if not lost.isdisjoint(counts):
            return False
        for address in gone:
            del self._shares[address]
        return all(counts.get(share.application, 0) <= share.held for share in self._shares.values())

    def _find_growth(self, wanted: Mapping[str, int]) -> dict[str, int]:
        """What can be given to whom, of what nobody has."""
        growth = {}
        spare = self.connections - sum(share.held for share in self._shares.values())
        for address, most in wanted.items():
            share = self._shares[address]
            more = max(0, min(most - share.held, spare))
            spare -= more
            if (grown := min(most, share.held + more)) > share.told:
                growth[address] = grown
        return growth

    async def _tell(self, wanted: Mapping[str, int]) -> None:
        await asyncio.gather(*(self._limit(address, most) for address, most in wanted.items()))

    async def _limit(self, address: str, most: int) -> None:
        share = self._shares[address]
        share.held = max(share.held, most)
        answers = await self.client.run(limit_connections, self.run, most, workers=[address], on_error="ignore")
        still = answers.get(address)
        if still is not None:
            share.told, share.held = most, max(most, still)
