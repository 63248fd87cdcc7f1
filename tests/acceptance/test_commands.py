from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from dbrestore import __version__
from tests.acceptance.commands import COMMAND, failed, run
from tests.exports import merge
from tests.integration.round_trip import export_database

if TYPE_CHECKING:
    from pathlib import Path

    from dbrestore.testing.databases import Database, MakeDatabase

SECRET = "hunter2"
TABLES = """
    CREATE TABLE shelves (id int PRIMARY KEY, name varchar(20), spot point);
    CREATE TABLE books (id int PRIMARY KEY, shelf int REFERENCES shelves, title text);
"""
ROWS = """
    INSERT INTO shelves SELECT n, 'shelf ' || n, NULL FROM generate_series(1, 20) AS n;
    INSERT INTO books SELECT n, 1 + n % 20, 'title ' || n FROM generate_series(1, 500) AS n;
"""
KEYS = """
    SELECT conname, convalidated FROM pg_constraint
    WHERE contype IN ('p', 'f') AND connamespace = 'public'::regnamespace ORDER BY 1
"""
COUNTS = "SELECT (SELECT count(*) FROM shelves), (SELECT count(*) FROM books)"
LOADED = "20|500"
EMPTY = "0|0"
COPYING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'dbrestore' AND datname = current_database() AND query LIKE 'COPY%' AND state = 'active'
"""
CONNECTED = COPYING.partition(" AND query")[0]
WAIT_FOR_SCHEMA_GO = (
    "WHILE NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'go') LOOP PERFORM pg_sleep(0.01); END LOOP;"
)


def add_check(database: Database, body: str) -> None:
    """A constraint of ``books`` that does something for each row of which it knows the ``id``."""
    database.execute(
        f"""
        CREATE FUNCTION checked(id int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN {body} RETURN true; END $$;
        ALTER TABLE books ADD CONSTRAINT checked CHECK (checked(id));
        """
    )


@pytest.fixture
async def export(database: Database, tmp_path: Path) -> Path:
    """An export of ``database``, whose tables are empty by now."""
    database.execute(TABLES + ROWS)
    exported = await export_database(database, tmp_path, rows_per_part=100)
    database.execute("TRUNCATE shelves, books")
    return exported


def test_a_restore_says_on_stderr_what_it_did(export: Path, database: Database) -> None:
    result = run("restore", export, "--dsn", database.dsn)
    assert (result.returncode, result.stdout) == (0, "")
    assert "restored 2 tables, 520 rows" in result.stderr
    assert database.execute(COUNTS) == LOADED


def test_a_restore_needs_no_option_where_libpq_needs_none(export: Path, database: Database) -> None:
    port = database.server.port
    environment = {"PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "postgres", "PGDATABASE": database.name}
    result = run("restore", export, environment=environment)
    assert result.returncode == 0, result.stderr
    assert database.execute(COUNTS) == LOADED


def test_options_have_twins_in_the_environment(export: Path, database: Database) -> None:
    environment = {"DBRESTORE_DSN": database.dsn, "DBRESTORE_JOBS": 1, "DBRESTORE_VERBOSE": 1}
    result = run("restore", export, environment=environment)
    assert result.returncode == 0, result.stderr
    assert "public.books: 100 rows of " in result.stderr
    assert database.execute(COUNTS) == LOADED


def test_a_plan_changes_nothing_and_shows_everything(export: Path, database: Database) -> None:
    database.execute(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    result = run("plan", export, "--dsn", database.dsn)
    assert (result.returncode, result.stderr) == (0, "")
    assert [line.split()[:4] for line in result.stdout.splitlines()[3:6]] == [
        ["LEVEL", "TABLE", "PARTS", "ROWS"],
        ["0", "public.books", "5", "500"],
        ["0", "public.shelves", "1", "20"],
    ]
    assert "taken down for the load, and put back after it: foreign key: 1, primary key: 2\n" in result.stdout
    assert "public.shelves.spot: no binary encoder from string to point" in result.stdout
    assert database.execute(COUNTS) == EMPTY


def test_a_plan_with_problems_is_shown_and_fails_as_the_restore_would(export: Path, database: Database) -> None:
    database.execute("CREATE TABLE new (id int); INSERT INTO shelves VALUES (1)")
    result = run("plan", export, "--json", "--dsn", database.dsn)
    assert result.returncode == 4
    plan = json.loads(result.stdout)
    assert [table["name"] for table in plan["tables"]] == ["books", "shelves"]
    assert [deferred["identity"] for deferred in plan["deferred"]] == [
        "foreign key books_shelf_fkey of public.books",
        "primary key books_pkey of public.books",
        "primary key shelves_pkey of public.shelves",
    ]
    messages = [problem["message"] for problem in plan["problems"]]
    assert messages == [
        "in the target but not in the export: public.new",
        "already with rows in the target: public.shelves",
    ]
    assert [line for line in result.stderr.splitlines() if line.startswith("error: ")] == [
        f"error: {message}" for message in messages
    ]
    assert failed("restore", export, "--dsn", database.dsn, exit_code=4) == result.stderr


def test_a_list_needs_no_database(export: Path, database: Database) -> None:
    result = run("list", export)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1].split()[:3] == [database.name, "2", "6"]
    result = run("list", export, "--tables")
    assert [line.split()[:3] for line in result.stdout.splitlines()[-2:]] == [
        [database.name, "public.books", "5"],
        [database.name, "public.shelves", "1"],
    ]


def test_choices_are_told_by_options_and_by_the_environment(export: Path, database: Database) -> None:
    database.execute("INSERT INTO shelves VALUES (99); CREATE TABLE new (id int); ALTER TABLE books DROP title")
    environment = {"DBRESTORE_IGNORE_EXTRA_COLUMNS": "books.title", "DBRESTORE_IGNORE_MISSING_TABLES": "n*,x"}
    result = run("restore", export, "--dsn", database.dsn, "--truncate-all", environment=environment)
    assert result.returncode == 0, result.stderr
    assert database.execute(COUNTS) == LOADED


def test_choices_that_contradict_each_other_end_with_2(export: Path) -> None:
    told = failed("restore", export, "--truncate-all", "--skip-not-empty", exit_code=2)
    assert "if_not_empty, truncate_all and skip_not_empty contradict each other" in told


def test_a_pattern_that_matches_nothing_ends_with_2(export: Path, database: Database) -> None:
    told = failed("restore", export, "--dsn", database.dsn, "--exclude-tables", "boks,books", exit_code=2)
    assert told == "error: --exclude-tables boks matches nothing\nhint: --no-strict lets that pass.\n"
    options = ["--exclude-tables", "boks", "--exclude-tables", "books", "--no-strict"]
    assert run("restore", export, "--dsn", database.dsn, *options).returncode == 0
    assert database.execute(COUNTS) == "20|0"


@pytest.fixture
def whole_server(export: Path, make_database: MakeDatabase, tmp_path: Path) -> tuple[Path, Database]:
    """An export of two databases, and the second one, whose table is empty by now."""
    second = make_database()
    second.execute("CREATE TABLE notes (id int); INSERT INTO notes VALUES (1), (2)")
    run("simulate", tmp_path, "--export-id", "second", "--dsn", second.dsn)
    merge(export, tmp_path / "second")
    second.execute("TRUNCATE notes")
    return export, second


def test_all_databases_of_an_export_are_restored_one_after_the_other(
    whole_server: tuple[Path, Database], database: Database
) -> None:
    export, second = whole_server
    template = database.dsn.replace(database.name, "{database}")
    result = run("restore", export, "--dsn", template, "--all-databases")
    assert result.returncode == 0, result.stderr
    assert [line.split()[1:5] for line in result.stderr.splitlines() if line.startswith("restored")] == [
        ["2", "tables,", "520", "rows"],
        ["1", "tables,", "2", "rows"],
    ]
    assert database.execute(COUNTS) == LOADED
    assert second.execute("SELECT count(*) FROM notes") == "2"


def test_a_restore_of_several_databases_goes_on_with_the_one_that_failed(
    whole_server: tuple[Path, Database], database: Database
) -> None:
    export, second = whole_server
    first, last = sorted((database, second), key=lambda each: each.name)
    table = "books" if last is database else "notes"
    last.execute(f"ALTER TABLE {table} ADD CONSTRAINT in_the_way CHECK (false)")
    arguments = ["restore", export, "--dsn", database.dsn.replace(database.name, "{database}"), "--all-databases"]
    failed(*arguments, exit_code=5)
    assert "done, not running" in run("status", "--dsn", first.dsn).stdout
    last.execute(f"ALTER TABLE {table} DROP CONSTRAINT in_the_way")
    result = run(*arguments, "--resume")
    assert result.returncode == 0, result.stderr
    assert (database.execute(COUNTS), second.execute("SELECT count(*) FROM notes")) == (LOADED, "2")
    for each in (first, last):
        assert each.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'dbrestore'") == "0"


def test_no_database_is_changed_while_another_one_has_problems(
    whole_server: tuple[Path, Database], database: Database
) -> None:
    export, second = whole_server
    second.execute("CREATE TABLE more (id int)")
    template = database.dsn.replace(database.name, "{database}")
    options = ["--dsn", template, "--source-db", database.name, "--source-db", second.name]
    told = failed("restore", export, *options, exit_code=4)
    assert told.startswith(f"error: {second.name}: in the target but not in the export: public.more\n")
    assert database.execute(COUNTS) == EMPTY
    result = run("plan", export, *options, "--json")
    assert result.returncode == 4
    assert [plan["source_database"] for plan in json.loads(result.stdout)] == [database.name, second.name]


def test_a_database_that_is_not_there_is_named(whole_server: tuple[Path, Database], database: Database) -> None:
    export, _ = whole_server
    template = database.dsn.replace(database.name, "no_{database}")
    told = failed("restore", export, "--dsn", template, "--all-databases", exit_code=4)
    assert f"error: {database.name}: connecting to the target" in told
    assert f'database "no_{database.name}" does not exist' in told


def test_several_databases_are_not_mixed_in_one(whole_server: tuple[Path, Database], database: Database) -> None:
    export, _ = whole_server
    told = failed("restore", export, "--dsn", database.dsn, "--all-databases", exit_code=2)
    assert "2 databases of the export would go into one database" in told
    assert "--source-db" in failed("restore", export, "--dsn", database.dsn, exit_code=3)


def test_wrong_usage_ends_with_2(export: Path) -> None:
    assert failed("restore", export, exit_code=2, DBRESTORE_JOBS=0).startswith(
        "error: DBRESTORE_JOBS: Input should be greater than or equal to 1\n"
    )


def test_an_export_that_is_not_there_ends_with_3(database: Database, tmp_path: Path) -> None:
    told = failed("restore", tmp_path / "none", "--dsn", database.dsn, exit_code=3)
    assert told.startswith(f"error: {tmp_path / 'none'} does not exist")


def test_a_simulation_says_what_it_wrote_and_what_it_left_out(database: Database, tmp_path: Path) -> None:
    database.execute(TABLES + ROWS + "CREATE UNLOGGED TABLE scratch (id int)")
    simulated = run("simulate", tmp_path, "--export-id", "friday", "--dsn", database.dsn)
    assert (simulated.returncode, simulated.stdout) == (0, "")
    said = simulated.stderr
    assert "warning: public.scratch is left out: " in said
    assert f"wrote 2 tables, 520 rows of {database.name} to {tmp_path / 'friday'}" in said


def test_a_target_that_is_not_there_ends_with_4_and_shows_no_password(export: Path) -> None:
    told = failed("restore", export, "--dsn", f"postgresql://me:{SECRET}@127.0.0.1:1/shop", exit_code=4)
    assert told.startswith("error: connecting to the target at 127.0.0.1:1: ")
    assert SECRET not in told


def test_a_dsn_that_cannot_be_read_ends_with_2_and_shows_no_password(export: Path) -> None:
    told = failed("restore", export, exit_code=2, DBRESTORE_DSN=f"postgresql://me:a#{SECRET}@127.0.0.1/shop")
    assert told.startswith("error: the DSN cannot be read\nhint: ")
    assert SECRET not in told


def test_a_value_that_does_not_fit_ends_with_5(export: Path, database: Database) -> None:
    database.execute("ALTER TABLE shelves ALTER name TYPE varchar(7)")
    told = failed("restore", export, "--dsn", database.dsn, exit_code=5)
    assert re.search(
        r"^error: public\.shelves, \S+\.parquet, row 10, column name: 'shelf 10' is longer than 7 characters",
        told,
        re.MULTILINE,
    )
    assert database.execute(COUNTS).startswith("0|")
    assert "`dbrestore abort` puts back what it took down, and keeps the rows." in told


def test_a_target_that_differs_in_the_end_ends_with_6(export: Path, database: Database) -> None:
    add_check(database, "INSERT INTO public.shelves VALUES (id + 100);")
    told = failed("restore", export, "--dsn", database.dsn, exit_code=6)
    assert "error: public.shelves has 520 rows, its parts in the export have 20" in told


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_restore_soon_and_leaves_nothing_half_done(
    export: Path, database: Database, number: int, exit_code: int
) -> None:
    add_check(database, "PERFORM pg_sleep(0.05);")
    command = [COMMAND, "restore", str(export), "--dsn", database.dsn, "--jobs", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while database.execute(COPYING) != "2":
            assert process.poll() is None
        process.send_signal(number)
        out, told = process.communicate(timeout=5)
    assert (process.returncode, out) == (exit_code, "")
    assert told.splitlines()[-1] == "error: interrupted: what was being loaded is rolled back"
    assert "`dbrestore abort` puts back" in told
    assert "Traceback" not in told
    deadline = time.monotonic() + 5
    while database.execute(CONNECTED) != "0":
        assert time.monotonic() < deadline
    assert database.execute(COUNTS).endswith("|0")


def test_what_an_interrupted_restore_took_down_is_in_the_way_of_a_new_one_until_it_is_aborted(
    export: Path, database: Database
) -> None:
    database.execute("ALTER TABLE books ALTER title TYPE varchar(7)")
    keys = database.execute(KEYS)
    failed("restore", export, "--dsn", database.dsn, exit_code=5)
    down = 3 - len(database.execute(KEYS).splitlines())
    assert down >= 2
    told = failed("restore", export, "--dsn", database.dsn, exit_code=4)
    assert re.search(rf"error: the restore of friday that began .* is unfinished, {down} keys, indexes or tr", told)
    assert "hint: --resume goes on with it; --restart empties what it loaded and begins anew; `dbrestore abort`" in told
    result = run("abort", "--dsn", database.dsn)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    assert re.fullmatch(rf"put back {down} keys, indexes and triggers in \S+ s\n", result.stderr)
    assert database.execute(KEYS) == keys
    database.execute("TRUNCATE shelves, books; ALTER TABLE books ALTER title TYPE text")
    assert run("restore", export, "--dsn", database.dsn).returncode == 0
    assert (database.execute(COUNTS), database.execute(KEYS)) == (LOADED, keys)


def test_a_killed_restore_is_told_of_by_status_and_gone_on_with(export: Path, database: Database) -> None:
    keys = database.execute(KEYS)
    add_check(database, WAIT_FOR_SCHEMA_GO)
    command = [COMMAND, "restore", str(export), "--dsn", database.dsn, "--jobs", "2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while database.execute(COPYING) != "2":
            assert process.poll() is None
        alive = json.loads(run("status", "--dsn", database.dsn, "--json").stdout)
        process.kill()
    database.execute("CREATE SCHEMA go")
    while database.execute(CONNECTED) != "0":
        time.sleep(0.01)
    assert (alive["is_unfinished"], alive["is_running"], alive["phase"], alive["parts"]) == (True, True, "loading", 6)
    told = run("status", "--dsn", database.dsn)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith(f"friday ({database.name}), since ")
    assert "loading, not running: its process died, or was stopped" in told.stdout
    assert re.search(r"^parts   [0-5] of 6$", told.stdout, re.MULTILINE)
    assert "down    foreign key books_shelf_fkey of public.books\n" in told.stdout
    assert "--resume" in failed("restore", export, "--dsn", database.dsn, exit_code=4)
    database.execute("ALTER TABLE books DROP CONSTRAINT checked")
    resumed = run("restore", export, "--dsn", database.dsn, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert (database.execute(COUNTS), database.execute(KEYS)) == (LOADED, keys)
    assert run("status", "--dsn", database.dsn).stdout == "no restore is unfinished\n"
    assert json.loads(run("status", "--dsn", database.dsn, "--json").stdout) == {"is_unfinished": False}


def test_to_resume_and_to_restart_contradict_each_other(export: Path, database: Database) -> None:
    told = failed("restore", export, "--dsn", database.dsn, "--resume", "--restart", exit_code=2)
    assert "resume and restart contradict each other" in told


def test_there_is_nothing_to_abort_where_no_restore_is_unfinished(database: Database) -> None:
    result = run("abort", "--dsn", database.dsn)
    assert (result.returncode, result.stderr) == (0, "no restore is unfinished: there is nothing to put back\n")


def test_a_second_run_is_refused_while_the_first_one_lives(export: Path, database: Database) -> None:
    add_check(database, "PERFORM pg_sleep(1);")
    command = [COMMAND, "restore", str(export), "--dsn", database.dsn]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        while database.execute(COPYING) == "0":
            assert first.poll() is None
        for second in (["restore", export], ["abort"]):
            told = failed(*second, "--dsn", database.dsn, exit_code=7)
            assert told.startswith(
                "error: another run of dbrestore is working on this database\nhint: `dbrestore status`"
            )
        first.send_signal(signal.SIGINT)


def test_rows_that_break_a_key_end_with_5_and_the_rest_is_put_back(export: Path, database: Database) -> None:
    keys = database.execute(KEYS)
    for part in (export / database.name / "public.shelves").rglob("*.parquet"):
        table = pq.ParquetFile(part).read()
        pq.write_table(table.filter(pc.greater(table["id"], 3)), part)
    told = failed("restore", export, "--dsn", database.dsn, exit_code=5)
    assert "rows without a match: 75, with the keys (1), (2), (3); it is back, but NOT VALID" in told
    assert database.execute(COUNTS) == "17|500"
    assert database.execute(KEYS) == keys.replace("books_shelf_fkey|t", "books_shelf_fkey|f")
    assert database.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'dbrestore'") == "0"


def test_a_reader_who_goes_away_is_no_reason_for_a_traceback(export: Path) -> None:
    command = [COMMAND, "list", str(export), "--tables"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


def test_the_version_is_told_by_command_and_by_module() -> None:
    for command in ([COMMAND], [sys.executable, "-m", "dbrestore"]):
        result = run("--version", command=command)
        assert (result.returncode, result.stdout) == (0, f"dbrestore {__version__}\n")


def test_the_help_tells_the_exit_codes_and_the_environment() -> None:
    told = " ".join(run("--help").stdout.split())
    assert "Exit codes: 0 done" in told
    told = " ".join(run("restore", "--help").stdout.split())
    for flag in ("dsn", "db-host", "db-port", "db-user", "db-name", "source-db", "jobs", "verbose"):
        assert f"--{flag}" in told
        assert f"[env: DBRESTORE_{flag.upper().replace('-', '_')}]" in told
