"""Runs what README and docs tell people to type, on a shop of their kind."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dbrestore.testing.unprivileged import server_environment
from tests.acceptance.commands import COMMAND, run
from tests.documents import shown_commands

if TYPE_CHECKING:
    from dbrestore.testing.databases import Database, MakeDatabase, MakeTemplate
    from dbrestore.testing.postgres import PostgresServer
    from dbrestore.testing.s3 import S3Server

SCHEMA = """
    CREATE SCHEMA staff;
    CREATE TABLE customers (id int PRIMARY KEY, name varchar(40));
    CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, note text);
    CREATE TABLE sessions (id int);
    CREATE TABLE staff.employees (id int PRIMARY KEY, name text);
    CREATE TABLE events (id int, day date) PARTITION BY RANGE (day);
    CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
"""
ROWS = """
    INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(1, 9) AS n;
    INSERT INTO orders SELECT n, 1 + n % 9, 'note' FROM generate_series(1, 99) AS n;
    INSERT INTO sessions VALUES (1);
    INSERT INTO staff.employees VALUES (1, 'Ada');
    INSERT INTO events VALUES (1, '2026-10-06');
"""
ELSEWHERE = re.compile(
    r"…|\{database\}|<|--db-iam-auth|--aws-profile|--aws-anonymous|--aws-requester-pays|--db-ssl|sslmode|--db-host"
)
"""In commands that need what no test machine has: they are only looked at, see tests/unit/test_documents.py."""
PAGES = sorted({shown.page for shown in shown_commands()})


@pytest.fixture(scope="module")
def export(server: PostgresServer, template: MakeTemplate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    made = run("simulate", folder, "--export-id", "friday", "--dsn", server.dsn(template("documented", SCHEMA + ROWS)))
    assert made.returncode == 0, made.stderr
    return folder / "friday"


class Reader:
    """Types what a page shows, with the test's places in place of the page's."""

    def __init__(
        self,
        make_database: MakeDatabase,
        templates: dict[str, str],
        places: dict[str, str],
        folder: Path,
        bin_dir: Path,
    ) -> None:
        self._make_database = make_database
        self._templates = templates
        self._places = places
        self._folder = folder
        path = os.pathsep.join([str(Path(COMMAND).parent), str(bin_dir), os.environ["PATH"]])
        self._environment = server_environment() | {"PATH": path, "HOME": str(folder)}

    def type(self, line: str) -> None:
        for place, stand_in in self._places.items():
            line = line.replace(place, stand_in)
        target = self._target(line)
        is_of_source = "simulate" in line or "SOURCE" in line
        source = self._make_database(self._templates["filled"]) if is_of_source else target
        line = re.sub(r"postgresql://[^\s'\"]*/shop\b", (source if "simulate" in line else target).dsn, line)
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", line], cwd=self._folder, capture_output=True, text=True, check=False,
            env=self._environment | {"SOURCE": source.dsn, "TARGET": target.dsn, "DBRESTORE_DSN": target.dsn},
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"

    def _target(self, line: str) -> Database:
        if re.search(r"dbrestore verify|--if-not-empty", line):
            return self._make_database(self._templates["filled"])
        makes_schema = not line.startswith("dbrestore ") or "--schema " in line
        return self._make_database(None if makes_schema else self._templates["empty"])


@pytest.fixture
def places(s3: S3Server, bucket: str, export: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("DBRESTORE_AWS_ENDPOINT_URL", s3.url)
    s3.put_folder(bucket, "exports/friday", export)
    return {"s3://my-bucket": f"s3://{bucket}", "./my-export": str(export)}


@pytest.fixture
def reader(
    server: PostgresServer,
    make_database: MakeDatabase,
    template: MakeTemplate,
    places: dict[str, str],
    tmp_path: Path,
) -> Reader:
    templates = {"filled": template("documented", SCHEMA + ROWS), "empty": template("undocumented", SCHEMA)}
    return Reader(make_database, templates, places, tmp_path, server.tool("pg_dump").parent)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.timeout(600)
def test_what_a_page_shows_works(page: str, reader: Reader) -> None:
    for shown in shown_commands():
        if shown.page == page and not ELSEWHERE.search(shown.line):
            reader.type(shown.line)


def test_most_of_what_is_shown_is_run() -> None:
    shown = shown_commands()
    assert len([each for each in shown if not ELSEWHERE.search(each.line)]) >= len(shown) / 2
