from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbrestore.target.catalog import read_catalog
from dbrestore.target.connect import make_durable
from dbrestore.target.maintenance import Maintenance, maintain, plan_maintenance
from tests.integration.owner import connected, create_owner
from tests.integration.round_trip import fetch

if TYPE_CHECKING:
    from dbrestore.testing.databases import Database

TABLES = """
    CREATE TABLE items AS SELECT generate_series(1, 100) AS id;
    CREATE TABLE days (day date) PARTITION BY RANGE (day);
    CREATE TABLE days_old PARTITION OF days FOR VALUES FROM ('2000-01-01') TO ('2020-01-01');
    CREATE TABLE days_new PARTITION OF days DEFAULT PARTITION BY RANGE (day);
    CREATE TABLE days_2020 PARTITION OF days_new DEFAULT;
    INSERT INTO days SELECT '2019-12-01'::date + n FROM generate_series(0, 60) AS n;
"""


async def maintain_all(database: Database, role: str, *, analyze: bool, vacuum: bool) -> list[str]:
    """The warnings."""
    async with connected(database, role) as connection:
        catalog = await read_catalog(connection)
        loaded = catalog.filled
        await make_durable(connection)
        planned = plan_maintenance(
            catalog.tables,
            loaded,
            server_version=catalog.server_version,
            analyze=analyze,
            vacuum=loaded if vacuum else (),
        )
        return [warning for entry in planned for warning in await maintain(connection, [entry])]


@pytest.mark.parametrize("vacuum", [False, True])
async def test_tables_partitions_and_partitioned_tables_have_statistics_afterwards(
    vacuum: bool, database: Database
) -> None:
    role = create_owner(database, TABLES)
    assert await maintain_all(database, role, analyze=True, vacuum=vacuum) == []
    statistics = "SELECT tablename, inherited FROM pg_stats WHERE schemaname = 'public' ORDER BY 1, 2"
    assert await fetch(database, statistics) == [
        ("days", True),
        ("days_2020", False),
        ("days_new", True),
        ("days_old", False),
        ("items", False),
    ]


async def test_vacuum_freezes_every_page(database: Database) -> None:
    role = create_owner(database, TABLES)
    database.execute("CREATE EXTENSION pg_visibility")
    frozen = "SELECT (pg_visibility_map_summary(t::regclass)).all_frozen FROM unnest(ARRAY['items', 'days_old']) AS t"
    assert await fetch(database, frozen) == [(0,), (0,)]
    assert await maintain_all(database, role, analyze=False, vacuum=True) == []
    assert await fetch(database, frozen) == [(1,), (1,)]


async def test_a_table_of_somebody_else_is_told_of(database: Database) -> None:
    role = create_owner(database, "CREATE TABLE items AS SELECT 1 AS id;")
    database.execute(f"ALTER TABLE items OWNER TO CURRENT_USER; GRANT SELECT, INSERT ON items TO {role}")
    [warning] = await maintain_all(database, role, analyze=True, vacuum=False)
    assert warning.startswith('ANALYZE "public"."items": ')
    assert warning.endswith("skipping it") or "only table or database owner can analyze it" in warning


async def test_a_command_that_fails_is_told_of(database: Database) -> None:
    async with database.connect() as connection:
        gone = Maintenance(1, "public.gone", "ANALYZE", "public.gone")
        assert await maintain(connection, [gone]) == ['ANALYZE public.gone: relation "public.gone" does not exist']


async def test_of_several_tables_the_others_are_analyzed_where_one_fails(database: Database) -> None:
    database.execute("CREATE TABLE first AS SELECT 1 AS id; CREATE TABLE last AS SELECT 1 AS id")
    crowd = [Maintenance(1, f"public.{name}", "ANALYZE", f"public.{name}") for name in ("first", "gone", "last")]
    async with database.connect() as connection:
        assert await maintain(connection, crowd) == ['ANALYZE public.gone: relation "public.gone" does not exist']
    statistics = "SELECT tablename FROM pg_stats WHERE schemaname = 'public' ORDER BY 1"
    assert await fetch(database, statistics) == [("first",), ("last",)]
