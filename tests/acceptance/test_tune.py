from __future__ import annotations

import re

from dbrestore.testing.postgres import PostgresServer
from tests.acceptance.commands import failed, run

SMALL = ("--memory", "512MiB", "--cores", 2)
"""A test's server must not take a quarter of the machine."""


def tune(*options: object) -> str:
    result = run("tune", *SMALL, *options)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_a_server_starts_with_the_arguments_for_a_compose_file() -> None:
    settings = dict(re.findall(r"^  - (\w+)=(.*)$", tune("--format", "compose", "--unsafe"), re.MULTILINE))
    with PostgresServer.start(settings) as server:
        assert server.execute("SHOW wal_level; SHOW max_wal_senders; SHOW fsync").split() == ["minimal", "0", "off"]
        assert server.execute("SELECT count(*) FROM pg_settings WHERE pending_restart") == "0"


def test_a_server_takes_the_statements_and_undo_takes_all_of_them_back() -> None:
    overridden = "SELECT count(*) FROM pg_file_settings WHERE sourcefile LIKE '%postgresql.auto.conf'"
    with PostgresServer.start() as server:
        server.execute(tune("--format", "sql"))
        assert int(server.execute(overridden)) >= 9
        server.execute(tune("--format", "sql", "--undo"))
        assert server.execute(overridden) == "0"


def test_a_size_that_is_none_ends_with_2() -> None:
    assert "--memory lots is not a size" in failed("tune", "--memory", "lots", exit_code=2)
