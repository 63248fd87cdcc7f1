from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dbrestore.cluster.options import ClusterOptions
from dbrestore.databases import Databases
from dbrestore.planning.choices import Choices, IfNotEmpty
from dbrestore.running import Unfinished
from dbrestore.settings import MOST_JOBS_BY_DEFAULT, Settings, default_jobs
from dbrestore.target.connect import ConnectionSettings


def test_nothing_has_to_be_set() -> None:
    settings = Settings()
    assert settings.connection == ConnectionSettings()
    assert settings.jobs == default_jobs()
    assert 1 <= default_jobs() <= MOST_JOBS_BY_DEFAULT


def test_the_environment_sets_what_no_flag_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBRESTORE_JOBS", "3")
    monkeypatch.setenv("DBRESTORE_DB_PORT", "5433")
    settings = Settings(jobs=7)
    assert (settings.jobs, settings.db_port) == (7, 5433)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JOBS", "0"),
        ("JOBS", "many"),
        ("DB_PORT", "65536"),
        ("ROWS_PER_PART", "0"),
        ("VERBOSE", "perhaps"),
        ("SPOOL_LIMIT", "some"),
        ("RETRY_FOR", "-1"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"DBRESTORE_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBRESTORE_DSN", "postgresql://me:hunter2@localhost/shop")
    settings = Settings()
    assert "hunter2" not in f"{settings!r} {settings.connection!r} {settings}"
    assert settings.dsn is not None
    assert settings.dsn.get_secret_value().endswith("hunter2@localhost/shop")


def test_sizes_have_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBRESTORE_SPOOL_LIMIT", "500MB")
    assert Settings().source.spool_limit == 500_000_000
    assert Settings(spool_limit="1.5GiB").spool_limit == 1_610_612_736  # type: ignore[arg-type]


def test_lists_are_told_by_commas_or_by_telling_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBRESTORE_EXCLUDE_TABLES", "a, b.c,,*_log")
    monkeypatch.setenv("DBRESTORE_MAP_SCHEMA", "old=new,x=y")
    choices = Settings(include_tables=["orders,lines", "users"]).choices  # type: ignore[arg-type]
    assert choices.include_tables == ("orders", "lines", "users")
    assert choices.exclude_tables == ("a", "b.c", "*_log")
    assert choices.map_schemas == (("old", "new"), ("x", "y"))


def test_without_a_word_nothing_is_chosen() -> None:
    assert Settings().choices == Choices()
    assert Settings().databases == Databases()


@pytest.mark.parametrize("pairs", ["old", "=new", "a=b=c", "a=b,a=c"])
def test_a_rename_has_two_sides_and_is_told_once(pairs: str) -> None:
    with pytest.raises(ValidationError, match="map_table"):
        Settings(map_table=pairs)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "choice"),
    [
        ({"truncate_all": True}, IfNotEmpty.TRUNCATE),
        ({"skip_not_empty": True}, IfNotEmpty.SKIP),
        ({"if_not_empty": "append"}, IfNotEmpty.APPEND),
        ({"if_not_empty": "truncate", "truncate_all": True}, IfNotEmpty.TRUNCATE),
    ],
)
def test_tables_with_rows_have_short_names(told: dict[str, Any], choice: IfNotEmpty) -> None:
    assert Settings(**told).choices.if_not_empty is choice


@pytest.mark.parametrize(
    "told",
    [
        {"truncate_all": True, "skip_not_empty": True},
        {"if_not_empty": "error", "truncate_all": True},
        {"all_databases": True, "source_db": "shop"},
        {"workers": 2, "dask": "tcp://scheduler:8786"},
    ],
)
def test_settings_that_contradict_each_other_are_refused(told: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="contradict each other"):
        Settings(**told)


@pytest.mark.parametrize(
    ("given", "unfinished"),
    [({}, Unfinished.REFUSE), ({"resume": True}, Unfinished.RESUME), ({"restart": True}, Unfinished.RESTART)],
)
def test_an_unfinished_run_is_in_the_way_unless_something_is_said_about_it(
    given: dict[str, Any], unfinished: Unfinished
) -> None:
    assert Settings(**given).unfinished is unfinished


def test_a_cluster_loads_only_where_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().cluster is None
    source = Settings().source
    assert Settings(workers=3).cluster == ClusterOptions(3, None, source, may_add_connections=True)
    monkeypatch.setenv("DBRESTORE_JOBS", "8")
    address = "tcp://scheduler:8786"
    assert Settings(dask=address).cluster == ClusterOptions(0, address, source, may_add_connections=False)
