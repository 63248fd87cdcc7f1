"""A throw-away PostgreSQL server for the demo, the tests and the benchmarks."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from dbrestore.testing.binaries import find_binaries, find_tool
from dbrestore.testing.errors import EmbeddedServerError
from dbrestore.testing.unprivileged import server_environment, unprivileged_account

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

FOLDER_VARIABLE = "DBRESTORE_TEST_PG_FOLDER"
"""Names the folder that servers keep their temporary folders in, instead of the system's."""
HOST = "127.0.0.1"
SUPERUSER = "postgres"
THROW_AWAY_SETTINGS: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "timezone": "UTC",
}
"""Settings of a server whose data nobody will miss."""

START_SECONDS = 60
STOP_SECONDS = 10
POLL_SECONDS = 0.02
PORT_ATTEMPTS = 5
SOCKET_PATH_BYTES = 103
"""The longest path of a Unix socket on macOS; Linux takes 107."""

# Waits until its standard input ends: the owner is done, or was killed and could not clean up itself.
_GUARD = """
read -r _
if read -r pid < "$1/data/postmaster.pid"; then
    kill -QUIT "$pid"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -e "$1/data/postmaster.pid" ] || break
        sleep 0.2
    done
    kill -KILL "$pid"
fi
rm -rf "$1"
"""


class PostgresServer:
    """A running server with an empty cluster: UTF8, C locale, superuser ``postgres``, no password.

    It listens on 127.0.0.1 and on a Unix socket, and keeps all it has in one temporary folder. It ends with
    ``stop()``, with the ``with`` block, with the interpreter, and also when the process that made it is
    killed. Root may start one: the server then runs as somebody else.
    """

    def __init__(self, bin_dir: Path, settings: Mapping[str, str]) -> None:
        """Nothing runs yet: see ``start``."""
        self.bin_dir = bin_dir
        self.port = 0
        self.socket_dir = _make_folder()
        self._data = self.socket_dir / "data"
        self._log = self.socket_dir / "server.log"
        self._settings = settings
        self._account = unprivileged_account()
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = _spawn_guard(self.socket_dir)
        atexit.register(self.stop)

    @classmethod
    def start(cls, settings: Mapping[str, str] | None = None, bin_dir: Path | None = None) -> Self:
        """Make a cluster and start it on a free port.

        ``settings`` are server settings by name, on top of ``THROW_AWAY_SETTINGS``; ``bin_dir`` holds the
        programs (default: ``find_binaries()``).

        Raises ``EmbeddedServerError`` with the end of the server's log when it does not start.
        """
        server = cls(bin_dir or find_binaries(), {**THROW_AWAY_SETTINGS, **(settings or {})})
        try:
            server._make_cluster()
            server._launch()
        except BaseException:
            server.stop()
            raise
        return server

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server without a checkpoint and remove all it had. May be called again."""
        atexit.unregister(self.stop)
        if self._process is not None:
            _end(self._process)
        shutil.rmtree(self.socket_dir, ignore_errors=True)
        self._guard.communicate()

    def crash(self) -> None:
        """End the server at once, as `pg_ctl stop -m immediate` does: what is not in its log on disk is lost."""
        _end(self._running)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def start_again(self) -> None:
        """Start the server, which recovers, with its settings and on its port. Raises EmbeddedServerError."""
        self._spawn(self._server_command())
        if not self._becomes_ready():
            raise EmbeddedServerError(f"the server in {self.bin_dir} did not start again:\n{self.log_tail()}")

    def give(self, folder: Path) -> None:
        """Make ``folder`` belong to the account that the server runs as."""
        self._account.give(folder)

    def dsn(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """The connection URI of a database on this server."""
        return f"postgresql://{quote(user, safe='')}@{HOST}:{self.port}/{quote(database, safe='')}"

    def tool(self, name: str) -> Path:
        """A client program such as ``psql``, which may be of another version than the server.

        Raises ``EmbeddedServerError`` when the machine has none.
        """
        return find_tool(name, self.bin_dir)

    def execute(self, sql: str, database: str = "postgres") -> str:
        """Run a script through psql, each statement in its own transaction; the rows come back unaligned.

        Raises ``EmbeddedServerError`` with the server's message at the first statement that fails.
        """
        command = [str(self.tool("psql")), "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.dsn(database)]
        answer = subprocess.run(
            command, input=sql, capture_output=True, encoding="utf-8", env=server_environment(), check=False
        )
        if answer.returncode != 0:
            raise EmbeddedServerError(f"{database}: {answer.stderr.strip()}")
        return answer.stdout.rstrip("\n")

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that the server wrote to its log."""
        if not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    @cached_property
    def major_version(self) -> int:
        """17 for PostgreSQL 17.10."""
        command = [self._program("postgres"), "--version"]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return int(re.findall(r"\d+", answer)[0])

    def _make_cluster(self) -> None:
        self._account.give(self.socket_dir)
        owner = ["-D", str(self._data), "-U", SUPERUSER, "-A", "trust"]
        self._spawn([self._program("initdb"), *owner, "-E", "UTF8", "--no-locale", "--no-sync"])
        if self._running.wait() != 0:
            raise EmbeddedServerError(f"initdb failed in {self.socket_dir}:\n{self.log_tail()}")

    def _launch(self) -> None:
        for _ in range(PORT_ATTEMPTS):
            self.port = _free_port()
            self._spawn(self._server_command())
            if self._becomes_ready():
                return
            if "Address already in use" not in self.log_tail():
                break
        raise EmbeddedServerError(f"the server in {self.bin_dir} did not start:\n{self.log_tail()}")

    def _server_command(self) -> list[str]:
        settings = {"listen_addresses": HOST, "port": str(self.port), **self._settings}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [self._program("postgres"), "-D", str(self._data), "-k", str(self.socket_dir), *options]

    def _becomes_ready(self) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._running.poll() is not None:
                return False
            if self._status() == "ready":
                return True
            time.sleep(POLL_SECONDS)
        return False

    def _status(self) -> str:
        """The eighth line of postmaster.pid, as pg_ctl reads it (PostgreSQL's utils/pidfile.h)."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return ""
        return lines[7].strip() if len(lines) > 7 else ""

    def _program(self, name: str) -> str:
        return str(self.bin_dir / name)

    def _spawn(self, command: Sequence[str]) -> None:
        with self._log.open("ab") as log:
            self._process = self._account.spawn(command, folder=self.socket_dir, output=log)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process


def _make_folder() -> Path:
    """A private folder whose path leaves room for a socket's name."""
    parent = os.environ.get(FOLDER_VARIABLE) or tempfile.gettempdir()
    longest = Path(parent) / "dbrestore-pg-12345678" / ".s.PGSQL.65535"
    if len(os.fsencode(longest)) > SOCKET_PATH_BYTES:
        parent = "/tmp"
    return Path(tempfile.mkdtemp(prefix="dbrestore-pg-", dir=parent))


def _spawn_guard(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "guard", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGQUIT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
