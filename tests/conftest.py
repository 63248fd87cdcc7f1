from __future__ import annotations

import os
import shutil
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from dbrestore.testing.databases import create_database
from dbrestore.testing.postgres import FOLDER_VARIABLE, PostgresServer
from dbrestore.testing.s3 import CLIENT_ENVIRONMENT, S3Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbrestore.testing.databases import Database, MakeDatabase, MakeTemplate

TESTS = Path(__file__).parent
SAMPLES = TESTS.parents[1] / "shared" / "samples"
SERVER_FOLDERS = ("integration", "acceptance")
MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 8 * 1024**3
"""Free, for the servers' data to be there: to make and drop a database takes a third of the time."""

# A machine that is busy with something else is no reason for a failure; and the gate tries what it tried before,
# while a developer's runs look for what nobody has tried yet.
settings.register_profile(
    "dbrestore",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("dbrestore")

_bucket_numbers = count(1)


def pytest_configure() -> None:
    """Keep out what the developer's shell tells libpq, AWS clients and dbrestore."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "PG", "DBRESTORE_")) and not name.startswith("DBRESTORE_TEST_"):
            del os.environ[name]
    os.environ["XDG_CONFIG_HOME"] = os.devnull
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_NEEDED:
        os.environ.setdefault(FOLDER_VARIABLE, str(MEMORY))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in SERVER_FOLDERS:
            item.add_marker(folder)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """One server for each pytest process."""
    with PostgresServer.start() as server:
        yield server


@pytest.fixture
def make_database(server: PostgresServer) -> Iterator[MakeDatabase]:
    """Makes databases, empty or copies of a template, that go when the test ends."""
    made: list[Database] = []

    def make(template: str | None = None) -> Database:
        made.append(create_database(server, template))
        return made[-1]

    yield make
    for database in made:
        database.drop()


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    return make_database()


@pytest.fixture(scope="session")
def template(server: PostgresServer) -> MakeTemplate:
    """Makes a database for ``make_database(template=...)`` out of a script, once for each name."""
    made: dict[str, str] = {}

    def make(name: str, sql: str) -> str:
        if name not in made:
            database = create_database(server)
            database.execute(sql)
            made[name] = database.name
        return made[name]

    return make


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """One server for each pytest process."""
    with S3Server() as server:
        yield server


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A server without faults, and credentials for it in the environment."""
    for name, value in CLIENT_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    yield s3_server
    s3_server.clear()


@pytest.fixture
def bucket(s3: S3Server) -> Iterator[str]:
    """An empty bucket that goes when the test ends."""
    name = f"bucket-{next(_bucket_numbers)}"
    s3.make_bucket(name)
    yield name
    s3.remove_bucket(name)


@pytest.fixture(scope="session")
def samples() -> Path:
    """Real exports, which are kept beside the repository."""
    if not SAMPLES.is_dir():
        pytest.skip(f"no real exports in {SAMPLES}")
    return SAMPLES
