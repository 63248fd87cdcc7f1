from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dbrestore.settings import Settings
from dbrestore.testing.s3_faults import ACCESS_DENIED, Fault
from tests.acceptance.commands import COMMAND, run
from tests.integration.round_trip import export_database, wait_for_sessions
from tests.passwords import demand_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbrestore.testing.databases import Database, MakeDatabase
    from dbrestore.testing.s3 import S3Server

SECRET = "canary-5f3b"
TABLE = "CREATE TABLE items (id int PRIMARY KEY, note text)"
ROWS = "INSERT INTO items SELECT n, 'x' FROM generate_series(1, 9) AS n"
JOURNAL = " UNION ALL ".join(
    f"SELECT row_to_json(r)::text FROM dbrestore.{table} AS r" for table in ("run", "loaded_table", "part", "deferred")
)


@pytest.fixture
async def export(make_database: MakeDatabase, tmp_path: Path) -> Path:
    source = make_database()
    source.execute(f"{TABLE}; {ROWS}")
    return await export_database(source, tmp_path)


@pytest.fixture
def target(database: Database) -> Database:
    """A database whose role has to give SECRET."""
    database.execute(TABLE)
    demand_password(database, SECRET, "SUPERUSER")
    return database


def dsn_of(target: Database, password: str | None = SECRET) -> str:
    secret = f":{password}" if password else ""
    return target.server.dsn(target.name, target.name).replace("@", f"{secret}@")


def all_said(*arguments: object, **environment: object) -> tuple[int, str]:
    """The exit code, and all that a command says."""
    result = run(*arguments, environment=environment)
    return result.returncode, f"{result.stdout}{result.stderr}"


def given(target: Database) -> list[tuple[list[str], dict[str, str]]]:
    """The ways to give a password: options, and the environment."""
    return [
        (["--dsn", dsn_of(target)], {}),
        ([f"--dsn={dsn_of(target, None)}?password={SECRET}"], {}),
        ([], {"DBRESTORE_DSN": dsn_of(target)}),
        (["--dsn", dsn_of(target, None)], {"PGPASSWORD": SECRET}),
    ]


@pytest.mark.parametrize("way", [0, 3])
async def test_no_command_says_the_password(export: Path, target: Database, way: int) -> None:
    options, environment = given(target)[way]
    for command in (["plan", export, "--json"], ["restore", export, "--verbose"], ["status", "--json"], ["abort"]):
        code, said = all_said(*command, *options, **environment)
        assert (code, SECRET in said) == (0, False), said
    assert SECRET not in target.server.log_tail(100_000)


@contextmanager
def restoring(export: Path, options: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A restore that is stopped in the end."""
    process = subprocess.Popen(
        [COMMAND, "restore", str(export), *options, "--indexes", "keep"],
        env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def listed(process: subprocess.Popen[str]) -> str:
    """As others see it."""
    command_line = Path(f"/proc/{process.pid}/cmdline")
    if command_line.exists():
        return command_line.read_text().replace("\0", " ")
    command = ["ps", "-ww", "-o", "args=", "-p", str(process.pid)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("way", range(4))
async def test_a_restore_that_runs_shows_the_password_to_nobody(export: Path, target: Database, way: int) -> None:
    options, environment = given(target)[way]
    async with target.connect() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("LOCK TABLE items IN SHARE MODE")
        with restoring(export, options, environment) as process:
            await wait_for_sessions(target, 1, copying=True)
            shown = await connection.fetch("SELECT row_to_json(a)::text FROM pg_stat_activity a")
            journal = await connection.fetch(JOURNAL)
            seen = listed(process)
            process.send_signal(signal.SIGTERM)
            said, _ = await asyncio.to_thread(process.communicate)
        await transaction.rollback()
    assert process.returncode == 143
    assert "dbrestore" in seen
    assert journal
    for text in (seen, said, *(row[0] for row in (*shown, *journal))):
        assert SECRET not in text


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://me:{SECRET}@127.0.0.1:1/shop",
        f"postgresql://me:{SECRET}@no-such-host.invalid/shop",
        f"postgresql://me:{SECRET}@127.0.0.1/shop?sslmode=maybe",
        f"postgresql://me:{SECRET}@127.0.0.1/shop?sslcert=/none.crt&sslpassword={SECRET}",
        f"postgresql://me:{SECRET}@127.0.0.1:many/shop",
        f"postgresql://me:{SECRET}/@127.0.0.1/shop",
        f"postgres:me:{SECRET}@127.0.0.1/shop",
        f"host=127.0.0.1 password={SECRET}",
        f"password='{SECRET}",
        f"mysql://me:{SECRET}@127.0.0.1/shop",
    ],
)
def test_a_dsn_that_leads_nowhere_is_an_error_without_its_password(dsn: str) -> None:
    code, said = all_said("status", "--dsn", dsn)
    assert code in {2, 4}
    assert "Traceback" not in said
    assert SECRET not in said


def test_a_wrong_password_is_not_said(target: Database) -> None:
    code, said = all_said("status", "--dsn", dsn_of(target, "canary-wrong"))
    assert (code, "canary-wrong" in said) == (4, False)
    code, said = all_said("status", "--dsn", dsn_of(target, None), PGPASSWORD="canary-wrong")
    assert (code, "canary-wrong" in said) == (4, False)


def test_keys_of_aws_are_not_said(s3: S3Server, bucket: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": SECRET}
    s3.faults = [Fault(ACCESS_DENIED)]
    code, said = all_said("list", f"s3://{bucket}/friday", "--aws-endpoint-url", s3.url, **keys)
    assert (code, "AccessDenied" in said, SECRET in said) == (3, True, False), said


def test_a_key_is_not_said_where_an_iam_token_opens_nothing() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": SECRET}
    options = [
        "--db-iam-auth",
        "--db-host",
        "127.0.0.1",
        "--db-port",
        "1",
        "--db-user",
        "me",
        "--aws-region",
        "eu-west-1",
    ]
    code, said = all_said("status", *options, **keys)
    assert code == 4
    assert SECRET not in said
    assert "X-Amz" not in said


def test_an_error_that_nobody_thought_of_is_told_without_secrets(target: Database) -> None:
    script = (
        "import sys, dbrestore.cli as cli, dbrestore.recovery as recovery\n"
        "def fail(*_): raise ZeroDivisionError('unexpected')\n"
        "recovery.read_status = fail\n"
        "sys.argv[1:1] = ['status']\n"
        "cli.main()\n"
    )
    result = run("--dsn", dsn_of(target), command=[sys.executable, "-c", script])
    assert "ZeroDivisionError: unexpected" in result.stderr
    assert SECRET not in f"{result.stdout}{result.stderr}"


def test_settings_do_not_show_secrets(target: Database) -> None:
    settings = Settings(dsn=dsn_of(target))  # type: ignore[arg-type]
    for shown in (repr(settings), str(settings), repr(settings.connection), settings.model_dump_json()):
        assert SECRET not in shown
