"""Which Dask cluster loads, if one does, and how it is had only where it is wanted."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbrestore.errors import UsageError
from dbrestore.export.opening import SourceSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dbrestore.cluster.opening import Cluster
    from dbrestore.target.connect import ConnectionSettings

INSTALL_HINT = "Install the extra: pip install 'dbrestore[dask]'"


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """A cluster to be started here, or one that runs."""

    workers: int = 0
    """Processes of a cluster on this machine; 0 for none."""
    scheduler: str | None = None
    """Address of the scheduler of a cluster that runs."""
    source: SourceSettings = field(default_factory=SourceSettings)
    """How the workers reach the export."""
    may_add_connections: bool = False
    """The number of connections was not chosen: each worker gets one at least."""


@asynccontextmanager
async def open_cluster(
    options: ClusterOptions | None, connection: ConnectionSettings, connections: int, notify: Callable[[str], None]
) -> AsyncIterator[Cluster | None]:
    """The cluster that is wanted, for the time of the block; ``connections`` is the most over all its workers.

    Raises:
        UsageError: Dask is not installed, or there are more workers than connections.
        ClusterError: the cluster cannot be had, or cannot be used.
    """
    if options is None:
        yield None
        return
    try:
        from dbrestore.cluster import opening  # noqa: PLC0415 - an extra, which takes half a second
    except ImportError as error:
        raise UsageError(f"--workers and --dask need Dask: {error}", hint=INSTALL_HINT) from error
    async with opening.open_cluster(options, connection, connections, notify) as cluster:
        yield cluster
