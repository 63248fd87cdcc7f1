"""What a restore tells of the server's settings: those that held it back, as its own figures show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.report import readable_bytes
from dbrestore.timing import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dbrestore.target.server import ServerState
    from dbrestore.timing import RestoreTimes

LEAST_SECONDS = 10.0
"""A shorter restore gives no advice."""
MUCH = 0.25
"""Share of the time, or of the reads, that is worth a setting."""
FREQUENT_CHECKPOINTS = 3
FREQUENT_SECONDS = 600.0
"""Timed checkpoints that come more often than this are too many for a load."""
MUCH_WAL = 1024**3
BUILDING = 0.5
"""Of the time after the last row, from which on index builds are what it was waited for."""
ENOUGH_MEMORY = 1024**3
"""Of shared_buffers, or of an index build: what lies above is not advised."""
FEWEST_WORKERS = 2
"""Parallel workers of an index build: the server's default."""
GIBIBYTE = 1024**3


@dataclass(frozen=True, slots=True)
class Observation:
    """A restore that is done: the server before and after it, and where the time went."""

    before: ServerState
    after: ServerState
    times: RestoreTimes

    @property
    def wal(self) -> int:
        """Bytes of WAL that the server wrote meanwhile, for whomever."""
        return self.after.wal_position - self.before.wal_position

    @property
    def requested(self) -> int:
        """Checkpoints because of max_wal_size, mostly."""
        return self.after.checkpoints_requested - self.before.checkpoints_requested

    @property
    def timed(self) -> int:
        """Checkpoints because of checkpoint_timeout."""
        return self.after.checkpoints_timed - self.before.checkpoints_timed

    @property
    def waits_for_builds(self) -> bool:
        """Whether keys and indexes took a good part of the time after the last row, and not ANALYZE or counting."""
        after_rows = self.times.stages.get(Stage.PUTTING_BACK, 0.0)
        return after_rows >= MUCH * self.times.seconds and self.times.total.building >= BUILDING * after_rows


def advise(observation: Observation) -> list[str]:
    """Settings that held the restore back, each with the figure that says so."""
    if observation.times.seconds < LEAST_SECONDS:
        return []
    return [hint for rule in _RULES for hint in rule(observation)]


def _max_wal_size(seen: Observation) -> Iterator[str]:
    """A checkpoint writes pages that are about to change again, and makes the next change log the whole page."""
    if seen.requested >= FREQUENT_CHECKPOINTS and seen.wal >= seen.before.max_wal_size:
        every = seen.times.seconds / seen.requested
        yield (
            f"the server made a checkpoint every {every:.0f} s, since max_wal_size = "
            f"{readable_bytes(seen.before.max_wal_size)} was full: {readable_bytes(seen.wal)} of WAL were written, and "
            f"max_wal_size = {-(-2 * seen.wal // GIBIBYTE)}GB would have been enough for all"
        )


def _checkpoint_timeout(seen: Observation) -> Iterator[str]:
    if seen.timed >= FREQUENT_CHECKPOINTS and seen.times.seconds / seen.timed < FREQUENT_SECONDS:
        every = seen.times.seconds / seen.timed
        yield f"checkpoint_timeout had the server make a checkpoint every {every:.0f} s: 1h, say, is better for a load"


def _wal_level(seen: Observation) -> Iterator[str]:
    total = seen.times.total
    waiting = total.waiting_for_storage + total.waiting_for_client + total.waiting_for_server
    is_choice = not seen.before.is_replicated and not seen.before.is_managed and seen.before.wal_level != "minimal"
    if is_choice and seen.wal >= MUCH_WAL and total.waiting_for_server > waiting / 2:
        yield (
            f"wal_level = {seen.before.wal_level}, and {readable_bytes(seen.wal)} of WAL were written: with minimal "
            "the server leaves out what it can; `dbrestore tune` prints how"
        )


def _maintenance_work_mem(seen: Observation) -> Iterator[str]:
    memory, temporary = seen.before.build_memory, seen.after.temporary_bytes - seen.before.temporary_bytes
    if seen.waits_for_builds and temporary > memory and memory < ENOUGH_MEMORY:
        yield (
            f"keys and indexes took {seen.times.stages[Stage.PUTTING_BACK]:.0f} s after the last row, and "
            f"{readable_bytes(temporary)} in temporary files, since a build had {readable_bytes(memory)}: "
            "--maintenance-work-mem 1GB, if the server's machine has as much"
        )


def _parallel_workers(seen: Observation) -> Iterator[str]:
    if seen.waits_for_builds and seen.before.build_workers < FEWEST_WORKERS:
        yield (
            f"keys and indexes took {seen.times.stages[Stage.PUTTING_BACK]:.0f} s after the last row, and no more than "
            f"{seen.before.build_workers} workers may help a build: see max_parallel_maintenance_workers and "
            "max_parallel_workers"
        )


def _shared_buffers(seen: Observation) -> Iterator[str]:
    read = seen.after.bytes_read - seen.before.bytes_read
    hit = seen.after.bytes_hit - seen.before.bytes_hit
    buffers = seen.before.shared_buffers
    if read > MUCH * (read + hit) and read > 2 * buffers and buffers < ENOUGH_MEMORY:
        yield (
            f"the server read {readable_bytes(read)} again that did not fit into shared_buffers = "
            f"{readable_bytes(buffers)}: a quarter of its machine's memory is usual"
        )


_RULES: tuple[Callable[[Observation], Iterator[str]], ...] = (
    _max_wal_size,
    _checkpoint_timeout,
    _wal_level,
    _maintenance_work_mem,
    _parallel_workers,
    _shared_buffers,
)
