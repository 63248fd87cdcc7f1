from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from dbrestore.testing.databases import Database
from tests.acceptance.commands import COMMAND, failed, run
from tests.integration.round_trip import export_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dbrestore.testing.databases import MakeDatabase

TABLES = """
    CREATE FUNCTION slow(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN id; END $$;
    CREATE TABLE books (id int PRIMARY KEY, title text);
    CREATE INDEX by_slow ON books (slow(id));
    CREATE INDEX by_title ON books (title);
    INSERT INTO books SELECT n, 'title ' || n FROM generate_series(1, 2000) AS n;
"""
SLOW = "CREATE OR REPLACE FUNCTION slow(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
MAKING = """
    SELECT count(*) FROM pg_stat_activity
     WHERE application_name = 'dbrestore pg_restore' AND datname = current_database() AND query LIKE '%by_slow%'
"""
STATE = "SELECT (SELECT count(*) FROM books), (SELECT count(*) FROM pg_indexes WHERE schemaname = 'public')"


@pytest.fixture
def source(make_database: MakeDatabase) -> Database:
    database = make_database()
    database.execute(TABLES)
    return database


@pytest.fixture
async def export(source: Database, tmp_path: Path) -> Path:
    return await export_database(source, tmp_path)


def dump(source: Database, path: Path, form: str = "custom") -> Path:
    command = [str(source.server.tool("pg_dump")), "--schema-only", f"--format={form}", f"--file={path}", source.dsn]
    subprocess.run(command, check=True)
    return path


@pytest.fixture
def made(source: Database) -> Iterator[Database]:
    """A database that is not there yet."""
    database = Database(source.server, f"{source.name}_made")
    yield database
    for name in source.server.execute(f"SELECT datname FROM pg_database WHERE datname LIKE '{database.name}%'").split():
        Database(source.server, name).drop()


def options(target: Database, schema: Path | None = None) -> list[object]:
    given: list[object] = ["--dsn", target.dsn, "--pg-bindir", target.server.bin_dir]
    return [*given, "--schema", schema] if schema else given


def wait_for_the_index(target: Database) -> None:
    while target.execute(MAKING) == "0":
        time.sleep(0.05)


def test_a_dump_of_sql_is_refused_with_the_command_that_makes_an_archive(
    export: Path, source: Database, database: Database, tmp_path: Path
) -> None:
    told = failed("restore", export, *options(database, dump(source, tmp_path / "schema.sql", "plain")), exit_code=2)
    assert "schema.sql is not in pg_dump's custom or directory format" in told
    assert "pg_dump --schema-only --format=custom" in told


def test_a_database_is_made_with_its_schema_and_its_rows(
    export: Path, source: Database, made: Database, tmp_path: Path
) -> None:
    schema = dump(source, tmp_path / "schema.dump")
    result = run("restore", export, *options(made, schema), "--create", "--verify", "deep")
    assert result.returncode == 0, result.stderr
    assert made.execute(STATE) == "2000|3"


def test_programs_are_found_on_the_path(export: Path, source: Database, database: Database, tmp_path: Path) -> None:
    schema = dump(source, tmp_path / "schema.dump")
    environment = {"PATH": f"{database.server.tool('pg_restore').parent}{os.pathsep}{os.environ['PATH']}"}
    result = run("restore", export, "--dsn", database.dsn, "--schema", schema, environment=environment)
    assert result.returncode == 0, result.stderr
    told = failed("restore", export, "--dsn", database.dsn, "--schema", schema, exit_code=2, PATH="/nowhere")
    assert "there is no pg_restore on the PATH" in told


def test_the_new_database_takes_the_place_of_the_old_one(export: Path, made: Database) -> None:
    made.server.execute(f"CREATE DATABASE {made.name}")
    made.execute("CREATE TABLE books (id int, title text); INSERT INTO books VALUES (1, 'old')")
    result = run("restore", export, *options(made), "--swap")
    assert result.returncode == 0, result.stderr
    assert made.execute("SELECT count(*) FROM books") == "2000"
    result = run("restore", export, *options(made), "--swap", "--drop-old")
    assert result.returncode == 0, result.stderr
    names = made.server.execute(f"SELECT datname FROM pg_database WHERE datname LIKE '{made.name}%' ORDER BY 1")
    assert len(names.split()) == 2  # the one that the first restore has kept


def test_dropping_the_old_database_without_a_new_one_makes_no_sense(export: Path, database: Database) -> None:
    assert "drop_old" in failed("restore", export, *options(database), "--drop-old", exit_code=2)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_restore_that_is_ended_while_indexes_are_made_goes_on(
    number: signal.Signals, export: Path, source: Database, database: Database, tmp_path: Path
) -> None:
    source.execute(f"{SLOW} $$ BEGIN PERFORM pg_sleep(10); RETURN id; END $$")
    schema = dump(source, tmp_path / "schema.dump")
    arguments = ["restore", str(export), *map(str, options(database, schema))]
    with subprocess.Popen([COMMAND, *arguments], stderr=subprocess.DEVNULL) as process:
        wait_for_the_index(database)
        process.send_signal(number)
        assert process.wait() == (143 if number is signal.SIGTERM else -number)
    database.execute(f"{SLOW} $$ BEGIN RETURN id; END $$")
    assert "is unfinished" in failed(*arguments, exit_code=4)
    result = run(*arguments, "--resume")
    assert result.returncode == 0, result.stderr
    assert database.execute(STATE) == "2000|3"
    assert database.execute(MAKING) == "0"
