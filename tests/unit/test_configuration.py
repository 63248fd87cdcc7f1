from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from dbrestore.cli import app
from dbrestore.configuration import FILE_NAME, Kind, default_files
from dbrestore.errors import UsageError
from dbrestore.options import make_settings
from dbrestore.planning.choices import IfNotEmpty
from dbrestore.provenance import find_origins, find_warnings
from dbrestore.running import Unfinished
from dbrestore.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    Write = Callable[[str], Path]

SECRET = "hunter2"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and beside it the user's configuration folder."""
    for name in ("work", "user"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr("dbrestore.configuration.user_config_path", lambda *_, **__: tmp_path / "user")
    return tmp_path


@pytest.fixture
def write(home: Path) -> Write:
    def write(content: str, folder: str = "work") -> Path:
        path = home / folder / FILE_NAME
        path.write_text(content)
        path.chmod(0o600)
        return path

    return write


def refusal(**flags: object) -> UsageError:
    with pytest.raises(UsageError) as caught:
        make_settings(**flags)
    return caught.value


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["config", *map(str, arguments)])


def test_a_flag_goes_before_the_environment_before_the_file_before_the_default(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write("jobs = 2\ndb_port = 5431\ndb_host = 'file'\n")
    monkeypatch.setenv("DBRESTORE_JOBS", "3")
    monkeypatch.setenv("DBRESTORE_DB_PORT", "5433")
    settings = make_settings(jobs="4")
    assert (settings.jobs, settings.db_port, settings.db_host, settings.db_user) == (4, 5433, "file", None)
    origins = find_origins({"jobs": "4"})
    shown = [str(origins[name]) for name in ("jobs", "db_port", "db_host", "db_user")]
    assert shown == ["flag --jobs", "env DBRESTORE_DB_PORT", f"file {file}", "default"]


def test_the_named_file_goes_before_the_working_folders_before_the_users(
    home: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [path.parent for path in default_files()] == [home / "work", home / "user"]
    (home / "user" / FILE_NAME).write_text("jobs = 1")
    assert make_settings().jobs == 1
    write("jobs = 2")
    assert make_settings().jobs == 2
    named = home / "named.toml"
    named.write_text("jobs = 3")
    assert make_settings(config=str(named)).jobs == 3
    monkeypatch.setenv("DBRESTORE_CONFIG", str(named))
    assert make_settings().jobs == 3


def test_an_empty_variable_says_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBRESTORE_JOBS", "")
    assert find_origins({})["jobs"].kind is Kind.DEFAULT
    assert make_settings().jobs >= 1


def test_a_file_has_what_options_have(write: Write) -> None:
    write(
        """
        include-tables = ["orders", "sales.*"]
        exclude_tables = "a,b"
        spool_limit = "500MB"
        spool_dir = "/var/spool"
        truncate-all = true
        strict = false
        map_schema = ["old=new"]
        [map_table]
        "a.x" = "b.y"
        """
    )
    settings = Settings()
    assert settings.choices.include_tables == ("orders", "sales.*")
    assert settings.choices.exclude_tables == ("a", "b")
    assert settings.choices.if_not_empty is IfNotEmpty.TRUNCATE
    assert settings.choices.map_schemas == (("old", "new"),)
    assert settings.choices.map_tables == (("a.x", "b.y"),)
    assert (settings.spool_limit, settings.spool_dir, settings.strict) == (500_000_000, Path("/var/spool"), False)


@pytest.mark.parametrize(
    ("content", "told", "hint"),
    [
        ("jbos = 2", "no such setting: jbos", "did you mean jobs?"),
        ("Include-Table = 'x'", "no such setting: Include-Table", "did you mean include_tables?"),
        ("xyzzy = 1", "no such setting: xyzzy", "dbrestore config shows all settings"),
        ("[restore]\njobs = 2", "no such setting: restore", ""),
        ("config = 'other.toml'", "no such setting: config", ""),
        ("jobs = ", "is no TOML", "jobs = 4"),
        ("jobs = 0", "jobs: Input should be greater than or equal to 1", ""),
        ("include_tables = [1]", "include_tables: Value error, names are text", ""),
        ("resume = true\nrestart = true", "settings: Value error, resume and restart contradict", ""),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_file_and_key(write: Write, content: str, told: str, hint: str) -> None:
    path = write(content)
    error = refusal()
    assert told in error.message
    assert str(path) in error.message or "contradict" in told
    assert hint in (error.hint or "")


def test_what_is_wrong_elsewhere_is_named_as_it_was_written(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("jobs = 0")
    monkeypatch.setenv("DBRESTORE_DB_PORT", "x")
    told = refusal(jobs="none").message
    assert "--jobs: Input should be a valid integer" in told
    assert "DBRESTORE_DB_PORT: Input should be a valid integer" in told


def test_a_named_file_that_is_not_there_is_an_error(home: Path) -> None:
    error = refusal(config=str(home / "none.toml"))
    assert error.message == f"the configuration file {home / 'none.toml'} cannot be read: No such file or directory"


def test_what_is_chosen_nearer_puts_out_the_alternatives_further_away(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("resume = true\ntruncate_all = true\nsource_db = ['shop']")
    assert make_settings(restart=True).unfinished is Unfinished.RESTART
    assert make_settings(resume=False).unfinished is Unfinished.REFUSE
    assert make_settings(all_databases=True).databases.names == ()
    monkeypatch.setenv("DBRESTORE_IF_NOT_EMPTY", "skip")
    assert make_settings().choices.if_not_empty is IfNotEmpty.SKIP
    assert make_settings(if_not_empty="append").choices.if_not_empty is IfNotEmpty.APPEND
    monkeypatch.setenv("DBRESTORE_RESTART", "no")
    assert make_settings().unfinished is Unfinished.RESUME


@pytest.mark.skipif(os.name == "nt", reason="files have no such modes")
def test_a_password_that_everybody_may_read_is_warned_of(write: Write) -> None:
    path = write(f"dsn = 'postgresql://me:{SECRET}@localhost/shop'")
    assert list(find_warnings(make_settings(), {})) == []
    path.chmod(0o644)
    warning = f"{path} holds a password (dsn) and everybody may read it: chmod 600 {path}"
    assert list(find_warnings(make_settings(), {})) == [warning]
    other = {"dsn": "postgresql://me@localhost/shop"}
    assert list(find_warnings(make_settings(**other), other)) == []
    path.write_text("dsn = 'postgresql://me@localhost/shop'")
    assert list(find_warnings(make_settings(), {})) == []


def test_a_variable_that_is_no_setting_is_warned_of(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBRESTORE_JBOS", "3")
    monkeypatch.setenv("DBRESTORE_TEST_SOMETHING", "3")
    assert list(find_warnings(make_settings(), {})) == [
        "DBRESTORE_JBOS in the environment is no setting: did you mean DBRESTORE_JOBS?"
    ]


def test_config_shows_values_and_where_they_come_from(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(f"dsn = 'postgresql://me:{SECRET}@localhost/shop?sslpassword={SECRET}'\nmap_schema = ['a=b']")
    monkeypatch.setenv("DBRESTORE_IF_NOT_EMPTY", "truncate")
    result = invoke("--jobs", 1, "--no-strict", "--include-tables", "a,b", "--include-tables", "c")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [line.split(maxsplit=2) for line in result.stdout.splitlines()]
    assert lines[0] == ["configuration", "file:", str(file)]
    for line in (
        ["dsn", "postgresql://me:***@localhost/shop?sslpassword=***", f"file {file}"],
        ["jobs", "1", "flag --jobs"],
        ["strict", "no", "flag --strict"],
        ["include_tables", "a,b,c", "flag --include-tables"],
        ["map_schema", "a=b", f"file {file}"],
        ["if_not_empty", "truncate", "env DBRESTORE_IF_NOT_EMPTY"],
        ["db_host", "-", "default"],
    ):
        assert line in lines
    assert SECRET not in result.output


def test_config_shows_programs_the_same(write: Write) -> None:
    file = write(f"dsn = 'postgresql://me:{SECRET}@/shop'")
    result = invoke("--jobs", 4, "--json")
    told = json.loads(result.stdout)
    assert told["file"] == str(file)
    assert told["settings"]["jobs"] == {"value": 4, "from": "flag", "name": "--jobs", "path": None}
    assert told["settings"]["dsn"] == {
        "value": "postgresql://me:***@/shop", "from": "file", "name": "dsn", "path": str(file),
    }  # fmt: skip
    assert set(told["settings"]) == set(Settings.model_fields) - {"config"}


@pytest.mark.parametrize("dsn", [f"postgresql://a:b@{SECRET}@host/x", f"host=localhost password={SECRET}", SECRET])
def test_a_dsn_that_cannot_be_read_is_not_shown_at_all(home: Path, dsn: str) -> None:
    result = invoke("--dsn", dsn)
    assert ["dsn", "***", "flag --dsn"] in [line.split(maxsplit=2) for line in result.stdout.splitlines()]
