"""Where the time of a restore goes.

Seconds are of the clock on the wall. Stages come one after the other; the seconds of tables are of jobs that run side
by side, so that they may come to more than the restore took.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping

Item = TypeVar("Item")


class Stage(StrEnum):
    """What a restore does, one thing after the other."""

    LISTING = "listing"
    """Of the export, once for all of its databases."""
    PLANNING = "plan"
    PREPARING = "preparation"
    """Counting what is there, taking down keys and indexes, emptying tables."""
    LOADING = "load"
    """Up to the end of the last COPY. Keys and indexes go back meanwhile."""
    PUTTING_BACK = "keys and indexes"
    """What is left of them after the last COPY, with the ANALYZE and the counting that go on beside and after them."""
    FINISHING = "finishing"
    VERIFYING = "verification"
    """But for rows that were counted before."""


@dataclass(frozen=True, slots=True)
class TableTimes:
    """Seconds that the jobs spent on one table, or on all of them."""

    waiting_for_storage: float = 0.0
    """Until parts were here."""
    waiting_for_client: float = 0.0
    """Until rows were decoded and encoded."""
    waiting_for_server: float = 0.0
    """Until the server had taken rows, and for all else of a COPY."""
    decoding: float = 0.0
    """In threads, while the server takes what is encoded already."""
    encoding: float = 0.0
    """In the same threads."""
    building: float = 0.0
    """Index builds, and checks of foreign keys."""

    def __add__(self, other: TableTimes) -> TableTimes:
        return TableTimes(
            self.waiting_for_storage + other.waiting_for_storage,
            self.waiting_for_client + other.waiting_for_client,
            self.waiting_for_server + other.waiting_for_server,
            self.decoding + other.decoding,
            self.encoding + other.encoding,
            self.building + other.building,
        )


@dataclass(frozen=True, slots=True)
class RestoreTimes:
    """Where the time of one database's restore went."""

    stages: dict[Stage, float]
    """Seconds of each stage, in order."""
    tables: dict[int, TableTimes]
    """By oid; also of tables that had nothing but keys to put back."""

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return sum(self.stages.values())

    @property
    def total(self) -> TableTimes:
        """Of all tables."""
        return sum(self.tables.values(), TableTimes())


@dataclass(slots=True)
class CopyClock:
    """Times one COPY. Its methods are called by one thread at a time."""

    storage: float = 0.0
    client: float = 0.0
    decoding: float = 0.0
    encoding: float = 0.0

    async def wait_for_storage(self, part: Awaitable[Item]) -> Item:
        """``part``, with the time until it is here."""
        started = perf_counter()
        content = await part
        self.storage += perf_counter() - started
        return content

    async def wait_for_client(self, chunk: Awaitable[Item]) -> Item:
        """``chunk``, with the time until it is made."""
        started = perf_counter()
        made = await chunk
        self.client += perf_counter() - started
        return made

    def add(self, other: CopyClock) -> None:
        """What another clock has found is of this COPY as well."""
        self.storage += other.storage
        self.client += other.client
        self.decoding += other.decoding
        self.encoding += other.encoding

    def decode(self, batches: Iterable[Item]) -> Iterator[Item]:
        """``batches``, with the time that each of them takes to come."""
        return _timed(batches, self._decoded)

    def encode(self, chunks: Iterable[Item]) -> Iterator[Item]:
        """``chunks``, with the time that each of them takes to come."""
        return _timed(chunks, self._encoded)

    def _decoded(self, seconds: float) -> None:
        self.decoding += seconds

    def _encoded(self, seconds: float) -> None:
        self.encoding += seconds


def _timed(items: Iterable[Item], add: Callable[[float], None]) -> Iterator[Item]:
    iterator = iter(items)
    while True:
        started = perf_counter()
        try:
            item = next(iterator)
        except StopIteration:
            return
        finally:
            add(perf_counter() - started)
        yield item
        del item  # it would be kept while the next one is made


@dataclass(slots=True)
class Timing:
    """Collects where the time of a restore goes, while it goes."""

    stages: dict[Stage, float] = field(default_factory=dict)
    """Seconds."""
    _tables: defaultdict[int, TableTimes] = field(default_factory=lambda: defaultdict(TableTimes))
    _last_copy: float = field(default_factory=perf_counter)
    """When it ended."""

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """The block is a stage, or more of it."""
        started = perf_counter()
        try:
            yield
        finally:
            self._add(stage, perf_counter() - started)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """The block is loading and putting back: where the last COPY ends, the one becomes the other."""
        started = self._last_copy = perf_counter()
        try:
            yield
        finally:
            self._add(Stage.LOADING, self._last_copy - started)
            self._add(Stage.PUTTING_BACK, perf_counter() - self._last_copy)

    @asynccontextmanager
    async def copy(self, oid: int) -> AsyncIterator[CopyClock]:
        """The block is a COPY into a table."""
        clock = CopyClock()
        started = perf_counter()
        try:
            yield clock
        finally:
            self._last_copy = perf_counter()
            server = max(0.0, self._last_copy - started - clock.storage - clock.client)
            self._tables[oid] += TableTimes(clock.storage, clock.client, server, clock.decoding, clock.encoding)

    def add_copies(self, tables: Mapping[int, TableTimes]) -> None:
        """COPYs of another process have just ended; ``tables`` has what they took, by oid."""
        for oid, times in tables.items():
            self._last_copy = perf_counter()
            self._tables[oid] += times

    def encoded(self, oid: int, clock: CopyClock, waiting: CopyClock) -> None:
        """Before a COPY that has been timed, its stream was made, by ``clock``, and waited for, by ``waiting`` anew."""
        self._tables[oid] += TableTimes(clock.storage, waiting.client, 0.0, clock.decoding, clock.encoding)
        waiting.client = 0.0

    @contextmanager
    def build(self, oid: int) -> Iterator[None]:
        """The block puts something of a table back."""
        started = perf_counter()
        try:
            yield
        finally:
            self._tables[oid] += TableTimes(building=perf_counter() - started)

    def times(self) -> RestoreTimes:
        """What has been collected so far."""
        stages = {stage: self.stages[stage] for stage in Stage if stage in self.stages}
        return RestoreTimes(stages, dict(self._tables))

    def _add(self, stage: Stage, seconds: float) -> None:
        self.stages[stage] = self.stages.get(stage, 0.0) + seconds
