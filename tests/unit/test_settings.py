from __future__ import annotations

import pytest
from pydantic import ValidationError

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
