from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from dbrestore.target.catalog import NO_TYPMOD, Catalog, Column, Table, TableKind, Type, read_catalog

if TYPE_CHECKING:
    from dbrestore.testing.databases import Database, MakeDatabase


async def read(database: Database, sql: str = "", user: str | None = None) -> Catalog:
    if sql:
        database.execute(sql)
    connection = await asyncpg.connect(database.dsn, user=user, server_settings={"row_security": "off"})
    try:
        return await read_catalog(connection)
    finally:
        await connection.close()


def by_name(catalog: Catalog) -> dict[str, Table]:
    return {table.dotted: table for table in catalog.tables}


def columns(catalog: Catalog, table: str) -> dict[str, Column]:
    return {column.name: column for column in by_name(catalog)[table].columns}


async def test_an_empty_database_has_no_tables(database: Database) -> None:
    catalog = await read(database)
    assert (catalog.database, catalog.tables) == (database.name, ())
    assert catalog.server_version // 10000 == database.server.major_version


async def test_only_tables_of_the_users_are_listed_by_schema_and_name(database: Database) -> None:
    catalog = await read(
        database,
        """
        CREATE SCHEMA staff; CREATE SCHEMA dbrestore;
        CREATE TABLE staff.people (id int); CREATE TABLE items (id int); CREATE TABLE dbrestore.journal (id int);
        CREATE VIEW shown AS SELECT * FROM items; CREATE MATERIALIZED VIEW kept AS SELECT * FROM items;
        CREATE SEQUENCE numbers; CREATE TYPE pair AS (a int, b int); CREATE INDEX ON items (id);
        """,
    )
    assert list(by_name(catalog)) == ["public.items", "staff.people"]


async def test_columns_come_in_the_order_of_the_table_without_those_dropped(database: Database) -> None:
    sql = "CREATE TABLE items (z int, gone int, a int); ALTER TABLE items DROP gone"
    assert list(columns(await read(database, sql), "public.items")) == ["z", "a"]


async def test_a_domain_is_the_type_and_the_typmod_that_it_is_over(database: Database) -> None:
    catalog = await read(
        database,
        """
        CREATE DOMAIN price AS numeric(10, 2); CREATE DOMAIN fee AS price CHECK (VALUE > 0);
        CREATE TABLE items (plain numeric(6, 1), price price, fee fee);
        """,
    )
    found = columns(catalog, "public.items")
    assert {name: column.type for name, column in found.items()} == {
        "plain": Type(1700, "numeric_recv", (6 << 16 | 1) + 4, None),
        "price": Type(1700, "numeric_recv", (10 << 16 | 2) + 4, None),
        "fee": Type(1700, "numeric_recv", (10 << 16 | 2) + 4, None),
    }
    assert [column.type_name for column in found.values()] == ["numeric(6,1)", "public.price", "public.fee"]


async def test_an_array_is_known_by_its_elements_with_its_typmod(database: Database) -> None:
    sql = """
        CREATE DOMAIN codes AS varchar(5)[]; CREATE DOMAIN code AS text;
        CREATE TABLE items (a int[], b numeric(6, 1)[][], c codes, d code[], e box[], f int2vector);
    """
    found = columns(await read(database, sql), "public.items")
    assert [column.type.receive for column in found.values()] == ["array_recv"] * 5 + ["int2vectorrecv"]
    assert [column.type.element for column in found.values()] == [
        Type(23, "int4recv", NO_TYPMOD, None),
        Type(1700, "numeric_recv", (6 << 16 | 1) + 4, None),
        Type(1043, "varcharrecv", 5 + 4, None),
        None,
        None,
        None,
    ]


async def test_an_enum_is_one_under_a_domain_and_in_an_array_as_well(database: Database) -> None:
    sql = """
        CREATE TYPE mood AS ENUM ('sad'); CREATE DOMAIN good_mood AS mood;
        CREATE TABLE items (a mood, b good_mood, c mood[], d text);
    """
    a, b, c, d = columns(await read(database, sql), "public.items").values()
    assert (a.type.receive, b.type, d.type.receive) == ("enum_recv", a.type, "textrecv")
    assert c.type.element == a.type


async def test_a_receive_function_is_named_with_the_extension_that_owns_it(
    database: Database, make_database: MakeDatabase
) -> None:
    sql = "CREATE SCHEMA ours; CREATE EXTENSION citext SCHEMA ours; CREATE TABLE items (a ours.citext, b ours.citext[])"
    a, b = columns(await read(database, sql), "public.items").values()
    assert a.type.receive == "citext.citextrecv"
    assert b.type.element == a.type


async def test_a_receive_function_of_a_user_has_no_name(database: Database) -> None:
    sql = """
        CREATE TYPE mine;
        CREATE FUNCTION mine_in(cstring) RETURNS mine LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
        CREATE FUNCTION mine_out(mine) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
        CREATE FUNCTION int4recv(internal) RETURNS mine LANGUAGE internal IMMUTABLE STRICT AS 'int4recv';
        CREATE TYPE mine (INPUT = mine_in, OUTPUT = mine_out, RECEIVE = public.int4recv, LIKE = int4);
        CREATE TABLE items (a mine, b int4);
    """
    a, b = columns(await read(database, sql), "public.items").values()
    assert (a.type.receive, b.type.receive) == ("", "int4recv")


async def test_what_the_server_fills_in_is_marked(database: Database) -> None:
    sql = """
        CREATE TABLE items (
            id int GENERATED ALWAYS AS IDENTITY, number serial,
            twice int GENERATED ALWAYS AS (number * 2) STORED, word text
        )
    """
    found = columns(await read(database, sql), "public.items").values()
    assert [column.is_identity for column in found] == [True, False, False, False]
    assert [column.is_generated for column in found] == [False, False, True, False]
    assert [column.is_not_null for column in found] == [True, True, False, False]
    assert [column.has_default for column in found] == [False, True, True, False]


PARTITIONS = """
    CREATE TABLE days (day date PRIMARY KEY) PARTITION BY RANGE (day);
    CREATE TABLE days_old PARTITION OF days FOR VALUES FROM ('2000-01-01') TO ('2020-01-01');
    CREATE TABLE days_new PARTITION OF days FOR VALUES FROM ('2020-01-01') TO ('2030-01-01') PARTITION BY RANGE (day);
    CREATE TABLE days_2020 PARTITION OF days_new FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
"""


async def test_partitions_at_any_depth_know_their_parents(database: Database) -> None:
    tables = by_name(await read(database, PARTITIONS))
    names = {table.oid: table.name for table in tables.values()}
    assert {table.name: (table.kind, names.get(table.parent or 0)) for table in tables.values()} == {
        "days": (TableKind.PARTITIONED, None),
        "days_old": (TableKind.TABLE, "days"),
        "days_new": (TableKind.PARTITIONED, "days"),
        "days_2020": (TableKind.TABLE, "days_new"),
    }
    assert not any(table.inherits for table in tables.values())


async def test_inheritance_is_no_partitioning(database: Database) -> None:
    tables = by_name(await read(database, "CREATE TABLE base (id int); CREATE TABLE heir () INHERITS (base)"))
    base, heir = tables.values()
    assert (base.inherits, heir.inherits) == ((), (base.oid,))
    assert [table.parent for table in tables.values()] == [None, None]


async def test_unlogged_and_filled_tables_are_marked(database: Database) -> None:
    sql = """
        CREATE UNLOGGED TABLE cache (id int); CREATE TABLE full_one (id int); CREATE TABLE emptied (id int);
        INSERT INTO full_one VALUES (1); INSERT INTO emptied VALUES (1); DELETE FROM emptied;
        INSERT INTO days VALUES ('2020-05-05');
        CREATE TABLE no_columns (); INSERT INTO no_columns DEFAULT VALUES;
    """
    catalog = await read(database, PARTITIONS + sql)
    assert [table.name for table in catalog.tables if table.is_unlogged] == ["cache"]
    assert {table.name for table in catalog.tables if table.oid in catalog.filled} == {
        "full_one",
        "days_2020",
        "no_columns",
    }


async def test_rows_of_more_tables_than_one_query_looks_into_are_found(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbrestore.target.catalog.EMPTINESS_CHUNK", 2)
    sql = "".join(f"CREATE TABLE t{number} AS SELECT 1 AS id;" for number in range(5))
    assert len((await read(database, sql)).filled) == 5


async def test_a_table_of_an_extension_is_marked(database: Database) -> None:
    sql = """
        CREATE EXTENSION pg_trgm; CREATE TABLE registered (id int); CREATE TABLE ours (id int);
        ALTER EXTENSION pg_trgm ADD TABLE registered;
    """
    assert [table.is_of_extension for table in (await read(database, sql)).tables] == [False, True]


async def test_names_are_read_as_they_are(database: Database) -> None:
    name = 'Ünïcode "quoted".dotted'
    quoted = name.replace('"', '""')
    catalog = await read(database, f'CREATE SCHEMA "S.1"; CREATE TABLE "S.1"."{quoted}" ("Col "" 1" int)')
    [table] = catalog.tables
    assert (table.schema, table.name) == ("S.1", name)
    assert table.dotted == f"S.1.{name}"
    assert table.sql == f'"S.1"."{quoted}"'
    assert [column.name for column in table.columns] == ['Col " 1']


@pytest.fixture
def guarded(make_database: MakeDatabase) -> Database:
    """Tables of which the role ``guest`` (of this database alone) may use some."""
    database = make_database()
    database.execute(
        f"""
        CREATE ROLE "guest_{database.name}" LOGIN; CREATE SCHEMA closed; CREATE SCHEMA hidden;
        CREATE TABLE a_both (id int); CREATE TABLE b_select (id int); CREATE TABLE c_none AS SELECT 1 AS id;
        CREATE TABLE closed.d_closed (id int);
        GRANT SELECT, INSERT ON a_both, closed.d_closed TO "guest_{database.name}";
        GRANT SELECT ON b_select TO "guest_{database.name}";
        """
    )
    return database


async def test_only_what_the_role_may_read_and_write_is_writable(guarded: Database) -> None:
    catalog = await read(guarded, user=f"guest_{guarded.name}")
    assert {table.name: table.is_writable for table in catalog.tables} == {
        "a_both": True,
        "b_select": False,
        "c_none": False,
        "d_closed": False,
    }
    assert catalog.filled == frozenset()


async def test_what_the_role_may_truncate_is_marked(guarded: Database) -> None:
    guarded.execute(f'GRANT TRUNCATE ON b_select TO "guest_{guarded.name}"')
    catalog = await read(guarded, user=f"guest_{guarded.name}")
    assert [table.name for table in catalog.tables if table.is_truncatable] == ["b_select"]


async def test_a_domain_may_stand_for_not_null_and_default(database: Database) -> None:
    sql = """
        CREATE DOMAIN given AS int NOT NULL; CREATE DOMAIN usual AS int DEFAULT 7; CREATE DOMAIN own AS usual;
        CREATE TABLE items (a int, b given, c usual, d own);
    """
    found = columns(await read(database, sql), "public.items").values()
    assert [column.is_not_null for column in found] == [False, True, False, False]
    assert [column.has_default for column in found] == [False, False, True, True]


ROW_SECURITY = """
    CREATE TABLE free AS SELECT 1 AS id; CREATE TABLE enabled AS SELECT 1 AS id; CREATE TABLE forced AS SELECT 1 AS id;
    ALTER TABLE enabled ENABLE ROW LEVEL SECURITY;
    ALTER TABLE forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
"""


@pytest.mark.parametrize(
    ("attributes", "filtering"),
    [
        ("NOBYPASSRLS", {"forced"}),
        ("NOBYPASSRLS; ALTER TABLE forced NO FORCE ROW LEVEL SECURITY", set()),
        ("BYPASSRLS", set()),
    ],
)
async def test_row_security_is_told_where_it_applies_to_the_owner(
    attributes: str, filtering: set[str], database: Database
) -> None:
    role = f"owner_{database.name}"
    database.execute(ROW_SECURITY + f"CREATE ROLE {role} LOGIN {attributes};")
    database.execute("".join(f"ALTER TABLE {table} OWNER TO {role};" for table in ("free", "enabled", "forced")))
    catalog = await read(database, user=role)
    assert {table.name for table in catalog.tables if table.filters_rows} == filtering
    assert {table.name for table in catalog.tables if table.oid in catalog.filled} == (
        {"free", "enabled", "forced"} - filtering
    )


async def test_row_security_applies_to_who_may_write_and_does_not_own(guarded: Database) -> None:
    guarded.execute("ALTER TABLE a_both ENABLE ROW LEVEL SECURITY; INSERT INTO a_both VALUES (1)")
    catalog = await read(guarded, user=f"guest_{guarded.name}")
    assert [table.name for table in catalog.tables if table.filters_rows] == ["a_both"]
    assert catalog.filled == frozenset()
