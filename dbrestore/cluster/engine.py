"""Hands loads over to the workers of a cluster, and waits for what comes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker, NoValidWorkerError, NoWorkerError

from dbrestore.cluster.worker import AGAIN_HINT, Load, Outcome, Way, load
from dbrestore.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distributed import Client

    from dbrestore.cluster.shares import Shares
    from dbrestore.load import Begun
    from dbrestore.plan import PlannedPart, PlannedTable
    from dbrestore.timing import Timing


@dataclass(frozen=True, slots=True)
class ClusterEngine:
    """The `Engine` whose loads run in a cluster."""

    client: Client
    run: str
    shares: Shares
    elsewhere: int
    timing: Timing
    """Takes in what the workers measure."""
    given: dict[str, Begun]
    """What is to be called when a load begins, by the key of its task."""

    def expect(self, parts: Sequence[PlannedPart], table: PlannedTable | None = None) -> None:
        """Nothing: a worker brings what it is given, while its connections are still busy."""

    async def load(self, _: object, table: PlannedTable, parts: Sequence[PlannedPart], begun: Begun) -> None:
        """As `Loader.load`, or ClusterError."""
        given = replace(table, parts=tuple(parts))
        await self._hand_over([given], Way.WHOLE if len(parts) == len(table.parts) else Way.PARTS, begun)

    async def load_together(self, _: object, tables: Sequence[PlannedTable], begun: Begun) -> None:
        """As `Loader.load_together`, or ClusterError."""
        await self._hand_over(tables, Way.TOGETHER, begun)

    async def load_crowd(self, _: object, tables: Sequence[PlannedTable], begun: Begun) -> None:
        """As `Loader.load_crowd`, or ClusterError."""
        await self._hand_over(tables, Way.CROWD, begun)

    async def _hand_over(self, tables: Sequence[PlannedTable], way: Way, begun: Begun) -> None:
        outcome = await self._submit(tables, way, begun)
        while outcome.is_refused:
            outcome = await self._submit(tables, way, begun, self.shares.find_workers())
        begun()  # the word of it comes by another way than the outcome, and may be late
        self.timing.add_copies(outcome.times)
        if outcome.failure is not None:
            raise outcome.failure

    async def _submit(
        self, tables: Sequence[PlannedTable], way: Way, begun: Begun, workers: Sequence[str] = ()
    ) -> Outcome:
        """Have one of ``workers``, if they are there, or any other load."""
        names = ", ".join(table.table.dotted for table in tables)
        key = f"load-{names}-{uuid4().hex}"
        work = Load(key, self.run, tuple(tables), way)
        chosen = {"workers": list(workers), "allow_other_workers": True} if workers else {}
        self.given[key] = begun
        # No part is tried again by Dask, but for those of workers that died.
        future = self.client.submit(load, work, key=key, pure=False, retries=0, **chosen)
        try:
            outcome: Outcome = await future
        except (KilledWorker, NoValidWorkerError, NoWorkerError, FutureCancelledError) as error:
            raise _translated(error, _place(tables)) from error
        finally:
            del self.given[key]
            future.release()
        return outcome


def _place(tables: Sequence[PlannedTable]) -> str:
    names = ", ".join(table.table.dotted for table in tables)
    keys = [part.file.key for table in tables for part in table.parts]
    return f"{names}, {keys[0] if len(keys) == 1 else f'{len(keys)} parts'}"


def _translated(error: Exception, place: str) -> ClusterError:
    if isinstance(error, KilledWorker):
        hint = (
            "They may have run out of memory: look at their logs. With fewer --jobs they need less; --resume goes on."
        )
        return ClusterError(f"{place}: one worker after the other died while it was loaded", hint=hint)
    if isinstance(error, FutureCancelledError):
        return ClusterError("the connection to the Dask scheduler was lost", hint=AGAIN_HINT)
    return ClusterError(f"{place}: the cluster has no worker that could load it", hint=AGAIN_HINT)
