from __future__ import annotations

import pytest

from dbrestore.planning.choices import Choices
from dbrestore.planning.selection import ColumnPattern, Selection, TablePattern, possible_names

ORDERS = (("sales", "orders"),)
DOTTED = (("sales.eu", "v1.orders"),)


@pytest.mark.parametrize(
    "pattern", ["orders", "sales.orders", "*", "ord*", "sales.*", "s?les.o*", "*.orders", "[no]rders"]
)
def test_a_pattern_is_for_a_name_with_or_without_its_schema(pattern: str) -> None:
    assert TablePattern(pattern).matches(ORDERS)


@pytest.mark.parametrize("pattern", ["Orders", "order", "sales", "sales.", "other.orders", "s*s", "*.order", ""])
def test_a_pattern_is_for_whole_names_with_their_capitals(pattern: str) -> None:
    assert not TablePattern(pattern).matches(ORDERS)


@pytest.mark.parametrize("pattern", ["sales.eu.v1.orders", "sales.eu.*", "*.v1.orders"])
def test_dots_in_names_may_be_written_as_they_are(pattern: str) -> None:
    assert TablePattern(pattern).matches(DOTTED)


@pytest.mark.parametrize("pattern", ["sales.v1", "v1.*", "orders"])
def test_a_part_of_a_dotted_name_is_not_the_name(pattern: str) -> None:
    assert not TablePattern(pattern).matches(DOTTED)


def test_a_name_that_cannot_be_split_for_sure_may_be_split_anywhere() -> None:
    assert possible_names("a.b.c") == (("a", "b.c"), ("a.b", "c"))
    assert TablePattern("c").matches(possible_names("a.b.c"))
    assert TablePattern("a.b.*").matches(possible_names("a.b.c"))


@pytest.mark.parametrize("pattern", ["note", "n*", "orders.note", "sales.orders.note", "sales.*.note", "*"])
def test_a_column_is_named_with_or_without_its_table(pattern: str) -> None:
    assert ColumnPattern(pattern).matches(ORDERS[0], "note")


@pytest.mark.parametrize("pattern", ["orders", "lines.note", "sales.note", "public.orders.note"])
def test_a_column_of_another_table_is_another(pattern: str) -> None:
    assert not ColumnPattern(pattern).matches(ORDERS[0], "note")


def test_everything_is_selected_by_no_pattern() -> None:
    selection = Selection.of(Choices())
    assert selection.is_everything
    assert selection.includes(ORDERS)
    assert not selection.excludes(ORDERS)


def test_a_schema_and_a_table_of_another_one_may_both_be_included() -> None:
    selection = Selection.of(Choices(include_schemas=("sales*",), include_tables=("public.users",)))
    assert selection.includes(ORDERS)
    assert selection.includes(DOTTED)
    assert selection.includes([("public", "users")])
    assert not selection.includes([("public", "roles")])


def test_a_schema_or_a_table_may_be_excluded() -> None:
    selection = Selection.of(Choices(exclude_schemas=("staff",), exclude_tables=("*_log",)))
    assert selection.excludes([("staff", "people")])
    assert selection.excludes([("sales", "order_log")])
    assert not selection.excludes(ORDERS)


def test_a_pattern_without_wildcards_is_a_name() -> None:
    selection = Selection.of(Choices(include_tables=("orders", "*")))
    assert selection.names_exactly(ORDERS)
    assert not selection.names_exactly([("sales", "lines")])


def test_patterns_that_are_for_nothing_are_told_with_their_option() -> None:
    choices = Choices(
        include_tables=("orders", "lines"), exclude_tables=("x*",), include_schemas=("s*",), exclude_schemas=("t",)
    )
    assert list(Selection.of(choices).unused([ORDERS])) == [
        "--include-tables lines",
        "--exclude-tables x*",
        "--exclude-schemas t",
    ]
