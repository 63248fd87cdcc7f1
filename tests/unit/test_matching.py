from __future__ import annotations

from dbrestore.planning.matching import match_tables
from dbrestore.planning.renames import Renames
from dbrestore.target.catalog import TableKind
from tests.unit.plans import Source, table


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
    [clash] = match.clashes
    assert clash.oids == {1, 2}
    assert clash.problem.message == 'the export\'s a.b.c could be "a"."b.c" or "a.b"."c" of the target'


def test_a_foreign_table_takes_no_rows() -> None:
    match = match_tables([Source("public.remote").exported], [table(1, "remote", kind=TableKind.FOREIGN)])
    assert [source.name for source in match.extra] == ["public.remote"]


def test_tables_that_the_target_lacks_are_extra() -> None:
    match = match_tables([Source("public.b").exported, Source("public.a").exported], [])
    assert [source.name for source in match.extra] == ["public.b", "public.a"]


def matched(sources: list[str], names: list[str], **renames: dict[str, str]) -> dict[str, str]:
    """The names of the target by those of the export."""
    tables = [table(oid, name.split(".", 1)[1], schema=name.split(".")[0]) for oid, name in enumerate(names)]
    match = match_tables([Source(name).exported for name in sources], tables, Renames(**renames))
    return {source.name: tables[oid].dotted for oid, source in match.exported.items()}


def test_a_schema_that_is_mapped_takes_its_tables_along() -> None:
    renamed = matched(["old.a", "old.b", "public.a"], ["new.a", "new.b", "public.a"], schemas={"old": "new"})
    assert renamed == {"old.a": "new.a", "old.b": "new.b", "public.a": "public.a"}


def test_two_schemas_may_go_into_one_and_change_places() -> None:
    assert matched(["x.a", "y.b"], ["z.a", "z.b"], schemas={"x": "z", "y": "z"}) == {"x.a": "z.a", "y.b": "z.b"}
    assert matched(["x.a", "y.a"], ["x.a", "y.a"], schemas={"x": "y", "y": "x"}) == {"x.a": "y.a", "y.a": "x.a"}


def test_a_table_that_is_mapped_goes_before_its_schema() -> None:
    names = ["new.a", "new.b", "archive.first"]
    renamed = matched(["old.a", "old.b"], names, schemas={"old": "new"}, tables={"old.a": "archive.first"})
    assert renamed == {"old.a": "archive.first", "old.b": "new.b"}


def test_a_table_with_dots_in_its_name_is_mapped_by_all_of_it() -> None:
    renamed = matched(["a.b.c"], ["public.plain"], tables={"a.b.c": "public.plain"})
    assert renamed == {"a.b.c": "public.plain"}


def test_two_tables_of_the_export_for_one_of_the_target_are_a_clash() -> None:
    sources = [Source("public.a").exported, Source("public.b").exported]
    match = match_tables(sources, [table(1, "b")], Renames(tables={"public.a": "public.b"}))
    [clash] = match.clashes
    assert clash.problem.message == "both public.a and public.b of the export would go into public.b"
