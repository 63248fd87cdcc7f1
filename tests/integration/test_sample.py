from __future__ import annotations

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

import pytest

from dbrestore.testing.compare import differences, read_contents
from dbrestore.testing.sample import Sample, create_schema, data_sql, fill, schema_sql

if TYPE_CHECKING:
    from dbrestore.testing.databases import Database, MakeDatabase, MakeTemplate

DOCUMENTED_TYPES = {
    "smallint", "integer", "bigint", "real", "double precision", "boolean", "bytea", "numeric", "money", "character",
    "character varying", "text", "name", '"char"', "json", "jsonb", "xml", "uuid", "date",
    "time without time zone", "time with time zone", "timestamp without time zone", "timestamp with time zone",
    "interval", "bit", "bit varying", "inet", "cidr", "macaddr", "macaddr8", "point", "line", "lseg", "box", "path",
    "polygon", "circle", "tsvector", "tsquery", "pg_lsn", "int4range", "int8range", "numrange", "daterange", "tsrange",
    "tstzrange", "integer[]", "text[]", "every_type.mood", "every_type.address", "every_type.positive",
}  # fmt: skip

FOREIGN_KEYS = """
    SELECT DISTINCT conrelid::regclass::text AS child, confrelid::regclass::text AS parent
    FROM pg_constraint WHERE contype = 'f'
"""


@pytest.fixture
def shop(make_database: MakeDatabase, template: MakeTemplate) -> Database:
    return make_database(template("shop", schema_sql() + data_sql()))


async def changed(make_database: MakeDatabase, template: MakeTemplate, sql: str) -> list[str]:
    """What sets a copy of a small table apart after ``sql``."""
    small = template(
        "small",
        """
        CREATE TABLE items (id integer, word text, ratio double precision);
        INSERT INTO items VALUES (1, 'a', 0.1), (2, '', 0), (3, NULL, NULL), (4, E'b\\nc', 1), (4, E'b\\nc', 1);
        """,
    )
    ours, theirs = make_database(small), make_database(small)
    async with ours.connect() as source, theirs.connect() as target:
        await target.execute(sql)
        return await differences(source, target)


async def test_the_shop_has_about_a_hundred_thousand_rows_in_many_tables(shop: Database) -> None:
    async with shop.connect() as connection:
        contents = await read_contents(connection)
    assert len(contents) == 14
    assert {name.split(".")[0] for name in contents} == {"public", "staff"}
    assert 95_000 < sum(content.rows for content in contents.values()) < 110_000
    assert [name for name, content in contents.items() if not content.rows] == ["public.returns"]
    assert 'public."PaymentMethods"' in contents


async def test_the_shops_foreign_keys_have_six_levels_and_one_kind_of_loop(shop: Database) -> None:
    async with shop.connect() as connection:
        keys = [(record["child"], record["parent"]) for record in await connection.fetch(FOREIGN_KEYS)]
    assert {child for child, parent in keys if child == parent} == {"categories", "staff.employees"}
    levels: dict[str, int] = {}
    graph = {child: {parent for c, parent in keys if c == child != parent} for child, _ in keys}
    for table in TopologicalSorter(graph).static_order():
        levels[table] = 1 + max((levels[parent] for parent in graph.get(table, ())), default=-1)
    assert max(levels.values()) == 5


@pytest.mark.parametrize("sample", list(Sample))
async def test_a_sample_is_the_same_every_time(make_database: MakeDatabase, sample: Sample) -> None:
    async with make_database().connect() as source, make_database().connect() as target:
        for connection in (source, target):
            await create_schema(connection, sample)
        assert await differences(source, target) == []
        await fill(source, sample)
        assert await differences(source, target) != []
        await fill(target, sample)
        assert await differences(source, target) == []


async def test_every_type_of_the_documentation_has_a_column(database: Database) -> None:
    async with database.connect() as connection:
        await create_schema(connection, Sample.EVERY_TYPE)
        types = await connection.fetch(
            "SELECT DISTINCT format_type(atttypid, NULL) AS name FROM pg_attribute WHERE attnum > 0"
            " AND attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'every_type'::regnamespace)"
        )
    assert DOCUMENTED_TYPES - {record["name"] for record in types} == set()


async def test_every_column_of_every_type_is_null_in_some_row_and_not_in_another(database: Database) -> None:
    async with database.connect() as connection:
        await create_schema(connection, Sample.EVERY_TYPE)
        await fill(connection, Sample.EVERY_TYPE)
        columns = (await read_contents(connection))["every_type.wide"].columns
        counts = ", ".join(f"count({column})" for column in columns if column not in ("id", "c_xml"))
        total, *filled = await connection.fetchrow(f"SELECT count(*), {counts} FROM every_type.wide")
    assert set(filled) == {total - 1}


async def test_physical_order_and_session_settings_make_no_difference(
    make_database: MakeDatabase, template: MakeTemplate
) -> None:
    move_first_row = "UPDATE items SET word = word WHERE id = 1; SET extra_float_digits = -10; SET search_path = ''"
    assert await changed(make_database, template, move_first_row) == []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE items SET word = 'A' WHERE id = 1",
        "UPDATE items SET word = NULL WHERE id = 2",
        "UPDATE items SET word = '' WHERE id = 3",
        "UPDATE items SET ratio = 0.1 + 1e-17 * 2 WHERE id = 1",
        "UPDATE items SET ratio = '-0' WHERE id = 2",
        "UPDATE items SET id = id + 1 - 2 * (id % 2) WHERE id < 3",
    ],
)
async def test_another_value_is_a_difference(make_database: MakeDatabase, template: MakeTemplate, sql: str) -> None:
    assert await changed(make_database, template, sql) == ["public.items: 5 rows on both sides, with other values"]


async def test_one_of_two_equal_rows_missing_is_a_difference(
    make_database: MakeDatabase, template: MakeTemplate
) -> None:
    delete_one = "DELETE FROM items WHERE ctid = (SELECT max(ctid) FROM items)"
    assert await changed(make_database, template, delete_one) == ["public.items: 5 rows in the source, 4 in the target"]


async def test_tables_of_one_side_are_differences(make_database: MakeDatabase, template: MakeTemplate) -> None:
    assert await changed(make_database, template, "ALTER TABLE items RENAME TO other") == [
        "public.items: missing in the target",
        "public.other: missing in the source",
    ]


async def test_another_column_is_a_difference(make_database: MakeDatabase, template: MakeTemplate) -> None:
    assert await changed(make_database, template, "ALTER TABLE items DROP COLUMN word") == [
        "public.items: columns id, ratio, word in the source, id, ratio in the target"
    ]


async def test_the_order_of_columns_makes_no_difference(make_database: MakeDatabase, template: MakeTemplate) -> None:
    reorder = """
        ALTER TABLE items ADD moved integer;
        UPDATE items SET moved = id;
        ALTER TABLE items DROP id;
        ALTER TABLE items RENAME moved TO id;
    """
    assert await changed(make_database, template, reorder) == []
