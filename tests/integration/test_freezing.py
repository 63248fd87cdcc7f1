from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from dbrestore import load
from dbrestore.cluster.options import ClusterOptions
from dbrestore.planning.choices import IfNotEmpty
from dbrestore.target.catalog import read_catalog
from dbrestore.target.deferral.policy import ForeignKeys, Policy
from dbrestore.target.freezing import make_new
from dbrestore.testing.databases import create_database
from dbrestore.testing.postgres import PostgresServer
from tests.integration.owner import create_owner
from tests.integration.round_trip import export_database, fetch, restore_export

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dbrestore.testing.dask import DaskCluster
    from dbrestore.testing.databases import Database

FROZEN_BITS = 0x0300
"""HEAP_XMIN_FROZEN, src/include/access/htup_details.h."""
ITEMS = "CREATE TABLE items (id int, word text)"
FILL = "INSERT INTO items SELECT n, md5(n::text) FROM generate_series(1, 300) AS n"
FILL_MUCH = "INSERT INTO items SELECT n, md5(n::text) || md5(n || 'b') FROM generate_series(1, 60000) AS n"
"""More than FREEZE_BYTES, which is not another in the processes of workers."""


@pytest.fixture(autouse=True)
def _small_tables_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "FREEZE_BYTES", 0)


async def is_frozen(database: Database, table: str = "items") -> bool:
    """Whether the rows of the table's first page are."""
    database.execute("CREATE EXTENSION IF NOT EXISTS pageinspect")
    bits = f"t_infomask & {FROZEN_BITS} = {FROZEN_BITS}"
    [[found]] = await fetch(database, f"SELECT bool_and({bits}) FROM heap_page_items(get_raw_page('{table}', 0))")
    assert found is not None, "there are no rows"
    return bool(found)


async def export_items(database: Database, folder: Path, target: str = ITEMS, rows_per_part: int = 1000) -> Path:
    database.execute(f"{ITEMS}; {FILL}")
    exported = await export_database(database, folder, rows_per_part=rows_per_part)
    database.execute(f"DROP TABLE items; {target}")
    return exported


async def count(database: Database, table: str = "items") -> int:
    [[found]] = await fetch(database, f"SELECT count(*) FROM {table}")
    return int(found)


async def test_a_table_that_one_copy_loads_is_frozen_for_a_role_that_owns_no_more_than_it(
    database: Database, tmp_path: Path
) -> None:
    exported = await export_items(database, tmp_path, target="")
    role = create_owner(database, f"{ITEMS}; CREATE INDEX ON items (id)")
    database.execute(f"GRANT CREATE ON DATABASE {database.name} TO {role}")
    await restore_export(exported, database, user=role)
    assert await is_frozen(database)
    assert await count(database) == 300


async def test_a_partition_is_frozen(database: Database, tmp_path: Path) -> None:
    target = """
        CREATE TABLE items (id int, word text) PARTITION BY RANGE (id);
        CREATE TABLE low PARTITION OF items FOR VALUES FROM (0) TO (200);
        CREATE TABLE high PARTITION OF items FOR VALUES FROM (200) TO (1000);
    """
    database.execute(f"{target}; {FILL}")
    exported = await export_database(database, tmp_path)
    database.execute("TRUNCATE items")
    await restore_export(exported, database)
    assert await is_frozen(database, "low")
    assert await is_frozen(database, "high")


async def test_a_table_of_several_copies_is_not_frozen(database: Database, tmp_path: Path) -> None:
    exported = await export_items(database, tmp_path, rows_per_part=100)
    await restore_export(exported, database)
    assert not await is_frozen(database)
    assert await count(database) == 300


def _nothing(_: Database) -> None:
    pass


def _with_a_row(database: Database) -> None:
    database.execute("INSERT INTO items VALUES (0, 'kept')")


@pytest.mark.parametrize(
    ("target", "prepare", "rows"),
    [
        (ITEMS, _with_a_row, 301),
        (f"{ITEMS}; ALTER TABLE items ADD UNIQUE (id); CREATE TABLE r (i int REFERENCES items (id))", _nothing, 300),
    ],
    ids=["rows to keep", "a foreign key"],
)
async def test_a_table_that_may_not_be_truncated_is_loaded_without_freezing(
    target: str, prepare: Callable[[Database], None], rows: int, database: Database, tmp_path: Path
) -> None:
    exported = await export_items(database, tmp_path, target)
    prepare(database)
    policy = Policy(ForeignKeys.ORDERED)
    await restore_export(
        exported, database, policy=policy, if_not_empty=IfNotEmpty.APPEND, ignore_missing_tables=("public.r",)
    )
    assert not await is_frozen(database)
    assert await count(database) == rows


async def test_a_table_with_a_trigger_is_left_as_it_is(database: Database) -> None:
    database.execute(f"""
        {ITEMS}; CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER t AFTER TRUNCATE ON items EXECUTE FUNCTION nothing();
    """)
    async with database.connect() as connection:
        [items] = (await read_catalog(connection)).tables
        async with connection.transaction():
            assert not await make_new(connection, items)
            await connection.execute("ALTER TABLE items DISABLE TRIGGER t")
            assert await make_new(connection, items)


@pytest.mark.parametrize("rows_per_part", [60000, 30000])
async def test_a_worker_freezes_what_it_loads_as_a_whole(
    rows_per_part: int, database: Database, tmp_path: Path, dask_cluster: DaskCluster
) -> None:
    database.execute(f"{ITEMS}; {FILL_MUCH}")
    exported = await export_database(database, tmp_path, rows_per_part=rows_per_part)
    assert min(part.stat().st_size for part in exported.rglob("*.parquet")) >= 1024**2
    database.execute("TRUNCATE items")
    await restore_export(exported, database, cluster=ClusterOptions(scheduler=dask_cluster.address))
    assert await is_frozen(database) == (rows_per_part == 60000)
    assert await count(database) == 60000


async def test_a_table_that_somebody_is_reading_is_not_waited_for(database: Database, tmp_path: Path) -> None:
    exported = await export_items(database, tmp_path)
    async with database.connect() as reader, reader.transaction():
        await reader.fetch("SELECT FROM items")
        async with asyncio.timeout(30):
            await restore_export(exported, database)
    assert not await is_frozen(database)


@pytest.fixture(scope="module")
def minimal_server() -> Iterator[PostgresServer]:
    with PostgresServer.start({"wal_level": "minimal", "max_wal_senders": "0"}) as server:
        yield server


async def test_without_wal_all_parts_of_a_small_table_go_in_one_copy(
    minimal_server: PostgresServer, tmp_path: Path
) -> None:
    database = create_database(minimal_server)
    database.execute(
        f"{ITEMS}; INSERT INTO items SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 9000) AS n"
    )
    exported = await export_database(database, tmp_path, rows_per_part=3000)
    database.execute("TRUNCATE items; CHECKPOINT")
    [[before]] = await fetch(database, "SELECT pg_current_wal_insert_lsn()::text")
    await restore_export(exported, database, jobs=1)
    [[written]] = await fetch(database, f"SELECT (pg_current_wal_insert_lsn() - '{before}'::pg_lsn)::bigint")
    [[size]] = await fetch(database, "SELECT pg_table_size('items')")
    assert written < size / 2
    assert await is_frozen(database)
