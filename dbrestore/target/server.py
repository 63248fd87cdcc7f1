"""How the target's server is set up, and what it has counted so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.target.connect import FOREIGN_ERRORS
from dbrestore.target.sql import load_queries

if TYPE_CHECKING:
    import asyncpg

CHECKPOINTER_VERSION = (17,)
"""The first version that has pg_stat_checkpointer."""

_QUERIES = load_queries("server.sql")


@dataclass(frozen=True, slots=True)
class ServerState:
    """Settings and counters of a server at one moment; sizes in bytes."""

    wal_level: str
    max_wal_size: int
    shared_buffers: int
    build_memory: int
    """maintenance_work_mem of each index build."""
    build_workers: int
    """Parallel workers that one index build may have."""
    wal_position: int
    """Bytes of WAL since the cluster was made."""
    bytes_read: int
    """Into shared_buffers, for this database."""
    bytes_hit: int
    """Found in shared_buffers, for this database."""
    temporary_bytes: int
    """Written to temporary files for this database: by sorts, mostly, that had too little memory."""
    is_replicated: bool
    """Somebody reads the WAL."""
    is_managed: bool
    """A cloud service, where not every setting can be chosen."""
    checkpoints_requested: int
    """Because of max_wal_size, or by a command."""
    checkpoints_timed: int
    """Because of checkpoint_timeout."""


async def read_server_state(connection: asyncpg.Connection, build_memory: str) -> ServerState | None:
    """The state now, or None where the server does not tell: nothing depends on it."""
    is_new = connection.get_server_version() >= CHECKPOINTER_VERSION
    try:
        state = await connection.fetchrow(_QUERIES["state"], build_memory)
        checkpoints = await connection.fetchrow(_QUERIES["checkpoints" if is_new else "checkpoints_before_17"])
    except FOREIGN_ERRORS:
        return None
    return ServerState(
        **state,
        checkpoints_requested=checkpoints["requested"],
        checkpoints_timed=checkpoints["timed"],
    )
