from __future__ import annotations

import os
import shutil
import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from dbrestore.errors import ConnectError
from dbrestore.export.local import LocalStorage
from dbrestore.progress import Progress
from dbrestore.restore import make_plans, restore
from dbrestore.running import RestoreOptions
from dbrestore.target.connect import SESSION_SETTINGS, ConnectionSettings, open_pool
from dbrestore.target.pooler import HINT
from dbrestore.testing.unprivileged import unprivileged_account
from tests.integration.front import Front
from tests.integration.round_trip import export_database, fetch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbrestore.testing.databases import Database, MakeDatabase

PGBOUNCER = os.environ.get("DBRESTORE_TEST_PGBOUNCER") or shutil.which("pgbouncer")
"""Poolers of our own are there everywhere."""

ITEMS = "CREATE TABLE items (id int PRIMARY KEY, name text); INSERT INTO items SELECT n, n FROM generate_series(1, 9) n"


@contextmanager
def pgbouncer(database: Database, mode: str, **more: str) -> Iterator[int]:
    """The port of a PgBouncer before ``database``."""
    if PGBOUNCER is None:
        pytest.skip("no pgbouncer on this machine: install it, or name it with DBRESTORE_TEST_PGBOUNCER")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    account = unprivileged_account()
    folder = Path(tempfile.mkdtemp(prefix="dbrestore-pgbouncer-"))
    settings = {
        "listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "", "auth_type": "any",
        "pool_mode": mode, "default_pool_size": 5, **more,
    }  # fmt: skip
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    target = f"host=127.0.0.1 port={database.server.port} user=postgres dbname={database.name}"
    (folder / "pgbouncer.ini").write_text(f"[databases]\n{database.name} = {target}\n[pgbouncer]\n{lines}")
    account.give(folder)
    with (folder / "log").open("wb") as log:
        process = account.spawn([PGBOUNCER, str(folder / "pgbouncer.ini")], folder=folder, output=log)
    try:
        while "process up" not in (folder / "log").read_text():
            assert process.poll() is None, (folder / "log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def through(port: int, database: Database) -> ConnectionSettings:
    return ConnectionSettings(SecretStr(f"postgresql://postgres@127.0.0.1:{port}/{database.name}"))


async def refusal(settings: ConnectionSettings) -> ConnectError:
    with pytest.raises(ConnectError) as caught:
        async with open_pool(settings, 2):
            pass
    return caught.value


async def test_a_pooler_that_keeps_no_session_is_refused_before_anything_is_changed(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    source, target = make_database(), make_database()
    source.execute(ITEMS)
    target.execute("CREATE TABLE items (id int PRIMARY KEY, name text)")
    folder = await export_database(source, tmp_path)
    async with Front(target.server, keeps_process=False).running() as front:
        for doing in (
            restore(LocalStorage(folder), through(front.port, target), RestoreOptions(), Progress()),
            make_plans(LocalStorage(folder), through(front.port, target), RestoreOptions()),
        ):
            with pytest.raises(ConnectError) as caught:
                await doing
            assert "a pooler between here and the target" in caught.value.message
            assert caught.value.hint == HINT
    assert await fetch(target, "SELECT count(*) FROM items") == [(0,)]
    assert await fetch(target, "SELECT count(*) FROM pg_namespace WHERE nspname = 'dbrestore'") == [(0,)]


async def test_a_pooler_that_keeps_sessions_is_as_good_as_none(make_database: MakeDatabase, tmp_path: Path) -> None:
    source, target = make_database(), make_database()
    source.execute(ITEMS)
    target.execute("CREATE TABLE items (id int PRIMARY KEY, name text)")
    folder = await export_database(source, tmp_path)
    async with Front(target.server, keeps_process=True).running() as front:
        await restore(LocalStorage(folder), through(front.port, target), RestoreOptions(), Progress())
    assert await fetch(target, "SELECT count(*) FROM items") == [(9,)]


async def test_pgbouncer_with_session_pooling_restores(make_database: MakeDatabase, tmp_path: Path) -> None:
    source, target = make_database(), make_database()
    source.execute(ITEMS)
    target.execute("CREATE TABLE items (id int PRIMARY KEY, name text)")
    folder = await export_database(source, tmp_path)
    with pgbouncer(target, "session") as port:
        await restore(LocalStorage(folder), through(port, target), RestoreOptions(jobs=2), Progress())
        async with open_pool(through(port, target), 1) as pool:
            shown = {name: await pool.fetchval(f"SHOW {name}") for name in SESSION_SETTINGS}
    assert await fetch(target, "SELECT count(*) FROM items") == [(9,)]
    assert (shown["row_security"], shown["intervalstyle"], shown["synchronous_commit"]) == ("off", "postgres", "off")


@pytest.mark.parametrize("more", [{}, {"server_round_robin": "1"}])
async def test_pgbouncer_with_transaction_pooling_is_refused(database: Database, more: dict[str, str]) -> None:
    with pgbouncer(database, "transaction", **more) as port:
        error = await refusal(through(port, database))
        assert "a pooler between here and the target" in error.message
        assert error.hint == HINT


@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_pgbouncer_with_one_connection_to_give_is_refused(
    database: Database, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbrestore.target.pooler.PROBE_SECONDS", 2)
    with pgbouncer(database, mode, default_pool_size="1") as port:
        error = await refusal(through(port, database))
        assert error.message.endswith("has no second connection to give")
        assert error.hint == HINT


async def test_pgbouncer_with_statement_pooling_is_refused(database: Database) -> None:
    with pgbouncer(database, "statement") as port:
        error = await refusal(through(port, database))
        assert "statement pooling" in error.message
        assert error.hint == HINT


async def test_a_pooler_that_is_refused_has_no_lock_left(database: Database) -> None:
    async with Front(database.server, keeps_process=False).running() as front:
        await refusal(through(front.port, database))
    async with database.connect() as connection:
        assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
