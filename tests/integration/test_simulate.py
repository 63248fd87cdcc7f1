from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dbrestore.errors import LayoutError, PrivilegeError, TargetError, UsageError
from dbrestore.export.opening import SourceSettings
from dbrestore.simulate import open_destination, simulate
from dbrestore.testing.databases import Database
from dbrestore.testing.sample import Sample, data_sql, schema_sql

if TYPE_CHECKING:
    import asyncpg

    from dbrestore.simulate import Simulation
    from dbrestore.testing.databases import MakeDatabase, MakeTemplate
    from dbrestore.testing.postgres import PostgresServer

PART_NAME = re.compile(r"part-\d{5}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-c000\.gz\.parquet")
AWS_DATE = re.compile(r"[A-Z][a-z]{2} \d{1,2}, \d{4}, \d{1,2}:\d\d:\d\d [AP]M")


async def simulate_into(
    connection: asyncpg.Connection, destination: Path, *, export_id: str = "nightly", rows_per_part: int = 100_000
) -> Simulation:
    async with open_destination(str(destination), export_id, SourceSettings()) as files:
        return await simulate(connection, files, export_id=export_id, rows_per_part=rows_per_part)


async def export(database: Database, destination: Path, sql: str = "", rows_per_part: int = 100_000) -> Simulation:
    async with database.connect() as connection:
        if sql:
            await connection.execute(sql)
        return await simulate_into(connection, destination, rows_per_part=rows_per_part)


def folder_of(simulation: Simulation) -> Path:
    return Path(simulation.url)


def read_json(folder: Path, pattern: str) -> Any:
    [file] = folder.glob(pattern)
    return json.loads(file.read_text(encoding="utf-8"))


def entries(simulation: Simulation) -> list[dict[str, Any]]:
    document = read_json(folder_of(simulation), "export_tables_info_*.json")
    assert list(document) == ["perTableStatus"]
    listed: list[dict[str, Any]] = document["perTableStatus"]
    return listed


def table_folder(simulation: Simulation, table: str) -> Path:
    return folder_of(simulation) / simulation.database / table


def table_folders(simulation: Simulation) -> set[str]:
    return {folder.name for folder in (folder_of(simulation) / simulation.database).iterdir()}


def part_files(simulation: Simulation, table: str, batch: str = "1") -> list[Path]:
    return sorted((table_folder(simulation, table) / batch).glob("*.parquet"))


def read_rows(simulation: Simulation, table: str, batch: str = "1") -> pa.Table:
    return pa.concat_tables([pq.ParquetFile(part).read() for part in part_files(simulation, table, batch)])


async def test_the_tree_is_that_of_a_real_export(database: Database, tmp_path: Path) -> None:
    simulation = await export(database, tmp_path, "CREATE TABLE items AS SELECT 1 AS id")
    assert folder_of(simulation) == tmp_path / "nightly"
    assert {entry.name for entry in folder_of(simulation).iterdir()} == {
        "export_info_nightly.json",
        "export_tables_info_nightly_from_1_to_1.json",
        database.name,
    }
    assert table_folders(simulation) == {"public.items"}
    [batch] = table_folder(simulation, "public.items").iterdir()
    assert batch.name == "1"
    marker, part = sorted(batch.iterdir())
    assert (marker.name, marker.stat().st_size) == ("_SUCCESS", 0)
    assert PART_NAME.fullmatch(part.name)


async def test_export_info_has_the_keys_of_a_real_one(database: Database, tmp_path: Path) -> None:
    simulation = await export(database, tmp_path, "CREATE TABLE items AS SELECT 1 AS id")
    info = read_json(folder_of(simulation), "export_info_nightly.json")
    assert list(info) == [
        "exportTaskIdentifier", "sourceArn", "exportOnly", "snapshotTime", "taskStartTime", "taskEndTime", "s3Bucket",
        "s3Prefix", "exportedFilesPath", "iamRoleArn", "kmsKeyId", "status", "percentProgress", "totalExportedDataInGB",
    ]  # fmt: skip
    assert info["exportTaskIdentifier"] == info["exportedFilesPath"] == "nightly"
    assert info["sourceArn"].endswith(":snapshot:nightly")
    assert (info["exportOnly"], info["status"], info["percentProgress"]) == ([], "COMPLETE", 100)
    assert info["totalExportedDataInGB"] == 8192 / 1024**3
    assert all(AWS_DATE.fullmatch(info[key]) for key in ("snapshotTime", "taskStartTime", "taskEndTime"))


async def test_a_table_entry_has_the_keys_of_a_real_one(database: Database, tmp_path: Path) -> None:
    simulation = await export(database, tmp_path, "CREATE TABLE items AS SELECT generate_series(1, 5)", 2)
    [entry] = entries(simulation)
    assert list(entry) == ["target", "tableStatistics", "schemaMetadata", "status", "sizeGB"]
    assert entry["target"] == f"{database.name}.public.items"
    assert (entry["status"], entry["sizeGB"]) == ("COMPLETE", 8192 / 1024**3)
    statistics = entry["tableStatistics"]
    assert AWS_DATE.fullmatch(statistics["extractionStartTime"])
    assert AWS_DATE.fullmatch(statistics["extractionEndTime"])
    assert statistics["partitioningInfo"] == {
        "numberOfPartitions": 3,
        "numberOfCompletedPartitions": 3,
        "constraintType": "CTID",
        "partitionColumns": [{"columnType": "TID", "columnName": "ctid", "min": "(0,1)", "max": "(1,1)"}],
    }


async def test_columns_are_described_as_information_schema_does(database: Database, tmp_path: Path) -> None:
    simulation = await export(
        database,
        tmp_path,
        """
        CREATE TYPE mood AS ENUM ('sad');
        CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
        CREATE TABLE items (id bigint, gone text, name varchar(20), price numeric(8, 2), at timestamp(3),
            small smallint, tags text[], mood mood, positive positive, blob bytea, ratio real);
        ALTER TABLE items DROP COLUMN gone;
        """,
    )
    [entry] = entries(simulation)
    mappings = entry["schemaMetadata"]["originalTypeMappings"]
    assert mappings[0] == {
        "columnName": "id",
        "originalType": "bigint",
        "expectedExportedType": "int64",
        "originalCharMaxLength": 0,
        "originalNumPrecision": 64,
        "originalDateTimePrecision": 0,
        "ordinalPosition": 1,
    }
    assert [list(mapping.values()) for mapping in mappings[1:]] == [
        ["name", "character varying", "binary (UTF8)", 20, 0, 0, 3],
        ["price", "numeric", "binary (UTF8)", 0, 8, 0, 4],
        ["at", "timestamp without time zone", "binary (UTF8)", 0, 0, 3, 5],
        ["small", "smallint", "int32 (INT(16, true))", 0, 16, 0, 6],
        ["tags", "ARRAY", "binary (UTF8)", 0, 0, 0, 7],
        ["mood", "USER-DEFINED", "binary (UTF8)", 0, 0, 0, 8],
        ["positive", "integer", "binary (UTF8)", 0, 32, 0, 9],
        ["blob", "bytea", "binary", 0, 0, 0, 10],
        ["ratio", "real", "float", 0, 24, 0, 11],
    ]


async def test_every_type_has_its_parquet_type(database: Database, tmp_path: Path) -> None:
    simulation = await export(database, tmp_path, schema_sql(Sample.EVERY_TYPE) + data_sql(Sample.EVERY_TYPE))
    [part] = part_files(simulation, "every_type.wide")
    schema = pq.ParquetFile(part).schema
    columns = [schema.column(index) for index in range(len(schema.names))]
    typed = {
        column.name: (column.physical_type, column.converted_type)
        for column in columns
        if (column.physical_type, str(column.logical_type)) != ("BYTE_ARRAY", "String")
    }
    assert typed == {
        "id": ("INT64", "NONE"),
        "c_smallint": ("INT32", "INT_16"),
        "c_integer": ("INT32", "NONE"),
        "c_bigint": ("INT64", "NONE"),
        "c_real": ("FLOAT", "NONE"),
        "c_double": ("DOUBLE", "NONE"),
        "c_boolean": ("BOOLEAN", "NONE"),
        "c_bytea": ("BYTE_ARRAY", "NONE"),
    }
    assert {column.max_definition_level for column in columns} == {1}


async def test_parts_are_written_as_spark_writes_them(database: Database, tmp_path: Path) -> None:
    simulation = await export(
        database, tmp_path, "CREATE TABLE items AS SELECT i, i::text AS word FROM generate_series(1, 9) AS i"
    )
    [part] = part_files(simulation, "public.items")
    metadata = pq.read_metadata(part)
    assert metadata.format_version == "1.0"
    assert list(metadata.metadata) == [b"org.apache.spark.sql.parquet.row.metadata"]
    assert metadata.num_row_groups == 1
    chunks = [metadata.row_group(0).column(index) for index in range(2)]
    assert {chunk.compression for chunk in chunks} == {"GZIP"}
    assert all(chunk.is_stats_set for chunk in chunks)


@pytest.mark.parametrize("sample", [Sample.EVERY_TYPE, Sample.CONTRIB_TYPES])
async def test_every_value_is_what_the_server_says(
    make_database: MakeDatabase, template: MakeTemplate, tmp_path: Path, sample: Sample
) -> None:
    database = make_database(template(sample, schema_sql(sample) + data_sql(sample)))
    simulation = await export(database, tmp_path)
    assert simulation.tables
    async with database.connect() as connection:
        await connection.execute("SET timezone = 'UTC'; SET search_path = ''")
        for table in simulation.tables:
            exported = read_rows(simulation, table.source.full_name)
            expected = await rows_by_the_server(connection, exported.schema, table.source.full_name)
            actual = {name: [exact(value) for value in values] for name, values in exported.to_pydict().items()}
            assert actual == expected, table.source.full_name
            assert table.rows == exported.num_rows


async def rows_by_the_server(connection: asyncpg.Connection, schema: pa.Schema, table: str) -> dict[str, list[object]]:
    """Strings through the types' output functions, everything else through their binary send functions."""
    values = [
        f"CASE WHEN num_nulls({name}) = 0 THEN format('%s', {name}) END" if pa.types.is_string(type_) else name
        for name, type_ in zip(schema.names, schema.types, strict=True)
    ]
    records = await connection.fetch(f"SELECT {', '.join(values)} FROM {table}")
    columns = zip(*records, strict=True)
    return {name: [exact(value) for value in column] for name, column in zip(schema.names, columns, strict=True)}


def exact(value: object) -> object:
    """Tells -0.0 from 0.0, and makes NaN equal to itself."""
    return value.hex() if isinstance(value, float) else value


async def test_settings_of_the_session_change_nothing_and_stay(database: Database, tmp_path: Path) -> None:
    async with database.connect() as connection:
        await connection.execute(
            """
            CREATE TABLE items AS SELECT timestamptz '2025-10-27 11:55:19.5+00' AS at, interval '1 day 2 hours' AS span,
                '\\x00ff'::bytea AS blob, 0.1::double precision AS ratio;
            SET timezone = 'Asia/Kolkata'; SET datestyle = 'German'; SET intervalstyle = 'iso_8601';
            SET bytea_output = 'escape'; SET extra_float_digits = -5;
            """
        )
        simulation = await simulate_into(connection, tmp_path)
        assert await connection.fetchval("SELECT current_setting('timezone')") == "Asia/Kolkata"
    assert read_rows(simulation, "public.items").to_pylist() == [
        {"at": "2025-10-27 11:55:19.5+00", "span": "1 day 02:00:00", "blob": b"\x00\xff", "ratio": 0.1}
    ]


async def test_padding_of_char_is_kept(database: Database, tmp_path: Path) -> None:
    simulation = await export(database, tmp_path, "CREATE TABLE items AS SELECT 'ab'::char(5) AS code")
    assert read_rows(simulation, "public.items")["code"].to_pylist() == ["ab   "]


async def test_many_rows_are_parted(database: Database, tmp_path: Path) -> None:
    simulation = await export(database, tmp_path, "CREATE TABLE items AS SELECT generate_series(1, 25) AS id", 10)
    parts = part_files(simulation, "public.items")
    assert [part.name[:10] for part in parts] == ["part-00000", "part-00001", "part-00002"]
    assert [pq.read_metadata(part).num_rows for part in parts] == [10, 10, 5]
    assert read_rows(simulation, "public.items")["id"].to_pylist() == list(range(1, 26))


async def test_rows_larger_than_a_block_are_exported(database: Database, tmp_path: Path) -> None:
    simulation = await export(
        database,
        tmp_path,
        "CREATE TABLE items AS SELECT i, repeat(E'x\\n\"', 3000000 + i) AS long FROM generate_series(1, 3) AS i",
    )
    assert [len(value.as_py()) for value in read_rows(simulation, "public.items")["long"]] == [
        9000003, 9000006, 9000009,
    ]  # fmt: skip


async def test_an_empty_table_has_one_part_without_rows(database: Database, tmp_path: Path) -> None:
    simulation = await export(database, tmp_path, "CREATE TABLE items (id integer, word text)")
    [part] = part_files(simulation, "public.items")
    assert pq.read_metadata(part).num_rows == 0
    assert pq.ParquetFile(part).schema_arrow.names == ["id", "word"]
    assert (part.parent / "_SUCCESS").exists()


async def test_a_table_without_columns_is_exported(database: Database, tmp_path: Path) -> None:
    simulation = await export(database, tmp_path, "CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES")
    assert table_folders(simulation) == {"public.nothing"}


async def test_a_database_without_tables_is_listed_as_empty(database: Database, tmp_path: Path) -> None:
    simulation = await export(database, tmp_path)
    assert [entry["target"] for entry in entries(simulation)] == [database.name]
    assert simulation.tables == ()


async def test_rows_of_a_partitioned_table_are_exported_twice(database: Database, tmp_path: Path) -> None:
    simulation = await export(
        database,
        tmp_path,
        """
        CREATE TABLE events (id integer, year integer, note text) PARTITION BY LIST (year);
        CREATE TABLE events_2024 PARTITION OF events FOR VALUES IN (2024);
        CREATE TABLE events_2025 (note text, id integer, year integer);
        ALTER TABLE events ATTACH PARTITION events_2025 FOR VALUES IN (2025);
        CREATE TABLE events_rest PARTITION OF events DEFAULT PARTITION BY HASH (id);
        CREATE TABLE events_rest_0 PARTITION OF events_rest FOR VALUES WITH (MODULUS 1, REMAINDER 0);
        INSERT INTO events VALUES (1, 2024, 'a'), (2, 2025, 'b'), (3, 2025, 'c'), (4, 1999, 'd');
        """,
    )
    rows = {table.source.name: table.rows for table in simulation.tables}
    assert rows == {"events": 4, "events_2024": 1, "events_2025": 2, "events_rest": 1, "events_rest_0": 1}
    batches = [read_rows(simulation, "public.events", batch).to_pydict() for batch in ("1", "2", "3")]
    assert batches == [
        {"id": [1], "year": [2024], "note": ["a"]},
        {"id": [2, 3], "year": [2025, 2025], "note": ["b", "c"]},
        {"id": [4], "year": [1999], "note": ["d"]},
    ]
    assert sorted(folder.name for folder in table_folder(simulation, "public.events").iterdir()) == ["1", "2", "3"]
    assert read_rows(simulation, "public.events_2025")["id"].to_pylist() == [2, 3]


async def test_a_partitioned_table_without_partitions_is_exported_empty(database: Database, tmp_path: Path) -> None:
    simulation = await export(database, tmp_path, "CREATE TABLE events (id integer) PARTITION BY HASH (id)")
    assert read_rows(simulation, "public.events").num_rows == 0


async def test_a_parent_by_inheritance_is_exported_without_its_children(database: Database, tmp_path: Path) -> None:
    simulation = await export(
        database,
        tmp_path,
        """
        CREATE TABLE parent AS SELECT 1 AS id;
        CREATE TABLE child () INHERITS (parent);
        INSERT INTO child VALUES (2);
        """,
    )
    assert read_rows(simulation, "public.parent")["id"].to_pylist() == [1]
    assert read_rows(simulation, "public.child")["id"].to_pylist() == [2]


async def test_generated_columns_are_exported(database: Database, tmp_path: Path) -> None:
    simulation = await export(
        database,
        tmp_path,
        """
        CREATE TABLE items (id integer, twice integer GENERATED ALWAYS AS (id * 2) STORED);
        INSERT INTO items VALUES (4);
        """,
    )
    assert read_rows(simulation, "public.items").to_pylist() == [{"id": 4, "twice": 8}]


async def test_unusual_names_are_kept_in_the_manifest_and_replaced_in_paths(database: Database, tmp_path: Path) -> None:
    simulation = await export(
        database,
        tmp_path,
        """
        CREATE SCHEMA "My.Schema";
        CREATE TABLE "My.Schema"."Ünï.Cödé" AS SELECT 1 AS "Größe";
        CREATE TABLE "My.Schema"."a b\\c`d""e" AS SELECT 2 AS "select";
        """,
    )
    assert table_folders(simulation) == {"My.Schema.Ünï.Cödé", "My.Schema.a_b_c_d_e"}
    assert {entry["target"] for entry in entries(simulation)} == {
        f"{database.name}.My.Schema.Ünï.Cödé",
        f'{database.name}.My.Schema.a b\\c`d"e',
    }
    assert read_rows(simulation, "My.Schema.Ünï.Cödé").to_pylist() == [{"Größe": 1}]
    assert read_rows(simulation, "My.Schema.a_b_c_d_e").to_pylist() == [{"select": 2}]


async def test_what_aws_does_not_export_is_left_out(database: Database, tmp_path: Path) -> None:
    simulation = await export(
        database,
        tmp_path,
        """
        CREATE TABLE kept AS SELECT 1 AS id;
        CREATE TEMPORARY TABLE short_lived AS SELECT 1 AS id;
        CREATE UNLOGGED TABLE cache AS SELECT 1 AS id;
        CREATE TABLE "in/out" AS SELECT 1 AS id;
        CREATE TABLE spaced AS SELECT 1 AS "net price";
        CREATE VIEW seen AS SELECT * FROM kept;
        CREATE MATERIALIZED VIEW seen_before AS SELECT * FROM kept;
        CREATE FOREIGN DATA WRAPPER elsewhere;
        CREATE SERVER elsewhere FOREIGN DATA WRAPPER elsewhere;
        CREATE FOREIGN TABLE far_away (id integer) SERVER elsewhere;
        """,
    )
    assert table_folders(simulation) == {"public.kept"}
    assert [entry["target"] for entry in entries(simulation)] == [f"{database.name}.public.kept"]
    assert {skipped.table: skipped.reason for skipped in simulation.skipped} == {
        "public.cache": "it is unlogged or temporary",
        "public.in/out": "its name holds a slash",
        "public.spaced": "the column name 'net price' holds an unsupported character",
    }


async def test_tables_of_extensions_are_exported(database: Database, tmp_path: Path) -> None:
    simulation = await export(
        database,
        tmp_path,
        "CREATE TABLE settings AS SELECT 1 AS id; ALTER EXTENSION plpgsql ADD TABLE settings",
    )
    assert table_folders(simulation) == {"public.settings"}


async def test_all_tables_are_of_one_snapshot(database: Database, tmp_path: Path) -> None:
    async with database.connect() as connection, database.connect() as writer:
        await connection.execute("CREATE TABLE first AS SELECT 1 AS id; CREATE TABLE second AS SELECT 1 AS id")
        transaction = writer.transaction()
        await transaction.start()
        await writer.execute("LOCK TABLE second; INSERT INTO second VALUES (2); INSERT INTO first VALUES (2)")
        task = asyncio.create_task(simulate_into(connection, tmp_path))
        await until_blocked(writer, connection.get_server_pid())
        await transaction.commit()
        simulation = await task
    assert read_rows(simulation, "public.first")["id"].to_pylist() == [1]
    assert read_rows(simulation, "public.second")["id"].to_pylist() == [1]


async def until_blocked(connection: asyncpg.Connection, pid: int) -> None:
    while not await connection.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_two_tables_with_one_folder_are_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r'public\.a b, public\.a"b'):
        await export(database, tmp_path, 'CREATE TABLE "a b" (id integer); CREATE TABLE "a""b" (id integer)')


async def test_a_folder_with_something_in_it_is_refused(database: Database, tmp_path: Path) -> None:
    await export(database, tmp_path)
    with pytest.raises(UsageError, match="nightly is not empty") as caught:
        await export(database, tmp_path)
    assert caught.value.hint is not None


async def test_a_destination_that_is_a_file_is_refused(database: Database, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write to"):
        await export(database, tmp_path / "file")


@pytest.mark.parametrize("export_id", ["", "../elsewhere", "1st", "a b", "x" * 61])
async def test_an_export_id_that_aws_would_refuse_is_refused(
    database: Database, tmp_path: Path, export_id: str
) -> None:
    async with database.connect() as connection:
        with pytest.raises(UsageError, match="cannot be an export's id"):
            await simulate_into(connection, tmp_path / "exports", export_id=export_id)
    assert not (tmp_path / "exports").exists()


async def test_parts_without_rows_are_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 1, not 0"):
        await export(database, tmp_path, rows_per_part=0)


async def test_a_table_that_the_role_may_not_read_is_named(database: Database, tmp_path: Path) -> None:
    async with database.connect() as connection:
        await connection.execute("CREATE TABLE secrets (id integer); SET SESSION AUTHORIZATION pg_monitor")
        with pytest.raises(PrivilegeError, match=r"cannot read public\.secrets: permission denied"):
            await simulate_into(connection, tmp_path)
    assert not list((tmp_path / "nightly").glob("*.json"))


async def test_text_that_is_not_utf8_is_an_error_that_names_the_table(server: PostgresServer, tmp_path: Path) -> None:
    name = f"sql_ascii_{tmp_path.name.lower()}"[:63]
    server.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
    database = Database(server, name)
    try:
        with pytest.raises(TargetError, match=r"public\.items: invalid byte sequence"):
            await export(database, tmp_path, r"CREATE TABLE items AS SELECT E'\xff' AS word")
    finally:
        database.drop()
