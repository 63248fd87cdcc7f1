from __future__ import annotations

import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from dbrestore.testing.databases import create_database
from dbrestore.testing.postgres import HOST, PostgresServer
from dbrestore.testing.proxy import Proxy
from tests.acceptance.commands import COMMAND, run
from tests.integration.round_trip import export_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dbrestore.testing.databases import Database

TABLE = "CREATE TABLE items (id int PRIMARY KEY);"
SLOWLY = """
    CREATE FUNCTION slowly() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.05); RETURN true; END $$;
    ALTER TABLE items ADD CONSTRAINT slow CHECK (slowly()) NOT VALID;
"""
COPYING = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'"
COUNT = "SELECT count(*), sum(id) FROM items"


@pytest.fixture
def target() -> Iterator[Database]:
    """A database whose server may be stopped."""
    with PostgresServer.start() as server:
        yield create_database(server)


@pytest.fixture
async def export(target: Database, tmp_path: Path) -> Path:
    target.execute(f"{TABLE} INSERT INTO items SELECT generate_series(1, 500)")
    exported = await export_database(target, tmp_path, rows_per_part=100)
    target.execute(f"TRUNCATE items; {SLOWLY}")
    return exported


@contextmanager
def copying(export: Path, target: Database, dsn: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A restore that is in the middle of two COPYs."""
    command = [COMMAND, "restore", str(export), "--dsn", dsn, "--jobs", "2", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            while target.execute(COPYING) != "2":
                assert process.poll() is None
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str], number: int) -> str:
    """What is said by a process that a signal has to end within 5 seconds."""
    process.send_signal(number)
    _, told = process.communicate(timeout=5)
    assert process.returncode == 128 + number
    assert "error: interrupted" in told
    assert "Traceback" not in told
    return told


def assert_resumable(export: Path, target: Database) -> None:
    target.execute("ALTER TABLE items DROP CONSTRAINT slow")
    resumed = run("restore", export, "--dsn", target.dsn, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert target.execute(COUNT) == "500|125250"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_restore_soon_that_waits_for_its_server(number: int, export: Path, target: Database) -> None:
    with copying(export, target, target.dsn) as process:
        target.server.crash()
        assert process.stderr is not None
        while "trying again in" not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(1)
        ended(process, number)
    target.server.start_again()
    assert_resumable(export, target)


def test_a_signal_ends_a_restore_soon_whose_network_swallows_all(export: Path, target: Database) -> None:
    port = target.server.port
    with Proxy((HOST, port)) as proxy:
        with copying(export, target, target.dsn.replace(f":{port}/", f":{proxy.port}/")) as process:
            proxy.hold()
            ended(process, signal.SIGINT)
        proxy.release()
    assert_resumable(export, target)


def test_a_server_that_stays_away_longer_than_retry_for_ends_with_4(export: Path, target: Database) -> None:
    with copying(export, target, target.dsn, "--retry-for", "2") as process:
        target.server.crash()
        _, told = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "trying again in" in told
    assert "hint: --resume goes on with it" in told
    target.server.start_again()
    assert_resumable(export, target)


def test_a_restart_of_the_server_is_borne(export: Path, target: Database) -> None:
    with copying(export, target, target.dsn) as process:
        target.server.crash()
        target.server.start_again()
        target.execute("ALTER TABLE items DROP CONSTRAINT slow")
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert target.execute(COUNT) == "500|125250"
    assert target.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'dbrestore'") == "0"
