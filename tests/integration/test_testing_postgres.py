from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dbrestore.testing import postgres
from dbrestore.testing.errors import EmbeddedServerError
from dbrestore.testing.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbrestore.testing.databases import Database, MakeDatabase, MakeTemplate

ASK_WHO_WE_ARE = """
import os
from dbrestore.testing.postgres import PostgresServer
with PostgresServer.start() as server:
    print(os.geteuid(), server.execute("SELECT 1"))
"""
START_AND_WAIT = """
from dbrestore.testing.postgres import PostgresServer
server = PostgresServer.start()
print(server.socket_dir, flush=True)
input()
"""
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def run_python(script: str, *, prefix: Sequence[str] = (), **environment: str) -> subprocess.CompletedProcess[str]:
    command = [*prefix, sys.executable, "-c", script]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


def postmaster_pid(server_folder: Path) -> int:
    return int((server_folder / "data" / "postmaster.pid").read_text().splitlines()[0])


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended but was not waited for yet does not."""
    status = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return status.stdout.strip()[:1] not in {"", "Z"}


def wait_until_gone(folder: Path, pid: int, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while (folder.exists() or is_alive(pid)) and time.monotonic() < deadline:
        time.sleep(0.02)


def test_a_server_answers_and_leaves_neither_process_nor_folder() -> None:
    with PostgresServer.start() as server:
        pid = postmaster_pid(server.socket_dir)
        assert server.execute("SELECT 1") == "1"
        assert (server.socket_dir / f".s.PGSQL.{server.port}").is_socket()
    assert not server.socket_dir.exists()
    assert not is_alive(pid)
    server.stop()


def test_two_servers_run_side_by_side(server: PostgresServer) -> None:
    with PostgresServer.start() as other:
        assert other.port != server.port
        other.execute("CREATE DATABASE only_there")
        count = "SELECT count(*) FROM pg_database WHERE datname = 'only_there'"
        assert (server.execute(count), other.execute(count)) == ("0", "1")


def test_a_cluster_is_utf8_with_the_c_locale(server: PostgresServer) -> None:
    assert server.execute("SHOW server_encoding; SELECT 'Åé' COLLATE \"default\"; SHOW lc_messages") == ("UTF8\nÅé\nC")


def test_the_version_is_the_one_the_server_tells(server: PostgresServer) -> None:
    assert server.execute("SHOW server_version_num").startswith(str(server.major_version))


def test_settings_of_the_caller_win() -> None:
    with PostgresServer.start({"fsync": "on", "work_mem": "7MB"}) as server:
        assert server.execute("SHOW fsync; SHOW work_mem; SHOW full_page_writes") == "on\n7MB\noff"


@pytest.fixture
def server_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where servers keep their data in this test; its name is short enough for a socket, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setenv(postgres.FOLDER_VARIABLE, folder)
        yield Path(folder)


def test_a_server_keeps_its_data_in_the_folder_that_is_named_and_leaves_nothing(server_folder: Path) -> None:
    with PostgresServer.start() as server:
        assert server.socket_dir.parent == server_folder
    assert list(server_folder.iterdir()) == []


def test_a_setting_that_the_server_refuses_is_shown_and_leaves_nothing(server_folder: Path) -> None:
    with pytest.raises(EmbeddedServerError, match='invalid value for parameter "work_mem"'):
        PostgresServer.start({"work_mem": "plenty"})
    assert list(server_folder.iterdir()) == []


def test_a_port_that_is_taken_makes_it_try_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as holder, socket.socket() as spare:
        holder.bind((postgres.HOST, 0))
        holder.listen()
        spare.bind((postgres.HOST, 0))
        ports = iter([holder.getsockname()[1], spare.getsockname()[1]])
        free_port = spare.getsockname()[1]
        spare.close()
        monkeypatch.setattr(postgres, "_free_port", lambda: next(ports))
        with PostgresServer.start() as server:
            assert server.port == free_port


def test_a_temporary_folder_with_a_long_name_still_has_room_for_a_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv(postgres.FOLDER_VARIABLE, str(long))
    with PostgresServer.start() as server:
        assert len(str(server.socket_dir / ".s.PGSQL.65535")) <= postgres.SOCKET_PATH_BYTES
        assert server.execute("SELECT 1") == "1"


def test_a_script_that_fails_says_what_the_server_said(database: Database) -> None:
    with pytest.raises(EmbeddedServerError, match='relation "nowhere" does not exist'):
        database.execute("SELECT 1; SELECT * FROM nowhere")


def test_killing_the_owner_takes_the_server_with_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        folder = Path(owner.stdout.readline().strip())
        pid = postmaster_pid(folder)
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        wait_until_gone(folder, pid)
    assert not folder.exists()
    assert not is_alive(pid)


def test_an_owner_that_just_ends_takes_the_server_with_it() -> None:
    script = START_AND_WAIT.replace("input()", "")
    folder = Path(run_python(script).stdout.strip())
    assert folder.name.startswith("dbrestore-pg-")
    assert not folder.exists()


def in_namespace(uid: int) -> tuple[str, ...]:
    """Words before a command that let it run as ``uid``; skips where the kernel has no user namespaces."""
    prefix = ("unshare", "--user", f"--map-user={uid}", f"--map-group={uid}", "--")
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    return prefix


@ROOT_ONLY
def test_an_ordinary_user_can_start_one() -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    answer = run_python(ASK_WHO_WE_ARE, prefix=in_namespace(nobody))
    assert answer.stdout.split() == [str(nobody), "1"], answer.stderr


@ROOT_ONLY
def test_a_user_without_a_name_can_start_one() -> None:
    nameless = max(entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid < 2**16) - 7
    assert nameless not in {entry.pw_uid for entry in pwd.getpwall()}
    answer = run_python(ASK_WHO_WE_ARE, prefix=in_namespace(nameless))
    assert answer.stdout.split() == [str(nameless), "1"], answer.stderr


@ROOT_ONLY
def test_root_without_user_namespaces_starts_one_as_nobody(server: PostgresServer) -> None:
    answer = run_python(ASK_WHO_WE_ARE, PATH="", TMPDIR="/tmp", DBRESTORE_TEST_PG_BINDIR=str(server.bin_dir))
    if "may not run" in answer.stderr:
        pytest.skip("the server's programs are in a folder of root's own")
    assert answer.stdout.split() == ["0", "1"], answer.stderr


@ROOT_ONLY
def test_programs_that_nobody_can_reach_are_a_clear_error(tmp_path: Path, server: PostgresServer) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (private / "bin").symlink_to(server.bin_dir)
    answer = run_python(ASK_WHO_WE_ARE, PATH="", DBRESTORE_TEST_PG_BINDIR=str(private / "bin"))
    assert "EmbeddedServerError" in answer.stderr
    assert f"may not run {private}/bin/initdb, and PostgreSQL does not run as root" in answer.stderr


async def test_a_fresh_database_is_empty_and_can_be_connected_to(database: Database) -> None:
    async with database.connect() as connection:
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert await connection.fetchval(tables) == 0
        assert await connection.fetchval("SELECT current_database()") == database.name


def test_copies_of_a_template_are_independent(make_database: MakeDatabase, template: MakeTemplate) -> None:
    schema = template("one_table", "CREATE TABLE stock (item text); INSERT INTO stock VALUES ('bolt')")
    first, second = make_database(schema), make_database(schema)
    first.execute("DELETE FROM stock")
    assert (first.execute("TABLE stock"), second.execute("TABLE stock")) == ("", "bolt")
    assert template("one_table", "never run again") == schema
