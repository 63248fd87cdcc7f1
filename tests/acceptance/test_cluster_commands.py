from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
import pytest

from dbrestore.testing.dask import DaskCluster
from tests.acceptance.commands import COMMAND, failed, run
from tests.passwords import demand_password

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dbrestore.testing.databases import Database

SECRET = "hunter2"
pytestmark = pytest.mark.timeout(400)  # each of several processes imports what it needs

TABLES = """
    CREATE TABLE shelves (id int PRIMARY KEY);
    CREATE TABLE books (id int PRIMARY KEY, shelf int REFERENCES shelves, title text);
    INSERT INTO shelves SELECT generate_series(1, 20);
    INSERT INTO books SELECT n, 1 + n % 20, 'title ' || n FROM generate_series(1, 500) AS n;
"""
COUNTS = "SELECT (SELECT count(*) FROM shelves), (SELECT count(*) FROM books)"
LOADED = "20|500"
KEYS = "SELECT conname, convalidated FROM pg_constraint WHERE contype IN ('p', 'f') AND connamespace = 2200 ORDER BY 1"
SESSIONS = "FROM pg_stat_activity WHERE application_name LIKE 'dbrestore%' AND datname = current_database()"
CONNECTED = f"SELECT count(*) {SESSIONS}"
COPYING = f"{CONNECTED} AND query LIKE 'COPY%' AND state = 'active'"
WORKERS = (
    f"SELECT string_agg(DISTINCT application_name, ',' ORDER BY application_name) {SESSIONS} AND query LIKE 'COPY%'"
)
HOLD = """
    SELECT lo_create(77);
    CREATE FUNCTION hold() RETURNS bool LANGUAGE plpgsql AS $$
        BEGIN WHILE EXISTS (SELECT FROM pg_largeobject_metadata) LOOP PERFORM pg_sleep(0.01); END LOOP; RETURN true; END
    $$;
    ALTER TABLE books ADD CONSTRAINT hold CHECK (hold()) NOT VALID;
"""
"""Let no book in until a large object is gone."""
LET_GO = "SELECT lo_unlink(77)"
WAIT_SECONDS = 120


@pytest.fixture
def export(database: Database, tmp_path: Path) -> Path:
    """An export of ``database``, whose tables are empty by now."""
    database.execute(TABLES)
    simulated = run("simulate", tmp_path, "--export-id", "friday", "--rows-per-part", 100, "--dsn", database.dsn)
    assert simulated.returncode == 0, simulated.stderr
    database.execute("TRUNCATE shelves, books")
    return tmp_path / "friday"


def wait_for(database: Database, query: str, found: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while database.execute(query) != found:
        assert time.monotonic() < deadline, f"not {found}: {query}"
        time.sleep(0.01)


@contextmanager
def restoring(export: Path, database: Database, *options: object) -> Iterator[subprocess.Popen[str]]:
    """A restore in a group of processes of its own, in the middle of two COPYs."""
    database.execute(HOLD)
    command = [COMMAND, "restore", str(export), "--dsn", database.dsn, "--jobs", "2", *map(str, options)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            wait_for(database, COPYING, "2")
            yield process
        finally:
            process.kill()


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    children = psutil.Process(process.pid).children()
    return [child for child in children if re.search("spawn_main|dask worker", " ".join(child.cmdline()))]


def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(export: Path, database: Database) -> None:
    keys = database.execute(KEYS)
    with restoring(export, database, "--workers", 2) as process:
        assert database.execute(WORKERS) == "dbrestore worker 0,dbrestore worker 1"
        workers = workers_of(process)
        assert len(workers) == 2
        workers[0].kill()
        database.execute(LET_GO)
        out, told = process.communicate(timeout=WAIT_SECONDS)
    assert (process.returncode, out) == (0, ""), told
    lines = told.splitlines()
    assert re.fullmatch(r"2 Dask workers with 2 connections; dashboard: http://127\.0\.0\.1:\d+/status", lines[0])
    [gone] = [line for line in lines if "is gone" in line]
    assert re.fullmatch(r"the worker tls://127\.0\.0\.1:\d+ is gone: another one loads its parts", gone)
    assert lines[-3].startswith("restored 2 tables, 520 rows (")
    assert lines[-2].startswith("time: listing ")
    assert lines[-1].startswith("in all jobs together: waiting for storage ")
    assert "Traceback" not in told
    assert (database.execute(COUNTS), database.execute(KEYS)) == (LOADED, keys)


def test_ctrl_c_ends_the_workers_and_what_they_load(export: Path, database: Database) -> None:
    with restoring(export, database, "--workers", 2) as process:
        workers = workers_of(process)
        os.killpg(process.pid, signal.SIGINT)
        wait_for(database, COPYING, "0")
        out, told = process.communicate(timeout=WAIT_SECONDS)
    assert (process.returncode, out) == (130, "")
    assert told.splitlines()[-1] == "error: interrupted: what was being loaded is rolled back"
    assert "Traceback" not in told
    assert not any(worker.is_running() for worker in workers)
    wait_for(database, CONNECTED, "0")
    assert database.execute(COUNTS).endswith("|0")


def test_what_a_killed_coordinator_leaves_is_ended_by_the_workers_and_gone_on_with(
    export: Path, database: Database
) -> None:
    keys = database.execute(KEYS)
    with DaskCluster() as cluster:
        with restoring(export, database, "--dask", cluster.address) as process:
            process.kill()
        wait_for(database, COPYING, "0")
        assert [worker.poll() for worker in cluster.processes] == [None, None]
        assert "not running" in run("status", "--dsn", database.dsn).stdout
        database.execute(LET_GO)
        options = ["--dask", cluster.address, "--jobs", 2, "--resume"]
        resumed = run("restore", export, "--dsn", database.dsn, *options)
    assert resumed.returncode == 0, resumed.stderr
    assert (database.execute(COUNTS), database.execute(KEYS)) == (LOADED, keys)


def test_a_password_of_the_dsn_reaches_local_workers_and_no_others(
    export: Path, database: Database, tmp_path: Path
) -> None:
    role = demand_password(database, SECRET)
    database.execute(
        f"""
        GRANT CREATE ON DATABASE "{role}" TO "{role}"; GRANT ALL ON SCHEMA public TO "{role}";
        ALTER TABLE shelves OWNER TO "{role}"; ALTER TABLE books OWNER TO "{role}";
        """
    )
    dsn = f"postgresql://{role}:{SECRET}@127.0.0.1:{database.server.port}/{database.name}"
    local = run("restore", export, "--dsn", dsn, "--workers", 1)
    assert local.returncode == 0, local.stderr
    passwords = tmp_path / "passwords"
    with DaskCluster(workers=1, environment={"PGPASSFILE": str(passwords)}) as cluster:
        arguments = ["restore", export, "--dsn", dsn, "--dask", cluster.address, "--resume", "--truncate-all"]
        told = failed(*arguments, exit_code=4)
        assert "password authentication failed" in told
        passwords.touch(mode=0o600)
        passwords.write_text(f"*:*:*:*:{SECRET}\n")
        remote = run(*arguments)
    assert remote.returncode == 0, remote.stderr
    assert SECRET not in local.stderr + told + remote.stderr
    assert database.execute(COUNTS) == LOADED
