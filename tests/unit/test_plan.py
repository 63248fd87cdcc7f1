from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pyarrow as pa
import pytest

from dbrestore.errors import ExportError, LayoutError, PartError, PrivilegeError, SchemaError, TargetError
from dbrestore.restore import choose_database
from dbrestore.target.catalog import TableKind
from dbrestore.wire.registry import CopyFormat
from tests.unit.plans import ID, POINT, Source, column, export, loaded, messages, partitioned, plan, table

A, B, C = table(1, "a"), table(2, "b"), table(3, "c")
LEAVES = (partitioned(10, "p"), table(11, "p1", parent=10), table(12, "p2", parent=10))
ALL_LEAVES = [Source("public.p", (5,)), Source("public.p1", (2,)), Source("public.p2", (3,))]


def test_a_plan_says_what_goes_where() -> None:
    made = plan([A], [Source("public.a", (3, 4), part_bytes=50)])
    assert made.problems == ()
    assert (made.export_id, made.source_database, made.target_database) == ("friday", "shop", "target")
    [planned] = made.tables
    assert (planned.folder, planned.rows, planned.size) == ("shop/public.a", 7, 100)
    assert [part.rows for part in planned.parts] == [3, 4]
    assert planned.copy_format is CopyFormat.BINARY


def test_tables_come_by_level_and_the_largest_first() -> None:
    sources = [Source("public.a"), Source("public.b", part_bytes=200), Source("public.c", part_bytes=900)]
    made = plan([A, B, C], sources, keys=[(3, 1)])
    assert loaded(made) == ["b", "a", "c"]
    assert [planned.level for planned in made.tables] == [0, 0, 1]
    assert [planned.after for planned in made.tables] == [frozenset(), frozenset(), {1}]


def test_a_table_that_references_itself_is_no_cycle() -> None:
    made = plan([A], keys=[(1, 1)])
    assert made.problems == ()
    [planned] = made.tables
    assert planned.references_itself
    assert (planned.after, planned.level) == (frozenset(), 0)


def test_a_cycle_is_a_problem_that_follows_the_references() -> None:
    [problem] = plan([A, B, C], keys=[(1, 2), (2, 3), (3, 1)]).problems
    assert isinstance(problem, SchemaError)
    [head, *_] = names = problem.message.removeprefix("foreign keys form a cycle: ").split(" → ")
    assert names[-1] == head
    assert set(pairwise(names)) == {
        ("public.a", "public.b"),
        ("public.b", "public.c"),
        ("public.c", "public.a"),
    }


def test_every_table_of_a_cycle_is_in_the_plan_all_the_same() -> None:
    made = plan([A, B, C], keys=[(1, 2), (2, 1), (2, 3), (3, 2)])
    assert len(made.problems) == 2
    assert sorted(loaded(made)) == ["a", "b", "c"]


def test_a_key_to_a_table_that_is_not_loaded_is_waited_for_by_nobody() -> None:
    made = plan([A, table(2, "b", is_unlogged=True)], [Source("public.a")], keys=[(1, 2)])
    assert made.problems == ()
    assert made.tables[0].after == frozenset()


def test_partitions_wait_for_all_partitions_that_their_table_references() -> None:
    tables = [*LEAVES, partitioned(20, "q"), table(21, "q1", parent=20), table(22, "q2", parent=20)]
    sources = [*ALL_LEAVES, Source("public.q", (2,)), Source("public.q1", (1,)), Source("public.q2", (1,))]
    made = plan(tables, sources, keys=[(20, 10)])
    assert made.problems == ()
    assert {planned.table.name: planned.after for planned in made.tables} == {
        "p1": frozenset(),
        "p2": frozenset(),
        "q1": {11, 12},
        "q2": {11, 12},
    }


def test_a_key_to_a_partitioned_table_is_one_to_the_root_where_that_is_loaded() -> None:
    made = plan([*LEAVES, A], [Source("public.p"), Source("public.a")], keys=[(1, 10)])
    assert made.problems == ()
    assert {planned.table.name: planned.after for planned in made.tables} == {"p": frozenset(), "a": {10}}


def test_a_partitioned_table_that_references_itself_is_loaded_through_the_root() -> None:
    made = plan(LEAVES, ALL_LEAVES, keys=[(10, 10)])
    assert made.problems == ()
    [planned] = made.tables
    assert planned.table.name == "p"
    assert planned.references_itself


def test_a_foreign_table_need_not_be_in_the_export() -> None:
    assert plan([table(1, "remote", kind=TableKind.FOREIGN)], []).problems == ()


def test_an_unlogged_table_need_not_be_in_the_export_but_is_not_passed_over_in_silence() -> None:
    made = plan([table(1, "cache", is_unlogged=True)], [])
    assert made.problems == ()
    assert made.warnings == ("public.cache is left alone: AWS does not export unlogged tables",)
    assert plan([table(1, "cache", is_unlogged=True)], [Source("public.cache")]).warnings == ()


def test_a_table_of_an_extension_is_left_alone() -> None:
    made = plan([table(1, "spatial_ref_sys", is_of_extension=True)], filled=[1])
    assert (made.tables, made.problems) == ((), ())
    assert made.warnings == ("public.spatial_ref_sys is left alone: it belongs to an extension",)


def test_tables_of_one_side_are_problems() -> None:
    made = plan([A, B], [Source("public.b"), Source("public.old")])
    assert messages(made) == [
        "in the export but not in the target: public.old",
        "in the target but not in the export: public.a",
    ]
    assert loaded(made) == ["b"]


def test_a_dotted_name_of_two_tables_is_one_problem() -> None:
    made = plan([table(1, "b.c", schema="a"), table(2, "c", schema="a.b")], [Source("a.b.c")])
    assert len(made.problems) == 1


def test_rows_in_the_target_are_a_problem() -> None:
    [problem] = plan([A, B], filled=[2]).problems
    assert type(problem) is TargetError
    assert problem.message == "already with rows in the target: public.b"


def test_missing_privileges_are_a_problem() -> None:
    [problem] = plan([table(1, "a", is_writable=False), B]).problems
    assert isinstance(problem, PrivilegeError)
    assert problem.message == "the role may not read and write public.a"


def test_a_table_that_others_inherit_from_is_a_problem() -> None:
    assert messages(plan([table(1, "a", has_heirs=True)])) == [
        "others inherit from public.a: whose rows these are cannot be told"
    ]


def test_a_part_that_cannot_be_read_is_a_problem_and_the_others_are_planned() -> None:
    broken = PartError("shop/public.a/1/0.parquet is empty")
    made = plan([A], [Source("public.a", (broken, 4))])
    assert made.problems == (broken,)
    assert made.tables[0].rows == 4


def test_a_part_with_another_schema_is_a_problem() -> None:
    schemas = (ID, pa.schema([("id", pa.int64())]))
    [problem] = plan([A], [Source("public.a", (1, 1), schemas=schemas)]).problems
    assert isinstance(problem, PartError)
    assert problem.message == "shop/public.a/1/1.parquet has other columns or types than shop/public.a/1/0.parquet"


def test_a_part_is_compared_with_the_first_that_can_be_read() -> None:
    parts = (PartError("shop/public.a/1/0.parquet is empty"), 1, 1)
    made = plan([A], [Source("public.a", parts, schemas=(ID, ID, pa.schema([])))])
    assert messages(made)[1] == "shop/public.a/1/2.parquet has other columns or types than shop/public.a/1/1.parquet"


def test_a_part_without_columns_is_not_like_one_with_columns() -> None:
    made = plan([A], [Source("public.a", (1, 1), schemas=(pa.schema([]), ID))])
    assert "shop/public.a/1/1.parquet has other columns or types than shop/public.a/1/0.parquet" in messages(made)


def test_a_part_without_rows_is_not_loaded() -> None:
    [planned] = plan([A], [Source("public.a", (0, 4, 0))]).tables
    assert [part.file.key for part in planned.parts] == ["shop/public.a/1/1.parquet"]


def test_a_table_without_parts_is_empty() -> None:
    made = plan([A], [Source("public.a", ())])
    assert made.problems == ()
    assert (made.tables[0].parts, made.tables[0].rows) == ((), 0)


def test_a_column_without_a_binary_encoder_makes_its_table_go_as_text() -> None:
    target = table(1, "a", column("id"), column("place", POINT, "point"))
    [planned] = plan([target], [Source("public.a", schema=ID.append(pa.field("place", pa.string())))]).tables
    assert planned.copy_format is CopyFormat.TEXT
    assert planned.text_reasons == ("place: no binary encoder from string to point",)


def test_a_generated_column_is_not_named() -> None:
    [planned] = plan([table(1, "a", column("id"), column("twice", is_generated=True))]).tables
    assert [entry.name for entry in planned.columns] == ["id"]


def test_the_problems_of_the_export_come_first_and_all_are_told() -> None:
    incomplete = LayoutError("public.a has no _SUCCESS")
    made = plan(
        [A, table(2, "b", column("x")), C, table(4, "d", is_writable=False)],
        [Source("public.a"), Source("public.b"), Source("public.d"), Source("public.e")],
        keys=[(1, 2), (2, 1)],
        filled=[1],
        problems=[incomplete],
        warnings=["AWS left out the database logs"],
    )
    assert messages(made)[:-1] == [
        "public.a has no _SUCCESS",
        "in the export but not in the target: public.e",
        "in the target but not in the export: public.c",
        "already with rows in the target: public.a",
        "the role may not read and write public.d",
        "columns of public.b in the export but not in the target: id",
        "columns of public.b in the target but not in the export: x",
    ]
    assert messages(made)[-1].startswith("foreign keys form a cycle: ")
    assert made.warnings == ("AWS left out the database logs",)


def test_the_only_database_is_taken_by_itself() -> None:
    assert choose_database(export([]), None) == "shop"


def test_a_database_that_the_export_has_not_is_refused_with_those_it_has() -> None:
    with pytest.raises(ExportError, match="the export friday has no database store; it has: shop"):
        choose_database(export([]), "store")


def test_one_of_several_databases_has_to_be_chosen() -> None:
    several = replace(export([]), tables={"shop": (), "logs": ()})
    assert choose_database(several, "logs") == "logs"
    with pytest.raises(ExportError, match="the export friday has 2 databases: logs, shop") as caught:
        choose_database(several, None)
    assert caught.value.hint == "Choose one with --source-db."


def test_an_export_without_a_database_leaves_nothing_to_choose() -> None:
    with pytest.raises(ExportError, match="the export friday has 0 databases: none") as caught:
        choose_database(replace(export([]), tables={}), None)
    assert caught.value.hint is None
