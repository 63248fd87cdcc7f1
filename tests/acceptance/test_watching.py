"""What people and programs see of a restore, at a terminal of its own where one is needed."""

from __future__ import annotations

import json
import os
import re
import signal
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

from tests.acceptance.commands import COMMAND, run
from tests.integration.round_trip import export_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dbrestore.testing.databases import Database

TABLES = """
    CREATE TABLE shelves (id int PRIMARY KEY, name text);
    CREATE TABLE "red [bold]\x1b[31m" (id int PRIMARY KEY, shelf int REFERENCES shelves, secret text);
"""
ROWS = """
    INSERT INTO shelves SELECT n, 'shelf ' || n FROM generate_series(1, 20) AS n;
    INSERT INTO "red [bold]\x1b[31m" SELECT n, 1 + n % 20, 'private ' || n FROM generate_series(1, 500) AS n;
"""
SLOW = """
    CREATE FUNCTION slow(id int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.1); RETURN true; END $$;
    ALTER TABLE "red [bold]\x1b[31m" ADD CONSTRAINT slow CHECK (slow(id));
"""
SHOWN = r"public.red [bold]\x1b[31m"
SECONDS = 60
PASSWORD = "hunter2"


@pytest.fixture
async def export(database: Database, tmp_path: Path) -> Path:
    """An export of ``database``, whose tables are empty by now."""
    database.execute(TABLES + ROWS)
    exported = await export_database(database, tmp_path, rows_per_part=100)
    database.execute('TRUNCATE shelves, "red [bold]\x1b[31m"')
    return exported


class AtTerminal:
    """A command at a terminal of its own."""

    def __init__(self, *arguments: object, columns: int = 100, lines: int = 24, **environment: Any) -> None:
        base = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS", "LINES"}}
        self.process: pexpect.spawn[str] = pexpect.spawn(
            COMMAND,
            list(map(str, arguments)),
            env=base | {"TERM": "xterm-256color"} | environment,
            dimensions=(lines, columns),
            encoding="utf-8",
            timeout=SECONDS,
        )
        self.seen = ""

    def wait_for(self, text: str) -> None:
        self.process.expect_exact(text)
        self.seen += (self.process.before or "") + text

    def end(self) -> int | None:
        """Wait for the end; the exit code."""
        self.process.expect(pexpect.EOF)
        self.seen += self.process.before or ""
        self.process.close()
        code: int | None = self.process.exitstatus
        return code


def last_of(text: str, *pieces: str) -> str:
    return max(pieces, key=text.rfind)


def assert_is_clean(seen: str) -> None:
    """The cursor can be seen, nothing is in colour, and no name has steered the terminal."""
    assert last_of(seen, "\x1b[?25l", "\x1b[?25h") == "\x1b[?25h"
    assert "red [bold]\x1b[31m" not in seen
    assert seen.rfind("\x1b[0m") >= max(seen.rfind("\x1b[1m"), seen.rfind("\x1b[36m"), seen.rfind("\x1b[1;32m"))


def test_a_restore_at_a_terminal_shows_how_far_it_is_and_what_was_done(export: Path, database: Database) -> None:
    database.execute(SLOW.replace("0.1", "0.01"))
    terminal = AtTerminal("restore", export, "--dsn", database.dsn, "--jobs", 2)
    terminal.wait_for("loaded")
    terminal.wait_for("of 520 rows")
    terminal.wait_for(SHOWN)
    assert terminal.end() == 0
    assert "restored 2 tables, 520 rows" in terminal.seen
    assert_is_clean(terminal.seen)


@pytest.mark.parametrize(("columns", "lines"), [(20, 5), (40, 10), (200, 60)])
def test_a_restore_runs_at_a_terminal_of_any_size(export: Path, database: Database, columns: int, lines: int) -> None:
    terminal = AtTerminal("restore", export, "--dsn", database.dsn, columns=columns, lines=lines)
    assert terminal.end() == 0
    assert_is_clean(terminal.seen)


def test_ctrl_c_leaves_a_clean_terminal_and_says_how_to_go_on(export: Path, database: Database) -> None:
    database.execute(SLOW)
    terminal = AtTerminal("restore", export, "--dsn", database.dsn, "--jobs", 2)
    terminal.wait_for("loaded")
    terminal.wait_for(SHOWN)
    terminal.process.sendintr()
    assert terminal.end() == 130
    assert "stopped while loading" in terminal.seen
    assert "--resume goes on with it" in terminal.seen
    assert "error: interrupted" in terminal.seen
    assert_is_clean(terminal.seen)


def test_a_process_that_is_killed_leaves_a_clean_terminal(export: Path, database: Database) -> None:
    database.execute(SLOW)
    terminal = AtTerminal("restore", export, "--dsn", database.dsn, "--jobs", 2)
    terminal.wait_for("loaded")
    terminal.wait_for(SHOWN)
    terminal.process.kill(signal.SIGKILL)
    terminal.end()
    assert_is_clean(terminal.seen)


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_colours_and_movements_are_left_out_where_they_are_not_wanted(
    export: Path, database: Database, environment: dict[str, str]
) -> None:
    options: dict[str, Any] = dict(environment)
    terminal = AtTerminal("restore", export, "--dsn", database.dsn, **options)
    assert terminal.end() == 0
    assert not re.search(r"\x1b\[3\dm", terminal.seen)
    if "TERM" in environment:
        assert "\x1b" not in terminal.seen


def objects(stderr: str) -> Iterator[dict[str, Any]]:
    return map(json.loads, stderr.splitlines())


def test_logs_can_be_lines_of_json_to_the_last(export: Path, database: Database) -> None:
    result = run("restore", export, "--dsn", database.dsn, "--json-logs", "--verbose")
    assert (result.returncode, result.stdout) == (0, "")
    found = list(objects(result.stderr))
    assert [each["rows"] for each in found if each["event"] == "finished"] == [520]
    assert {each["table"] for each in found if each["event"] == "table_loaded"} == {
        "public.shelves",
        "public.red [bold]\x1b[31m",
    }
    failed = run("restore", export, "--dsn", database.dsn, "--json-logs")
    assert failed.returncode == 4
    *_, last = objects(failed.stderr)
    assert (last["event"], last["exit_code"]) == ("failed", 4)
    assert "already with rows in the target" in last["problems"][0]["message"]


def test_a_quiet_restore_says_only_what_went_wrong(export: Path, database: Database) -> None:
    result = run("restore", export, "--dsn", database.dsn, "--quiet")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    failed = run("restore", export, "--dsn", database.dsn, "-q")
    assert failed.returncode == 4
    assert failed.stderr.startswith("error: already with rows in the target: ")
    assert run("restore", export, "--quiet", "--verbose").returncode == 2


def test_a_trace_has_the_statements_and_neither_secrets_nor_rows(export: Path, database: Database) -> None:
    environment = {"PGPASSWORD": PASSWORD}
    result = run("restore", export, "--dsn", database.dsn, "--trace", environment=environment)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^sql: \d+ \d+\.\d ms: CREATE UNIQUE INDEX", result.stderr, re.MULTILINE)
    assert re.search(r"^sql: \d+ \d+\.\d ms: COMMIT", result.stderr, re.MULTILINE)
    assert PASSWORD not in result.stderr
    assert "private" not in result.stderr
    assert "\x1b" not in result.stderr
    planned = run("plan", export, "--dsn", database.dsn, "--trace", "--if-not-empty", "truncate")
    assert planned.returncode == 0
    assert "sql: " in planned.stderr
    assert "sql: " not in planned.stdout


def test_reports_and_metrics_are_written_of_what_succeeds_and_of_what_fails(
    export: Path, database: Database, tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("run.json", "run.html", "run.prom")]
    options = ["--report", files[0], "--report", files[1], "--metrics-file", files[2], "--dsn", database.dsn]
    assert run("restore", export, *options).returncode == 0
    read = json.loads(files[0].read_text())
    assert (read["outcome"], read["databases"][0]["rows_loaded"]) == ("done", 520)
    kinds = {each["kind"] for connection in read["connections"] for each in connection["activities"]}
    assert kinds == {"taking down", "loading", "putting back", "analyzing", "counting"}
    assert database.dsn not in files[0].read_text() + files[1].read_text()
    assert "dbrestore_exit_code 0.0" in files[2].read_text()
    assert run("restore", export, *options).returncode == 4
    assert json.loads(files[0].read_text())["exit_code"] == 4
    assert "already with rows in the target" in files[1].read_text()
    assert "dbrestore_exit_code 4.0" in files[2].read_text()
    assert "dbrestore_last_success_timestamp_seconds" in files[2].read_text()


def test_a_report_of_an_interrupted_restore_has_the_exit_code_of_the_signal(
    export: Path, database: Database, tmp_path: Path
) -> None:
    database.execute(SLOW)
    terminal = AtTerminal("restore", export, "--dsn", database.dsn, "--report", tmp_path / "run.json")
    terminal.wait_for(SHOWN)
    terminal.process.kill(signal.SIGTERM)
    assert terminal.end() == 143
    read = json.loads((tmp_path / "run.json").read_text())
    assert (read["outcome"], read["exit_code"]) == ("interrupted", 143)


def test_a_report_that_cannot_be_written_is_said_before_anything_is_done(
    export: Path, database: Database, tmp_path: Path
) -> None:
    result = run("restore", export, "--dsn", database.dsn, "--report", tmp_path / "no" / "run.json")
    assert (result.returncode, result.stdout) == (2, "")
    assert "run.json cannot be written: No such file or directory" in result.stderr
    assert database.execute("SELECT count(*) FROM shelves") == "0"
    assert "run.txt ends in none of .json, .html" in run("restore", export, "--report", "run.txt").stderr


def test_the_levels_are_drawn_to_stdout_or_to_a_file(export: Path, database: Database, tmp_path: Path) -> None:
    mermaid = run("plan", export, "--dsn", database.dsn, "--graph", "mermaid")
    assert (mermaid.returncode, mermaid.stderr) == (0, "")
    assert mermaid.stdout.startswith("flowchart RL\n")
    assert run("plan", export, "--dsn", database.dsn, "--graph", "svg").stdout.startswith("<svg ")
    for name, begin in (("levels.mmd", "flowchart"), ("levels.svg", "<svg ")):
        result = run("plan", export, "--dsn", database.dsn, "--graph", tmp_path / name)
        assert "LEVEL  TABLE" in result.stdout
        assert (tmp_path / name).read_text().startswith(begin)
    assert run("plan", export, "--dsn", database.dsn, "--graph", "levels.png").returncode == 2


def test_a_plan_at_a_terminal_is_as_wide_as_that(export: Path, database: Database) -> None:
    terminal = AtTerminal("plan", export, "--dsn", database.dsn, columns=60)
    assert terminal.end() == 0
    assert "nothing is in the way of this restore" in terminal.seen
    table = [line for line in terminal.seen.splitlines() if "binary" in line]
    assert len(table) == 2
    assert max(map(len, table)) <= 60
