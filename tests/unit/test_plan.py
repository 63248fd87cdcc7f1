from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyarrow as pa

from dbrestore.errors import LayoutError, PartError, PrivilegeError, SchemaError
from dbrestore.target.catalog import TableKind
from dbrestore.wire.registry import CopyFormat
from tests.unit.plans import ID, POINT, Source, column, loaded, messages, partitioned, plan, table

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
        "q1": {10},
        "q2": {10},
    }
    assert made.milestones == {10: {11, 12}}
    assert [planned.level for planned in made.tables] == [0, 0, 1, 1]


def test_a_key_to_a_partitioned_table_is_one_to_the_root_where_that_is_loaded() -> None:
    made = plan([*LEAVES, A], [Source("public.p"), Source("public.a", (11,))], keys=[(1, 10)])
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


def test_missing_privileges_are_a_problem() -> None:
    [problem] = plan([table(1, "a", is_writable=False), B]).problems
    assert isinstance(problem, PrivilegeError)
    assert problem.message == "the role may not read and write public.a"


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
        [A, table(2, "b", column("x", is_not_null=True)), C, table(4, "d", is_writable=False)],
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


def test_thousands_of_partitions_on_both_sides_of_a_key_have_an_edge_each() -> None:
    tables = [partitioned(1, "p"), partitioned(2, "q")]
    tables += [table(1000 + n, f"p{n}", parent=1) for n in range(2000)]
    tables += [table(5000 + n, f"q{n}", parent=2) for n in range(2000)]
    made = plan(tables, [Source(entry.dotted, (1,)) for entry in tables[2:]], keys=[(2, 1)])
    assert made.problems == ()
    assert sum(len(planned.after) for planned in made.tables) == 2000
    assert {oid: len(members) for oid, members in made.milestones.items()} == {1: 2000}


def test_a_cycle_through_partitions_is_told_once_and_shows_tables_alone() -> None:
    [problem] = plan([*LEAVES, A], [*ALL_LEAVES, Source("public.a")], keys=[(1, 10), (10, 1)]).problems
    assert problem.message in {
        "foreign keys form a cycle: public.a → public.p1 → public.a",
        "foreign keys form a cycle: public.a → public.p2 → public.a",
    }


def test_partitions_that_reference_each_other_without_their_parents_folder_are_one_cycle() -> None:
    [problem] = plan(LEAVES, ALL_LEAVES[1:], keys=[(10, 10)]).problems
    assert problem.message == "foreign keys form a cycle: public.p → public.p"


def test_a_key_to_a_table_that_is_left_out_is_a_warning() -> None:
    made = plan([A, B], keys=[(1, 2)], exclude_tables=("b",))
    assert made.problems == ()
    [warning] = made.warnings
    assert warning == (
        "public.a: its foreign key key_1_2 references public.b, which is not restored: rows without a match there "
        "will be refused"
    )


def test_a_key_of_a_partitioned_table_counts_if_any_partition_is_restored() -> None:
    made = plan([*LEAVES, A], [*ALL_LEAVES, Source("public.a")], keys=[(10, 1)], include_tables=("p1",))
    assert loaded(made) == ["p1"]
    assert len(made.warnings) == 1
    assert plan([*LEAVES, A], [*ALL_LEAVES, Source("public.a")], keys=[(1, 10)], exclude_tables=("p1",)).warnings == ()


def test_tables_of_one_side_may_be_left_at_that() -> None:
    made = plan(
        [A, B], [Source("public.b"), Source("public.old")], ignore_missing_tables=("*",), ignore_extra_tables=("ol?",)
    )
    assert made.problems == ()
    assert made.notes == (
        "in the export but not in the target, and left at that: public.old",
        "in the target but not in the export, and left at that: public.a",
    )
    assert loaded(made) == ["b"]


def test_a_missing_partition_is_left_at_that_with_its_parent() -> None:
    made = plan(LEAVES, ALL_LEAVES[1:2], ignore_missing_tables=("public.p",))
    assert made.problems == ()
    assert loaded(made) == ["p1"]


def test_an_extra_table_is_told_with_the_name_that_it_should_have() -> None:
    made = plan([], [Source("old.a"), Source("old.b")], map_schemas=(("old", "new"),), map_tables=(("old.b", "c.d"),))
    assert messages(made) == ["in the export but not in the target: old.a (as new.a), old.b (as c.d)"]


def test_a_dropped_partition_is_no_extra_table() -> None:
    made = plan(LEAVES, [*ALL_LEAVES[1:], Source("public.p", (9,)), Source("public.p0", (4,))])
    assert made.problems == ()
    assert loaded(made) == ["p"]
    assert made.notes == ("public.p: through the table itself, 9 rows: the target has no public.p0",)


def test_a_dropped_partition_has_the_columns_of_its_parent() -> None:
    other = Source("public.p0", (4,), ID.append(pa.field("more", pa.int32())))
    made = plan(LEAVES, [*ALL_LEAVES[1:], Source("public.p", (9,)), other])
    assert "in the export but not in the target: public.p0" in messages(made)
    assert len(made.problems) == 2


def test_a_detached_partition_is_loaded_as_a_table_of_its_own() -> None:
    tables = [*LEAVES, table(20, "p0")]
    made = plan(tables, [*ALL_LEAVES[1:], Source("public.p", (9,)), Source("public.p0", (4,))])
    assert made.problems == ()
    assert sorted(loaded(made)) == ["p0", "p1", "p2"]


def test_only_what_is_selected_is_restored_and_looked_at() -> None:
    broken = Source("public.b", (PartError("b is damaged"),), problems=(LayoutError("public.b has no _SUCCESS"),))
    tables = [A, B, table(3, "c", is_writable=False), table(4, "d")]
    sources = [Source("public.a"), broken, Source("public.c"), Source("public.e")]
    made = plan(tables, sources, filled=[2, 3], include_tables=("a",))
    assert made.problems == ()
    assert loaded(made) == ["a"]


def test_a_partitioned_table_is_selected_with_its_partitions() -> None:
    assert sorted(loaded(plan([*LEAVES, A], [*ALL_LEAVES, Source("public.a")], include_tables=("p",)))) == ["p1", "p2"]
    assert loaded(plan([*LEAVES, A], [*ALL_LEAVES, Source("public.a")], exclude_tables=("p",))) == ["a"]


def test_a_pattern_that_matches_nothing_is_a_problem_unless_that_is_allowed() -> None:
    choices: dict[str, Any] = {
        "include_tables": ("a", "nobody.*"),
        "exclude_schemas": ("nowhere",),
        "map_schemas": (("old", "new"),),
        "map_tables": (("public.z", "public.y"),),
    }
    expected = [
        "--include-tables nobody.* matches nothing",
        "--exclude-schemas nowhere matches nothing",
        "--map-table public.z=public.y matches nothing",
        "--map-schema old=new matches nothing",
    ]
    made = plan([A, B], **choices)
    assert messages(made) == expected
    assert {problem.exit_code for problem in made.problems} == {2}
    made = plan([A, B], **choices, strict=False)
    assert (messages(made), list(made.warnings)) == ([], expected)


def test_patterns_that_leave_nothing_are_a_problem() -> None:
    assert messages(plan([A], exclude_tables=("*",))) == ["no table is left to be restored"]


def test_a_table_of_an_extension_is_restored_if_it_is_included_by_name() -> None:
    tables = [A, table(2, "spatial_ref_sys", is_of_extension=True)]
    assert loaded(plan(tables, include_tables=("a", "spatial_ref_sys"))) == ["a", "spatial_ref_sys"]
    assert loaded(plan(tables, include_tables=("*",))) == ["a"]


def test_columns_of_the_export_alone_may_be_left_out() -> None:
    wide = ID.append(pa.field("old", pa.int32()))
    made = plan([A], [Source("public.a", schema=wide)], ignore_extra_columns=("a.old",))
    assert made.problems == ()
    assert [entry.name for entry in made.tables[0].columns] == ["id"]
    assert made.notes == ("columns of public.a in the export but not in the target, and left out: old",)


def test_a_part_that_cannot_be_counted_is_a_problem_although_its_table_is_not_loaded() -> None:
    broken = PartError("shop/public.p/1/1.parquet is empty")
    made = plan(LEAVES, [Source("public.p", (2, broken)), *ALL_LEAVES[1:2]])
    assert loaded(made) == ["p1"]
    assert made.problems == (broken,)


def test_problems_of_an_extra_table_go_with_it() -> None:
    broken = Source("public.old", problems=(LayoutError("public.old has no _SUCCESS"),))
    assert len(plan([A], [Source("public.a"), broken]).problems) == 2
    assert plan([A], [Source("public.a"), broken], ignore_extra_tables=("old",)).problems == ()
