from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import SecretStr

from dbrestore.databases import Databases, problems_of
from dbrestore.errors import ExportError, SchemaError
from dbrestore.target.connect import ConnectionSettings
from tests.unit.plans import Source, export, plan, table

ONE = export([])
SEVERAL = replace(ONE, tables={"shop": (), "logs": ()})
NONE = replace(ONE, tables={})


def test_the_only_database_is_taken_by_itself() -> None:
    assert Databases().of(ONE) == ("shop",)
    assert Databases(is_all=True).of(ONE) == ("shop",)


def test_databases_are_taken_in_the_order_in_which_they_are_named_and_each_once() -> None:
    assert Databases(("shop", "logs", "shop")).of(SEVERAL) == ("shop", "logs")


def test_all_databases_are_taken_by_name() -> None:
    assert Databases(is_all=True).of(SEVERAL) == ("logs", "shop")


def test_a_database_that_the_export_has_not_is_refused_with_those_it_has() -> None:
    with pytest.raises(ExportError, match="the export friday has no database store; it has: shop"):
        Databases(("shop", "store")).of(ONE)


def test_one_of_several_databases_has_to_be_chosen() -> None:
    with pytest.raises(ExportError, match="the export friday has 2 databases: logs, shop") as caught:
        Databases().of(SEVERAL)
    assert caught.value.hint == "Choose one or more with --source-db, or --all-databases."


@pytest.mark.parametrize("databases", [Databases(), Databases(is_all=True)])
def test_an_export_without_a_database_leaves_nothing_to_choose(databases: Databases) -> None:
    with pytest.raises(ExportError, match="the export friday has 0 databases: none") as caught:
        databases.of(NONE)
    assert "dbrestore list" in str(caught.value.hint)


def test_a_template_takes_any_name_into_the_dsn_and_into_the_name() -> None:
    settings = ConnectionSettings(
        SecretStr("postgresql://me@host/{database}?sslmode=disable"), database="new_{database}"
    )
    assert settings.has_placeholder
    filled = settings.of_database("my shop/1")
    assert filled.dsn is not None
    assert filled.dsn.get_secret_value() == "postgresql://me@host/my%20shop%2F1?sslmode=disable"
    assert filled.database == "new_my shop/1"


def test_settings_without_a_template_stay_as_they_are() -> None:
    settings = ConnectionSettings(SecretStr("postgresql://me@host/shop"), user="me")
    assert not settings.has_placeholder
    assert settings.of_database("logs") == settings


def test_problems_of_several_plans_name_their_database() -> None:
    failing = plan([table(1, "a")], [])
    assert [problem.message for problem in problems_of([failing])] == ["in the target but not in the export: public.a"]
    fine = replace(plan([table(1, "a")], [Source("public.a")]), source_database="logs")
    [problem] = problems_of([fine, failing])
    assert isinstance(problem, SchemaError)
    assert problem.message == "shop: in the target but not in the export: public.a"
    assert problem.hint
