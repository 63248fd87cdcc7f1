"""What loading costs on each side: CPU seconds of this process, and of the server's backend."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    import asyncpg
    import pyarrow as pa

    from dbrestore.wire.registry import StreamEncoder

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds."""

    client: float
    server: float

    @property
    def both(self) -> float:
        """Of both sides together."""
        return self.client + self.server


async def load_cost(
    connection: asyncpg.Connection,
    table: str,
    batches: Sequence[pa.RecordBatch],
    encoder: StreamEncoder,
    runs: int,
) -> Cost:
    """Medians of encoding the batches, and of the backend's taking them in by COPY. The table is emptied each time."""
    costs = [await _once(connection, table, batches, encoder) for _ in range(runs)]
    return Cost(median(cost.client for cost in costs), median(cost.server for cost in costs))


async def _once(
    connection: asyncpg.Connection, table: str, batches: Sequence[pa.RecordBatch], encoder: StreamEncoder
) -> Cost:
    started = time.process_time()
    for batch in batches:
        for _ in encoder.encode(batch):
            pass  # kept, they would take memory that the system has to give page by page, as no restore does
    client = time.process_time() - started
    chunks = (chunk for batch in batches for chunk in encoder.encode(batch))
    await connection.execute(f"TRUNCATE {table}")
    backend = connection.get_server_pid()
    before = backend_seconds(backend)
    await connection.copy_to_table(
        table,
        columns=batches[0].schema.names,
        source=_stream(chain([encoder.header], chunks, [encoder.trailer])),
        format="binary" if encoder.header else "text",
    )
    return Cost(client, backend_seconds(backend) - before)


async def _stream(chunks: Iterable[pa.Buffer | bytes]) -> AsyncIterator[pa.Buffer | bytes]:
    for chunk in chunks:
        if len(chunk):
            yield chunk


def backend_seconds(pid: int) -> float:
    """User and system time of a process so far, by Linux's /proc (proc(5), stat)."""
    fields = _status(Path(f"/proc/{pid}/stat"))
    return (int(fields[11]) + int(fields[12])) / TICKS


def server_seconds(backend: int) -> float:
    """User and system time so far of all processes of the server that has this backend, also of those that ended."""
    postmaster = _status(Path(f"/proc/{backend}/stat"))[1]
    own = _status(Path(f"/proc/{postmaster}/stat"))
    children = [
        fields for stat in Path("/proc").glob("[0-9]*/stat") if (fields := _status(stat)) and fields[1] == postmaster
    ]
    ticks = sum(map(int, own[11:15])) + sum(int(fields[11]) + int(fields[12]) for fields in children)
    return ticks / TICKS


def _status(stat: Path) -> list[str]:
    """The fields behind a process's name: its state, its parent, …; none if it is gone."""
    try:
        return stat.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
