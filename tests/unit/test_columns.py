from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from dbrestore.planning.columns import ColumnFindings, match_columns
from dbrestore.planning.naming import list_names
from dbrestore.planning.selection import ColumnPattern
from tests.unit.plans import POINT, column, table

if TYPE_CHECKING:
    from dbrestore.target.catalog import Column

A = pa.schema([("a", pa.int32())])


def test_columns_are_matched_by_name_in_the_order_of_the_target() -> None:
    target = table(1, "t", column("c", POINT, "point"), column("a"))
    match = match_columns(target, pa.schema([("a", pa.int32()), ("c", pa.string())]))
    assert (match.extra, match.missing, match.problems) == ((), (), [])
    assert [(entry.name, entry.source, entry.target.name) for entry in match.columns] == [
        ("c", pa.string(), "point"),
        ("a", pa.int32(), "integer"),
    ]


def test_a_generated_column_is_left_to_the_server_whether_exported_or_not() -> None:
    target = table(1, "t", column("a"), column("twice", is_generated=True))
    for schema in (pa.schema([("a", pa.int32())]), pa.schema([("a", pa.int32()), ("twice", pa.int32())])):
        match = match_columns(target, schema)
        assert (match.extra, match.missing) == ((), ())
        assert [entry.name for entry in match.columns] == ["a"]


NOT_NULL = column("new", is_not_null=True)


def test_a_column_of_the_export_alone_is_extra_unless_it_is_ignored() -> None:
    schema = pa.schema([("a", pa.int32()), ("old", pa.int32()), ("older", pa.int32())])
    match = match_columns(table(1, "t", column("a")), schema, [ColumnPattern("t.old")])
    assert (match.extra, match.ignored) == (("older",), ("old",))
    assert [entry.name for entry in match.columns] == ["a"]


@pytest.mark.parametrize(
    ("new", "stand_in"),
    [
        (column("new"), "null"),
        (column("new", is_not_null=True, has_default=True), "default"),
        (column("new", is_not_null=True, is_identity=True), "identity"),
    ],
)
def test_a_column_of_the_target_alone_is_filled_in_where_the_server_can(new: Column, stand_in: str) -> None:
    match = match_columns(table(1, "t", column("a"), new), A)
    assert (match.missing, match.filled_in) == ((), (f"new ({stand_in})",))


def test_a_column_of_the_target_alone_that_needs_a_value_is_missing() -> None:
    match = match_columns(table(1, "t", column("a"), NOT_NULL), A)
    assert (match.missing, match.filled_in) == (("new",), ())


def test_the_same_difference_of_many_tables_is_told_once() -> None:
    findings = ColumnFindings()
    for oid, name in enumerate(("t1", "t2")):
        target = table(oid, name, column("a"), NOT_NULL, column("note"))
        findings.add(target, match_columns(target, pa.schema([("a", pa.int32()), ("old", pa.int32())])))
    told = findings.findings()
    assert [problem.message for problem in told.problems] == [
        "columns of public.t1, public.t2 in the export but not in the target: old",
        "columns of public.t1, public.t2 in the target but not in the export: new",
    ]
    assert told.notes == [
        "columns of public.t1, public.t2 in the target but not in the export, and filled in by the server: note (null)"
    ]


def test_two_columns_of_one_name_are_a_problem() -> None:
    match = match_columns(table(1, "t", column("a")), pa.schema([("a", pa.int32()), ("a", pa.int32())]))
    assert [problem.message for problem in match.problems] == ["the parts of public.t have two columns of one name"]


def test_a_long_list_of_names_is_cut_and_counted() -> None:
    assert list_names(["b", "a"]) == "a, b"
    assert list_names([f"t{number:04}" for number in range(2103)]).endswith("t0098, t0099 and 2,003 more")
