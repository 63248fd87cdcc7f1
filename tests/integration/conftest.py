from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from dbrestore.cluster.options import ClusterOptions
from dbrestore.testing.dask import DaskCluster
from dbrestore.testing.s3 import CLIENT_ENVIRONMENT
from tests.integration import round_trip

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from dbrestore.testing.postgres import PostgresServer


@pytest.fixture(scope="session")
def dask_cluster() -> Iterator[DaskCluster]:
    """A scheduler and two workers for each pytest process, which all tests leave as they were."""
    with DaskCluster(environment=CLIENT_ENVIRONMENT) as cluster:
        yield cluster


@pytest.fixture(params=["here", "dask"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What loads: this process, or a cluster."""
    if request.param == "dask":
        scheduler = request.getfixturevalue("dask_cluster").address
        monkeypatch.setattr(round_trip, "CLUSTER", ClusterOptions(scheduler=scheduler, may_add_connections=True))
    return str(request.param)


@pytest.fixture
async def scratch(server: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    """A connection in a transaction that is rolled back when the test ends: quicker than a database for each test."""
    connection = await asyncpg.connect(server.dsn())
    transaction = connection.transaction(isolation="repeatable_read")
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()
