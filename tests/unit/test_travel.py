from __future__ import annotations

import pickle
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import SecretStr

from dbrestore.target.connect import ConnectionSettings
from dbrestore.target.travel import settings_to_send, with_own_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def me(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "me")


def sent(dsn: str | None = None, **settings: object) -> ConnectionSettings:
    return settings_to_send(ConnectionSettings(SecretStr(dsn) if dsn else None, **settings), "shop")  # type: ignore[arg-type]


def text(settings: ConnectionSettings) -> str:
    assert settings.dsn is not None
    return settings.dsn.get_secret_value()


def query(settings: ConnectionSettings) -> Mapping[str, str]:
    return dict(parse_qsl(urlsplit(text(settings)).query))


@pytest.mark.parametrize(
    ("dsn", "without"),
    [
        (f"postgresql://you:{SECRET}@db:5433/shop", "postgresql://you@db:5433/shop"),
        (f"postgresql://you:{SECRET}@db,other/shop?sslmode=require", "postgresql://you@db,other/shop?sslmode=require"),
        (f"postgresql://db/shop?user=you&password={SECRET}&sslpassword={SECRET}", "postgresql://db/shop?user=you"),
        (f"postgresql:///shop?host=/run&user=you&password={SECRET}", "postgresql:///shop?user=you&host=%2Frun"),
    ],
)  # fmt: skip
def test_no_secret_is_sent(dsn: str, without: str) -> None:
    assert text(sent(dsn)) == without
    assert SECRET.encode() not in pickle.dumps(sent(dsn))


def test_what_is_sent_needs_no_variable_of_the_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOST": "db", "PORT": "5433", "USER": "you", "SSLMODE": "require", "PASSWORD": SECRET}.items():
        monkeypatch.setenv(f"PG{name}", value)
    settings = sent()
    assert query(settings) == {"user": "you", "host": "db", "sslmode": "require"}
    assert (settings.port, settings.database) == (5433, "shop")


def test_what_the_dsn_says_counts_more_than_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOST": "other", "PORT": "1", "USER": "nobody", "SSLMODE": "disable"}.items():
        monkeypatch.setenv(f"PG{name}", value)
    settings = sent("postgresql://you@/shop?host=db&port=5433&sslmode=require")
    assert query(settings) == {"host": "db", "port": "5433", "sslmode": "require"}
    assert urlsplit(text(settings)).username == "you"
    assert settings.port is None


def test_a_service_is_left_to_the_receiver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSERVICE", "shop")
    monkeypatch.setenv("PGHOST", "other")
    assert query(sent()) == {"service": "shop"}


def test_a_role_that_nothing_names_is_that_of_the_sender() -> None:
    assert query(sent("postgresql://db/shop")) == {"user": "me"}


def test_the_receiver_adds_the_secrets_of_its_own_dsn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBRESTORE_DSN", f"postgresql://somebody:{SECRET}%40@elsewhere/other?sslpassword=s")
    received = with_own_secrets(sent("postgresql://you@db/shop"))
    assert query(received) == {"password": f"{SECRET}@", "sslpassword": "s"}
    assert urlsplit(text(received)).netloc == "you@db"


def test_a_receiver_without_secrets_leaves_them_to_libpq_s_variables() -> None:
    settings = sent("postgresql://you@db/shop")
    assert with_own_secrets(settings) == settings
