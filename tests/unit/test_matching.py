from __future__ import annotations

import pyarrow as pa

from dbrestore.matching import list_names, match_columns, match_tables
from dbrestore.target.catalog import TableKind
from tests.unit.plans import POINT, Source, column, table


def test_a_table_is_matched_by_its_schema_and_name() -> None:
    staff, public = table(1, "orders", schema="staff"), table(2, "orders")
    source = Source("public.orders").exported
    assert match_tables([source], [staff, public]).exported == {2: source}


def test_names_are_matched_with_their_capitals() -> None:
    match = match_tables([Source("public.Orders").exported], [table(1, "orders"), table(2, "Orders")])
    assert list(match.exported) == [2]


def test_dots_in_names_are_matched_through_the_catalogue() -> None:
    tables = [table(1, "v1.orders", schema="sales.eu"), table(2, "orders")]
    assert list(match_tables([Source("sales.eu.v1.orders").exported], tables).exported) == [1]


def test_a_dotted_name_that_two_tables_have_is_a_problem_that_shows_both() -> None:
    tables = [table(1, "b.c", schema="a"), table(2, "c", schema="a.b")]
    match = match_tables([Source("a.b.c").exported], tables)
    assert match.exported == {}
    assert match.ambiguous == {1, 2}
    [problem] = match.problems
    assert problem.message == 'the export\'s a.b.c could be "a"."b.c" or "a.b"."c" of the target'


def test_a_foreign_table_takes_no_rows() -> None:
    match = match_tables([Source("public.remote").exported], [table(1, "remote", kind=TableKind.FOREIGN)])
    assert [problem.message for problem in match.problems] == ["in the export but not in the target: public.remote"]


def test_tables_that_the_target_lacks_are_one_problem() -> None:
    match = match_tables([Source("public.b").exported, Source("public.a").exported], [])
    [problem] = match.problems
    assert problem.message == "in the export but not in the target: public.a, public.b"
    assert problem.hint == "The target needs the complete schema of the source, as of the snapshot."


def test_columns_are_matched_by_name_in_the_order_of_the_target() -> None:
    target = table(1, "t", column("c", POINT, "point"), column("a"))
    match = match_columns(target, pa.schema([("a", pa.int32()), ("c", pa.string())]))
    assert match.problems == []
    assert [(entry.name, entry.source, entry.target.name) for entry in match.columns] == [
        ("c", pa.string(), "point"),
        ("a", pa.int32(), "integer"),
    ]


def test_a_generated_column_is_left_to_the_server_whether_exported_or_not() -> None:
    target = table(1, "t", column("a"), column("twice", is_generated=True))
    for schema in (pa.schema([("a", pa.int32())]), pa.schema([("a", pa.int32()), ("twice", pa.int32())])):
        match = match_columns(target, schema)
        assert match.problems == []
        assert [entry.name for entry in match.columns] == ["a"]


def test_columns_of_one_side_are_problems() -> None:
    match = match_columns(
        table(1, "t", column("a"), column("new")), pa.schema([("a", pa.int32()), ("old", pa.int32())])
    )
    assert [problem.message for problem in match.problems] == [
        "columns of public.t in the export but not in the target: old",
        "columns of public.t in the target but not in the export: new",
    ]


def test_two_columns_of_one_name_are_a_problem() -> None:
    match = match_columns(table(1, "t", column("a")), pa.schema([("a", pa.int32()), ("a", pa.int32())]))
    assert [problem.message for problem in match.problems] == ["the parts of public.t have two columns of one name"]


def test_a_long_list_of_names_is_cut_and_counted() -> None:
    assert list_names(["b", "a"]) == "a, b"
    assert list_names([f"t{number:02}" for number in range(23)]).endswith("t18, t19 and 3 more")
