from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbrestore.errors import DataError
from dbrestore.target.views import Refresh, plan_refreshes, read_views, refresh
from tests.integration.owner import connected, create_owner
from tests.integration.round_trip import fetch

if TYPE_CHECKING:
    import asyncpg

    from dbrestore.testing.databases import Database


async def refresh_all(connection: asyncpg.Connection) -> list[str]:
    """The warnings of refreshing all views, each one after those that it has to wait for."""
    waiting = list(plan_refreshes(await read_views(connection)))
    done: set[int] = set()
    warnings: list[str] = []
    while waiting:
        for ready in [entry for entry in waiting if entry.after <= done]:
            warnings += await refresh(connection, ready.view)
            done.add(ready.view.oid)
            waiting.remove(ready)
    return warnings


async def planned(database: Database) -> dict[str, set[str]]:
    async with database.connect() as connection:
        refreshes: tuple[Refresh, ...] = plan_refreshes(await read_views(connection))
    names = {entry.view.oid: entry.view.dotted for entry in refreshes}
    return {entry.view.dotted: {names[oid] for oid in entry.after} for entry in refreshes}


CHAIN = """
    CREATE TABLE items (id int);
    CREATE MATERIALIZED VIEW z AS SELECT id FROM items WITH NO DATA;
    CREATE VIEW plain AS SELECT id FROM z;
    CREATE VIEW on_plain AS SELECT id FROM plain;
    CREATE MATERIALIZED VIEW a AS SELECT id + 1 AS id FROM on_plain WITH NO DATA;
    CREATE UNIQUE INDEX ON a (id);
    CREATE MATERIALIZED VIEW "The ""M"" too" AS SELECT a.id FROM a JOIN items USING (id) WITH DATA;
    INSERT INTO items VALUES (1), (2);
"""


async def test_views_are_refreshed_after_those_that_they_read(database: Database) -> None:
    role = create_owner(database, CHAIN.replace("WITH DATA", "WITH NO DATA"))
    assert await planned(database) == {
        "public.z": set(),
        "public.a": {"public.z"},
        'public.The "M" too': {"public.a", "public.z"},
    }
    async with connected(database, role) as connection:
        assert await refresh_all(connection) == []
    assert await fetch(database, 'SELECT array_agg(id ORDER BY id) FROM "The ""M"" too"') == [([2],)]


async def test_a_view_that_has_data_is_refreshed_as_well(database: Database) -> None:
    sql = "CREATE TABLE items (id int); CREATE MATERIALIZED VIEW kept AS SELECT id FROM items;"
    role = create_owner(database, sql + "INSERT INTO items VALUES (1);")
    async with connected(database, role) as connection:
        assert await refresh_all(connection) == []
    assert await fetch(database, "SELECT id FROM kept") == [(1,)]


async def test_a_view_that_calls_a_function_comes_after_those_that_call_none(database: Database) -> None:
    role = create_owner(
        database,
        """
        CREATE TABLE items AS SELECT 1 AS id;
        CREATE MATERIALIZED VIEW z AS SELECT id FROM items WITH NO DATA;
        CREATE FUNCTION largest() RETURNS int LANGUAGE plpgsql STABLE AS $$
            BEGIN RETURN (SELECT max(id) FROM public.z); END $$;
        CREATE MATERIALIZED VIEW a AS SELECT public.largest() AS id WITH NO DATA;
        CREATE MATERIALIZED VIEW b AS SELECT id FROM a WITH NO DATA;
        CREATE FUNCTION next(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
        CREATE MATERIALIZED VIEW c AS SELECT next(id) FROM items WITH NO DATA;
        """,
    )
    assert await planned(database) == {
        "public.a": {"public.c", "public.z"},
        "public.b": {"public.a", "public.c", "public.z"},
        "public.c": set(),
        "public.z": set(),
    }
    async with connected(database, role) as connection:
        assert await refresh_all(connection) == []
    assert await fetch(database, "SELECT id FROM b") == [(1,)]


async def test_functions_whose_body_is_known_are_looked_into(database: Database) -> None:
    if database.server.major_version < 14:
        pytest.skip("BEGIN ATOMIC needs a server of version 14")
    database.execute(
        """
        CREATE TABLE items AS SELECT 1 AS id;
        CREATE MATERIALIZED VIEW z AS SELECT id FROM items;
        CREATE FUNCTION largest() RETURNS int BEGIN ATOMIC SELECT max(id) FROM z; END;
        CREATE MATERIALIZED VIEW a AS SELECT largest() AS id;
        CREATE FUNCTION loop() RETURNS int LANGUAGE sql AS 'SELECT 1';
        CREATE MATERIALIZED VIEW x AS SELECT loop() AS id; CREATE MATERIALIZED VIEW y AS SELECT id FROM x;
        CREATE OR REPLACE FUNCTION loop() RETURNS int BEGIN ATOMIC SELECT max(id) FROM y; END;
        """
    )
    refreshes = await planned(database)
    assert "public.z" in refreshes["public.a"]
    assert "public.y" not in refreshes["public.x"]
    assert "public.x" not in refreshes["public.y"]


async def test_views_of_extensions_are_left_alone(database: Database) -> None:
    database.execute(
        """
        CREATE EXTENSION pg_trgm; CREATE MATERIALIZED VIEW theirs AS SELECT 1 AS id;
        ALTER EXTENSION pg_trgm ADD MATERIALIZED VIEW theirs;
        """
    )
    assert await planned(database) == {}


async def test_a_view_of_somebody_else_is_told_of_and_the_others_are_refreshed(database: Database) -> None:
    role = create_owner(database, "CREATE TABLE items AS SELECT 1 AS id;")
    database.execute("CREATE MATERIALIZED VIEW theirs AS SELECT id FROM items WITH NO DATA")
    database.execute(f"SET ROLE {role}; CREATE MATERIALIZED VIEW ours AS SELECT id FROM items WITH NO DATA")
    async with connected(database, role) as connection:
        [warning] = await refresh_all(connection)
    assert warning.startswith("materialized view public.theirs is not refreshed: ")
    assert await fetch(database, "SELECT relname, relispopulated FROM pg_class WHERE relkind = 'm' ORDER BY 1") == [
        ("ours", True),
        ("theirs", False),
    ]


async def test_a_view_whose_query_fails_is_an_error_that_names_it(database: Database) -> None:
    sql = "CREATE TABLE items (id int); CREATE MATERIALIZED VIEW broken AS SELECT 1 / id FROM items;"
    database.execute(sql + "INSERT INTO items VALUES (0)")
    async with database.connect() as connection:
        with pytest.raises(DataError, match=r"refreshing materialized view public\.broken: division by zero"):
            await refresh_all(connection)
