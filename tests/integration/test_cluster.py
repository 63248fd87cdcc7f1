from __future__ import annotations

import asyncio
import io
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import dask
import psutil
import pytest
from distributed import Client
from pydantic import SecretStr

from dbrestore import __version__
from dbrestore.cluster import opening
from dbrestore.cluster.options import ClusterOptions, open_cluster
from dbrestore.errors import ClusterError, DbrestoreError, PrivilegeError, UsageError
from dbrestore.events import Began, Ended, Kind, Level
from dbrestore.export.local import LocalStorage
from dbrestore.export.opening import SourceSettings, open_storage
from dbrestore.progress import Progress
from dbrestore.restore import restore
from dbrestore.running import RestoreOptions, Unfinished
from dbrestore.simulate import open_destination, simulate
from dbrestore.target.connect import ConnectionSettings
from dbrestore.testing.dask import DaskCluster
from dbrestore.views.lines import Lines
from dbrestore.views.view import View
from tests.integration.certificates import Authority
from tests.integration.locked_rows import locked_rows
from tests.integration.owner import create_owner
from tests.integration.round_trip import (
    export_database,
    fetch,
    find_differences,
    restore_export,
    wait_for_sessions,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    import asyncpg

    from dbrestore.events import Event
    from dbrestore.tally import Tally
    from dbrestore.testing.databases import Database, MakeDatabase
    from dbrestore.testing.s3 import S3Server

pytestmark = pytest.mark.timeout(400)  # each of several processes imports what it needs

TABLES = "CREATE TABLE shelves (id int PRIMARY KEY); CREATE TABLE books (id int PRIMARY KEY, word text);"
ROWS = """
    INSERT INTO shelves SELECT generate_series(1, 50);
    INSERT INTO books SELECT n, 'book ' || n FROM generate_series(1, 800) AS n;
"""
SESSIONS = "FROM pg_stat_activity WHERE application_name LIKE 'dbrestore worker %' AND datname = current_database()"
COPYING = f"{SESSIONS} AND state = 'active' AND query LIKE 'COPY%'"


@pytest.fixture
def source(make_database: MakeDatabase) -> Database:
    source = make_database()
    source.execute(TABLES + ROWS)
    return source


@pytest.fixture
async def export(source: Database, tmp_path: Path) -> Path:
    return await export_database(source, tmp_path, rows_per_part=100)


@pytest.fixture
def target(make_database: MakeDatabase) -> Database:
    target = make_database()
    target.execute(TABLES)
    return target


@pytest.fixture
def own_cluster() -> Iterator[DaskCluster]:
    """A cluster to be broken."""
    with DaskCluster() as cluster:
        yield cluster


def running(export: Path, target: Database, cluster: DaskCluster, *, jobs: int = 2) -> asyncio.Task[str]:
    async def run() -> str:
        _, said = await restore_export(
            export, target, jobs=jobs, level=Level.VERBOSE, cluster=ClusterOptions(scheduler=cluster.address)
        )
        return said

    return asyncio.create_task(run())


async def test_parts_of_a_worker_that_is_killed_are_loaded_by_another_one(
    source: Database, export: Path, target: Database, own_cluster: DaskCluster
) -> None:
    async with locked_rows(target, "books") as let_go:
        restored = running(export, target, own_cluster)
        await wait_for_sessions(target, 2, copying=True)
        own_cluster.processes[0].send_signal(signal.SIGKILL)
        own_cluster.processes[0].wait()
        await let_go()
        said = await restored
    assert said.count("is gone: another one loads its parts") == 1
    assert said.count("public.books: 100 rows") == 8
    assert await find_differences(source, target) == []


async def test_a_part_at_which_workers_die_ends_the_restore_with_its_name(export: Path, target: Database) -> None:
    with DaskCluster(environment={"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}) as cluster:
        async with locked_rows(target, "books"):
            restored = running(export, target, cluster)
            await wait_for_sessions(target, 2, copying=True)
            cluster.processes[0].send_signal(signal.SIGKILL)
            with pytest.raises(DbrestoreError, match=r"public\.books, \S+\.parquet: one worker after the other died"):
                await restored


async def test_a_restore_whose_scheduler_is_gone_ends_and_is_gone_on_with(
    source: Database, export: Path, target: Database, own_cluster: DaskCluster
) -> None:
    async with locked_rows(target, "books"):
        restored = running(export, target, own_cluster)
        await wait_for_sessions(target, 2, copying=True)
        assert own_cluster.scheduler is not None
        own_cluster.scheduler.send_signal(signal.SIGKILL)
        with pytest.raises(ClusterError, match="the connection to the Dask scheduler was lost") as caught:
            await restored
        assert "--resume goes on" in str(caught.value.hint)
        await wait_for_sessions(target, 0)
    await restore_export(export, target, unfinished=Unfinished.RESUME)
    assert await find_differences(source, target) == []


async def test_workers_have_no_more_connections_than_there_are_jobs(
    export: Path, target: Database, dask_cluster: DaskCluster
) -> None:
    async with locked_rows(target, "books") as let_go:
        restored = running(export, target, dask_cluster, jobs=5)
        await wait_for_sessions(target, 5, copying=True)
        assert await fetch(target, f"SELECT count(*)::int {SESSIONS}") == [(5,)]
        await let_go()
        said = await restored
    assert "2 Dask workers with 5 connections; dashboard: http://127.0.0.1:" in said


@asynccontextmanager
async def most_sessions(database: Database) -> AsyncIterator[list[int]]:
    """How many sessions of workers there were at once, while the block lasts."""
    seen = [0]

    async def look() -> None:
        async with database.connect() as connection:
            while True:
                seen[0] = max(seen[0], await connection.fetchval(f"SELECT count(*)::int {SESSIONS}"))
                await asyncio.sleep(0.002)

    looking = asyncio.create_task(look())
    try:
        yield seen
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


PART_LOCK = 78
LOCKED_PARTS = f"""
    CREATE FUNCTION wait(part int) RETURNS bool LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock_shared({PART_LOCK}, part); RETURN true; END $$;
    ALTER TABLE books ADD CONSTRAINT wait CHECK (wait((id - 1) / 20)) NOT VALID;
"""
LOCK_PARTS = f"SELECT pg_advisory_lock({PART_LOCK}, part) FROM generate_series(0, 39) AS part"
WAITING_PARTS = f"SELECT objid::int FROM pg_locks WHERE classid = {PART_LOCK} AND NOT granted"


async def wait_for_copies(locks: asyncpg.Connection, workers: int) -> None:
    """Let one part after the other go until two are in the middle of their COPY, of so many workers."""
    while True:
        names = await locks.fetch(f"SELECT application_name {COPYING}")
        parts = await locks.fetch(WAITING_PARTS)
        if len(names) == len(parts) == 2:
            if len(set(names)) == workers:
                return
            await locks.execute(f"SELECT pg_advisory_unlock({PART_LOCK}, {parts[0][0]})")
        await asyncio.sleep(0.2)


async def test_workers_that_come_and_go_have_no_more_connections_than_there_are_jobs(
    source: Database, target: Database, tmp_path: Path
) -> None:
    export = await export_database(source, tmp_path, rows_per_part=20)
    target.execute(LOCKED_PARTS)
    with DaskCluster(workers=1) as cluster:
        async with target.connect() as locks, most_sessions(target) as seen:
            await locks.execute(LOCK_PARTS)
            restored = running(export, target, cluster)
            await wait_for_copies(locks, workers=1)
            cluster.add_worker()
            await wait_for_copies(locks, workers=2)
            cluster.processes[0].send_signal(signal.SIGKILL)
            await wait_for_copies(locks, workers=1)
            cluster.add_worker()
            await wait_for_copies(locks, workers=2)
            cluster.add_worker()  # for which no connection is left
            await locks.execute("SELECT pg_advisory_unlock_all()")
            await restored
    assert seen == [2]
    target.execute("ALTER TABLE books DROP CONSTRAINT wait")
    assert await find_differences(source, target) == []


class LoadsShown(View):
    """How many loads are shown as going on."""

    def __init__(self) -> None:
        self.count = 0

    def show(self, event: Event, tally: Tally) -> None:
        if isinstance(event, Began | Ended) and event.activity.kind is Kind.LOAD:
            self.count += 1 if isinstance(event, Began) else -1


async def wait_for_tasks(client: Client, count: int, shown: LoadsShown) -> None:
    """Until workers have so many, and two of them are told of."""
    while True:
        if shown.count >= 2 and sum(map(len, (await client.processing()).values())) == count:
            return
        await asyncio.sleep(0.05)


async def test_a_part_that_waits_in_its_worker_is_not_shown_as_being_loaded(
    source: Database, target: Database, dask_cluster: DaskCluster, tmp_path: Path
) -> None:
    export = await export_database(source, tmp_path, rows_per_part=20)
    shown = LoadsShown()
    connection = ConnectionSettings(SecretStr(target.dsn))
    options = RestoreOptions(jobs=2, cluster=ClusterOptions(scheduler=dask_cluster.address))
    async with (
        locked_rows(target, "books") as let_go,
        Client(dask_cluster.address, asynchronous=True, set_as_default=False) as client,
    ):
        restored = asyncio.create_task(restore(LocalStorage(export), connection, options, Progress([shown])))
        await wait_for_sessions(target, 2, copying=True)
        await wait_for_tasks(client, 4, shown)
        assert shown.count == 2
        await let_go()
        await restored
    assert shown.count == 0
    assert await find_differences(source, target) == []


async def test_a_cancelled_restore_leaves_nothing_at_work(
    export: Path, target: Database, dask_cluster: DaskCluster
) -> None:
    async with locked_rows(target, "books"):
        restored = running(export, target, dask_cluster)
        await wait_for_sessions(target, 2, copying=True)
        restored.cancel()
        with pytest.raises(asyncio.CancelledError):
            await restored
        await wait_for_sessions(target, 0)
        assert await fetch(target, "SELECT count(*)::int FROM dbrestore.part WHERE is_loaded AND rows = 100") == [(0,)]


async def test_workers_read_an_export_in_s3_by_themselves(
    source: Database, target: Database, dask_cluster: DaskCluster, s3: S3Server, bucket: str
) -> None:
    settings = SourceSettings(aws_endpoint_url=s3.url)
    async with source.connect() as connection, open_destination(f"s3://{bucket}", "friday", settings) as files:
        await simulate(connection, files, export_id="friday", rows_per_part=100)
    said = io.StringIO()
    async with open_storage(f"s3://{bucket}/friday", settings, print) as storage:
        s3.requests.clear()
        cluster = ClusterOptions(scheduler=dask_cluster.address, source=settings)
        connection = ConnectionSettings(SecretStr(target.dsn))
        await restore(storage, connection, RestoreOptions(jobs=2, cluster=cluster), Progress([Lines(said)]))
    assert await find_differences(source, target) == []


def protection(folder: Path) -> dict[str, str]:
    """Dask's configuration for processes that talk by TLS alone, with a certificate for each role."""
    folder.mkdir()
    authority = Authority(folder, "authority")
    settings = {"distributed.comm.require-encryption": "True", "distributed.comm.tls.ca-file": str(authority.root)}
    for role in ("scheduler", "worker", "client"):
        issued = authority.issue(role, "127.0.0.1")
        settings[f"distributed.comm.tls.{role}.cert"] = str(issued.certificate)
        settings[f"distributed.comm.tls.{role}.key"] = str(issued.key)
    return settings


def as_environment(settings: dict[str, str]) -> dict[str, str]:
    """Settings of Dask, as it reads them where no file has them."""
    return {f"DASK_{name.replace('.', '__').replace('-', '_').upper()}": value for name, value in settings.items()}


async def test_a_cluster_that_talks_by_tls_loads_for_those_alone_whom_it_trusts(
    source: Database, export: Path, target: Database, tmp_path: Path
) -> None:
    ours, theirs = protection(tmp_path / "ours"), protection(tmp_path / "theirs")
    with dask.config.set(ours), DaskCluster(workers=1, environment=as_environment(ours)) as cluster:
        assert cluster.address.startswith("tls://")
        for settings in (dict.fromkeys(ours), theirs):
            with dask.config.set(settings), pytest.raises(ClusterError, match="no Dask scheduler at tls://") as caught:
                await running(export, target, cluster)
            assert "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT" in str(caught.value.hint)
        await running(export, target, cluster)
    assert await find_differences(source, target) == []


async def test_a_cluster_with_other_versions_is_refused(export: Path, target: Database, tmp_path: Path) -> None:
    other = tmp_path / "dbrestore-99.9.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: dbrestore\nVersion: 99.9\n")
    with DaskCluster(workers=1, environment={"PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1"}) as cluster:
        told = f"the scheduler of the Dask cluster has dbrestore 99.9 in place of {__version__}"
        with pytest.raises(ClusterError, match=told):
            await running(export, target, cluster)
    assert await fetch(target, "SELECT count(*)::int FROM pg_namespace WHERE nspname = 'dbrestore'") == [(0,)]


async def test_where_no_scheduler_answers_nothing_is_changed(export: Path, target: Database) -> None:
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}), pytest.raises(ClusterError) as caught:
        await restore_export(export, target, cluster=ClusterOptions(scheduler="tcp://127.0.0.1:1"))
    assert caught.value.message.startswith("no Dask scheduler at tcp://127.0.0.1:1: ")
    assert await fetch(target, "SELECT count(*)::int FROM pg_namespace WHERE nspname = 'dbrestore'") == [(0,)]


async def test_an_address_that_is_none_is_refused(export: Path, target: Database) -> None:
    with pytest.raises(ClusterError, match="no Dask scheduler at somewhere://else"):
        await restore_export(export, target, cluster=ClusterOptions(scheduler="somewhere://else"))


async def test_a_cluster_has_to_have_a_connection_for_each_worker(
    export: Path, target: Database, dask_cluster: DaskCluster
) -> None:
    with pytest.raises(UsageError, match="2 workers need a connection each, but --jobs lets them have 1") as caught:
        await running(export, target, dask_cluster, jobs=1)
    assert caught.value.hint == "--jobs 2 or more, or fewer workers."


async def test_without_a_journal_no_worker_could_load_each_part_once(
    export: Path, target: Database, dask_cluster: DaskCluster
) -> None:
    role = create_owner(target)
    target.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
    cluster = ClusterOptions(scheduler=dask_cluster.address)
    with pytest.raises(PrivilegeError, match=f"the role may not keep a journal in {target.name}"):
        await restore_export(export, target, user=role, cluster=cluster)


async def test_who_is_interrupted_while_workers_end_leaves_none_of_them(target: Database) -> None:
    is_open = asyncio.Event()

    async def use() -> None:
        connection = ConnectionSettings(SecretStr(target.dsn))
        async with open_cluster(ClusterOptions(workers=1), connection, 1, print):
            is_open.set()

    others = psutil.Process().children()
    using = asyncio.create_task(use())
    await is_open.wait()
    children = [child for child in psutil.Process().children() if child not in others]
    [worker] = [child for child in children if "dask worker" in " ".join(child.cmdline())]
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert not worker.is_running()


async def test_without_dask_people_are_told_how_to_get_it(
    export: Path, target: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, opening.__name__)
    monkeypatch.delattr("dbrestore.cluster.opening")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError) as caught:
        await restore_export(export, target, cluster=ClusterOptions(workers=2))
    assert caught.value.hint == "Install the extra: pip install 'dbrestore[dask]'"
