from __future__ import annotations

import pytest

from dbrestore.target.address import find_parameters
from dbrestore.target.iam import Login, find_login


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("shop.cluster-abc123.eu-west-1.rds.amazonaws.com", "eu-west-1"),
        ("SHOP.abc123.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1"),
        ("shop.abc123.rds.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("db.example.com", None),
    ],
)
def test_the_host_of_an_endpoint_names_the_region(host: str, region: str | None) -> None:
    assert Login(host, 5432, "me").region == region


@pytest.mark.parametrize(
    ("dsn", "login"),
    [
        ("postgresql://m%40e:x@db:5433/shop", Login("db", 5433, "m@e")),
        ("postgresql://me@db", Login("db", 5432, "me")),
        ("postgresql://?host=db&port=5433&user=me", Login("db", 5433, "me")),
        ("postgresql://me@[::1]:5433/shop", Login("::1", 5433, "me")),
    ],
)
def test_a_token_is_for_the_login_of_the_dsn(dsn: str, login: Login) -> None:
    assert find_login(find_parameters(dsn, {}, {})) == login


def test_options_win_over_the_dsn_and_that_over_the_service_and_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGUSER", "somebody")
    monkeypatch.setenv("PGPORT", "1")
    found = find_parameters("postgresql://db", {"host": "elsewhere", "port": "2"}, {"host": "here"})
    assert find_login(found) == Login("here", 2, "somebody")
