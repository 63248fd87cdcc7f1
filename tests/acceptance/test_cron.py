"""The examples of contrib/: what they run at night, in the environment that cron gives."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from dbrestore.settings import Settings
from dbrestore.target.connect import ConnectionSettings
from dbrestore.target.lock import only_run
from tests.acceptance.commands import COMMAND, run
from tests.documents import REPOSITORY, shown_scripts

if TYPE_CHECKING:
    from dbrestore.testing.databases import Database, MakeDatabase
    from dbrestore.testing.s3 import S3Server

pytestmark = pytest.mark.timeout(600)  # several commands each, on a machine that may be busy

CONTRIB = REPOSITORY / "contrib"
TABLES = "CREATE TABLE shelves (id int PRIMARY KEY, name varchar(20));"
ROWS = "INSERT INTO shelves SELECT n, 'shelf ' || n FROM generate_series(1, 20) AS n;"
COUNT = "SELECT count(*), max(id) FROM shelves"


class Night:
    """Runs the command line of crontab as cron does, with the places of the test in place of the example's."""

    def __init__(self, folder: Path, bucket: str, target: Database, endpoint: S3Server) -> None:
        self.metrics = folder / "dbrestore.prom"
        settings = folder / "dbrestore.toml"
        settings.write_text(f"dsn = '{target.dsn}'\naws_endpoint_url = '{endpoint.url}'\n")
        crontab = (CONTRIB / "crontab").read_text()
        line = re.findall(r"^15 3 \* \* \*  (dbrestore .+)$", crontab, re.MULTILINE)[0]
        for name, place in (
            ("s3://my-bucket/", f"s3://{bucket}/"),
            ("/etc/dbrestore/dbrestore.toml", str(settings)),
            ("/var/lib/node_exporter/dbrestore.prom", str(self.metrics)),
        ):
            assert name in line
            line = line.replace(name, place)
        path = re.findall(r"^PATH=(.+)$", crontab, re.MULTILINE)[0].replace("/usr/local/bin", str(Path(COMMAND).parent))
        aws = {
            name: value for name, value in os.environ.items() if name.startswith("AWS_") or name.upper() == "NO_PROXY"
        }
        self._environment = {"PATH": path, "HOME": str(folder), "LOGNAME": "root", "SHELL": "/bin/sh", **aws}
        self._line = line
        self._folder = folder

    def pass_by(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", self._line],
            cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip


@pytest.fixture
def source(make_database: MakeDatabase) -> Database:
    database = make_database()
    database.execute(TABLES + ROWS)
    return database


@pytest.fixture
def night(tmp_path: Path, bucket: str, s3: S3Server, source: Database, database: Database) -> Night:
    database.execute(TABLES)
    export(s3, source, bucket, "monday")
    return Night(tmp_path, bucket, database, s3)


def export(s3: S3Server, source: Database, bucket: str, name: str) -> None:
    result = run("simulate", f"s3://{bucket}/exports", "--export-id", name, "--dsn", source.dsn,
                 "--aws-endpoint-url", s3.url)  # fmt: skip
    assert result.returncode == 0, result.stderr


def test_each_night_takes_the_newest_export_and_says_nothing(
    night: Night, s3: S3Server, bucket: str, source: Database, database: Database
) -> None:
    first = night.pass_by()
    assert (first.returncode, first.stdout) == (0, ""), first.stderr
    assert database.execute(COUNT) == "20|20"
    source.execute("INSERT INTO shelves VALUES (21)")
    export(s3, source, bucket, "tuesday")
    second = night.pass_by()
    assert (second.returncode, second.stdout) == (0, ""), second.stderr
    assert database.execute(COUNT) == "21|21"
    assert (first.stderr, second.stderr) == ("", "")
    assert night.metrics.read_text()


def test_a_night_that_fails_says_so_once_and_the_next_one_goes_on(night: Night, database: Database) -> None:
    database.execute("ALTER TABLE shelves ADD CONSTRAINT few CHECK (id < 10)")
    failed = night.pass_by()
    assert (failed.returncode, failed.stdout) == (5, "")
    assert failed.stderr.count("error:") == 1
    assert "hint:" in failed.stderr
    database.execute("ALTER TABLE shelves DROP CONSTRAINT few")
    assert night.pass_by().returncode == 0
    assert database.execute(COUNT) == "20|20"


async def test_a_night_that_is_late_is_not_overtaken(night: Night, database: Database) -> None:
    async with only_run(ConnectionSettings(SecretStr(database.dsn))):
        late = await asyncio.to_thread(night.pass_by)
    assert (late.returncode, late.stdout) == (7, "")
    assert late.stderr.count("error:") == 1


def test_cron_and_systemd_run_the_same() -> None:
    commands = {shown.line for shown in shown_scripts()}
    assert len(shown_scripts()) == 2
    assert len(commands) == 1
    assert "%" not in commands.pop()  # cron would cut the line there


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze on this machine")
    names = ("dbrestore.service", "dbrestore.timer")
    for name in names:
        unit = (CONTRIB / name).read_text().replace("/usr/local/bin/dbrestore", COMMAND)
        (tmp_path / name).write_text(unit)
    verified = subprocess.run(
        [program, "verify", "--man=no", *(str(tmp_path / name) for name in names)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_example_of_a_configuration_file_is_one() -> None:
    settings = Settings(config=CONTRIB / "dbrestore.toml")
    assert settings.jobs == 4
    assert settings.choices.exclude_tables == ("audit.*", "sessions")
