from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.commands import failed, run
from tests.integration.round_trip import export_database

if TYPE_CHECKING:
    from pathlib import Path

    from dbrestore.testing.databases import Database
    from dbrestore.testing.s3 import S3Server

SCRIPT = """
    CREATE TABLE books (id int PRIMARY KEY, title text);
    CREATE TABLE shelves (id int);
    INSERT INTO books SELECT n, 'title ' || n FROM generate_series(1, 500) AS n;
"""


@pytest.fixture
async def export(database: Database, tmp_path: Path) -> Path:
    """An export of ``database``, whose rows are there as well."""
    database.execute(SCRIPT)
    return await export_database(database, tmp_path, rows_per_part=100)


@pytest.mark.parametrize(("options", "state"), [([], "as many"), (["--deep"], "equal")])
def test_a_line_for_each_table_says_how_it_compares(
    export: Path, database: Database, options: list[str], state: str
) -> None:
    result = run("verify", export, "--dsn", database.dsn, *options)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[2:] == [
        f"{state:<11} public.books, 500 rows",
        f"{state:<11} public.shelves, 0 rows",
    ]


def test_a_difference_is_told_to_people_and_programs(export: Path, database: Database) -> None:
    database.execute("UPDATE books SET title = 'torn' WHERE id = 250")
    result = run("verify", export, "--deep", "--json", "--dsn", database.dsn)
    assert result.returncode == 6
    assert "error: public.books has other rows than its parts in the export:" in result.stderr
    told = json.loads(result.stdout)
    assert told["is_equal"] is False
    [books] = [table for table in told["tables"] if not table["is_equal"]]
    ours, theirs = books["difference"]["rows"]
    assert (ours["row"], ours["values"]["title"]) == (50, "'title 250'")
    assert (theirs["part"], theirs["values"]["title"]) == (None, "'torn'")


def test_an_export_in_s3_is_compared(export: Path, database: Database, s3: S3Server, bucket: str) -> None:
    url = f"s3://{bucket}/exports"
    run("simulate", url, "--export-id", "friday", "--dsn", database.dsn, "--aws-endpoint-url", s3.url)
    arguments = ["verify", f"{url}/friday", "--deep", "--dsn", database.dsn, "--aws-endpoint-url", s3.url]
    assert run(*arguments).returncode == 0
    database.execute("INSERT INTO shelves VALUES (1)")
    told = run(*arguments)
    assert told.returncode == 6
    assert "public.shelves has 1 rows, its parts in the export have 0" in told.stderr


def test_a_restore_compares_as_deeply_as_it_is_told(export: Path, database: Database) -> None:
    database.execute("TRUNCATE books")
    result = run("restore", export, "--verify", "deep", "--dsn", database.dsn)
    assert result.returncode == 0, result.stderr
    assert "every row verified" in result.stderr


def test_a_restore_finds_what_a_trigger_changed(export: Path, database: Database) -> None:
    database.execute(
        """
        TRUNCATE books;
        CREATE FUNCTION tear() RETURNS event_trigger LANGUAGE plpgsql AS
            $$ BEGIN UPDATE public.books SET title = 'torn' WHERE id = 7; END $$;
        CREATE EVENT TRIGGER tear ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION tear();
        """
    )
    told = failed("restore", export, "--verify", "deep", "--dsn", database.dsn, exit_code=6)
    assert "row 7: (id=7, title='title 7')" in told
    resumed = failed("restore", export, "--verify", "deep", "--resume", "--dsn", database.dsn, exit_code=6)
    assert "only in the target: (id='7', title='torn')" in resumed
    assert run("restore", export, "--verify", "none", "--resume", "--dsn", database.dsn).returncode == 0
