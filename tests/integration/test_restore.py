from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from dbrestore.errors import DataError, PrivilegeError, SchemaError, SeveralProblemsError, TargetError
from dbrestore.events import Level
from dbrestore.export.local import LocalStorage
from dbrestore.finishing import FinishingOptions
from dbrestore.planning.choices import PartitionFolders
from dbrestore.progress import Progress
from dbrestore.restore import restore
from dbrestore.running import RestoreOptions
from dbrestore.target.connect import ConnectionSettings
from dbrestore.target.deferral.policy import ForeignKeys, Policy
from dbrestore.testing.sample import Sample, data_sql, schema_sql
from dbrestore.wire.registry import CopyFormat
from tests.integration.round_trip import (
    DEFAULT_POLICY,
    export_database,
    fetch,
    find_differences,
    on_both_engines,
    plan_restore,
    restore_export,
)

if TYPE_CHECKING:
    from pathlib import Path

    from dbrestore.plan import Plan
    from dbrestore.testing.databases import Database, MakeDatabase, MakeTemplate


ORDERED = Policy(ForeignKeys.ORDERED)


async def round_trip(
    make_database: MakeDatabase,
    folder: Path,
    schema: str,
    rows: str,
    *,
    target_schema: str | None = None,
    rows_per_part: int = 100_000,
    jobs: int = 2,
    policy: Policy = DEFAULT_POLICY,
) -> tuple[Plan, Database]:
    """Restore what ``schema`` and ``rows`` make; the target, which is equal to it, and what was done."""
    source, target = make_database(), make_database()
    source.execute(schema + ";" + rows)
    target.execute(schema if target_schema is None else target_schema)
    exported = await export_database(source, folder, rows_per_part=rows_per_part)
    plan, _ = await restore_export(exported, target, jobs=jobs, policy=policy)
    assert await find_differences(source, target) == []
    return plan, target


@on_both_engines
@pytest.mark.parametrize("policy", [Policy(keys) for keys in ForeignKeys])
async def test_the_sample_database_comes_back_equal(
    policy: Policy,
    make_database: MakeDatabase,
    template: MakeTemplate,
    tmp_path: Path,
) -> None:
    source = make_database(template("shop", schema_sql() + data_sql()))
    target = make_database(template("shop schema", schema_sql()))
    exported = await export_database(source, tmp_path, rows_per_part=7000)
    plan, said = await restore_export(exported, target, policy=policy)
    assert await find_differences(source, target) == []
    is_ordered = policy == ORDERED
    assert {table.level for table in plan.tables} == ({0, 1, 2, 3, 4, 5} if is_ordered else {0})
    assert {table.table.dotted for table in plan.tables if table.references_itself} == (
        {"staff.employees", "public.categories"} if is_ordered else set()
    )
    assert "row counts verified" in said


LOADED_AS_TEXT = {
    Sample.EVERY_TYPE: {
        "arrays": {"blobs", "addresses", "spans"},
        "bits": {"varying", "short"},
        "decimals": {"cash"},
        "documents": {"as_xml"},
        "identifiers": {"log_position"},
        "more_arrays": {
            "cash", "bytes", "points", "boxes", "positives", "homes", "persons", "vectors", "positions",
        },
        "multiranges": {"integers", "bigs", "numbers", "days", "locals", "instants", "several"},
        "nested": {"person", "home"},
        "networks": {"host", "network"},
        "own_types": {"address", "blob"},
        "ranges": {"integers", "bigs", "numbers", "days", "locals", "instants", "words"},
        "search": {"vector", "query"},
        "shapes": {"a_point", "a_line", "a_segment", "a_box", "a_path", "a_polygon", "a_circle"},
        "system_types": {"object", "transaction", "place", "smalls", "objects", "snapshot", "class", "type"},
        "texts": {"byte"},
        "wide": {
            "c_money", "c_byte", "c_xml", "c_range", "c_composite", "c_point", "c_line", "c_lseg", "c_box", "c_path",
            "c_polygon", "c_circle", "c_tsvector", "c_tsquery", "c_pg_lsn",
        },
    },
    Sample.CONTRIB_TYPES: {
        "citexts": {"several"}, "cubes": {"value", "several"}, "hstores": {"value", "several"}, "ltrees": {"several"},
        "segs": {"value", "several"},
    },
}  # fmt: skip
"""The columns for which a table's COPY is text: those that have no binary encoder, or cost less as text."""


@on_both_engines
@pytest.mark.parametrize("sample", LOADED_AS_TEXT)
async def test_every_type_comes_back_equal_and_in_binary_where_it_can(
    sample: Sample, make_database: MakeDatabase, template: MakeTemplate, tmp_path: Path
) -> None:
    source = make_database(template(f"{sample} rows", schema_sql(sample) + data_sql(sample)))
    target = make_database(template(f"{sample} schema", schema_sql(sample)))
    plan, _ = await restore_export(await export_database(source, tmp_path, rows_per_part=20), target)
    assert pickle.loads(pickle.dumps(plan.tables)) == plan.tables
    assert await find_differences(source, target) == []
    names = {table.table.name for table in plan.tables}
    assert {
        table.table.name: {reason.partition(":")[0] for reason in table.text_reasons}
        for table in plan.tables
        if table.copy_format is CopyFormat.TEXT
    } == {name: columns for name, columns in LOADED_AS_TEXT[sample].items() if name in names}


FINISHED = """
    CREATE TABLE items (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number serial, word text);
    CREATE MATERIALIZED VIEW totals AS SELECT count(*)::int AS items FROM items WITH NO DATA;
    CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.word = 'spoilt'; RETURN NEW; END $$;
    CREATE TRIGGER spoil BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION spoil();
"""
FINISHED_ROWS = """
    ALTER TABLE items DISABLE TRIGGER spoil; INSERT INTO items (word) SELECT 'a' FROM generate_series(1, 100);
    UPDATE items SET number = number + 1000;
"""


@on_both_engines
async def test_a_restored_database_is_ready_for_use(make_database: MakeDatabase, tmp_path: Path) -> None:
    _, target = await round_trip(make_database, tmp_path, FINISHED, FINISHED_ROWS, rows_per_part=30)
    assert await fetch(target, "SELECT items FROM totals") == [(100,)]
    assert await fetch(target, "INSERT INTO items DEFAULT VALUES RETURNING id, number, word") == [(101, 1101, "spoilt")]
    assert await fetch(target, "SELECT reltuples::int FROM pg_class WHERE relname = 'items'") == [(100,)]


@on_both_engines
async def test_the_planner_knows_all_that_was_loaded(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Also of expressions, which it learns of only when their index is there, and of children with their parents."""
    small = [f"small_{number}" for number in range(40)]
    schema = """
        CREATE TABLE items (id int PRIMARY KEY, word text); CREATE INDEX items_upper_idx ON items (upper(word));
        CREATE TABLE children (item int REFERENCES items); CREATE TABLE grandchildren () INHERITS (children);
        CREATE TABLE days (day int) PARTITION BY RANGE (day);
        CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (0) TO (50);
        CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM (50) TO (101);
    """ + "".join(
        f"CREATE TABLE {name} (id int PRIMARY KEY, word text); CREATE INDEX {name}_upper_idx ON {name} (upper(word));"
        for name in small
    )
    rows = "INSERT INTO {} SELECT n, 'word ' || n FROM generate_series(1, 100) AS n;"
    fill = (
        "".join(map(rows.format, ("items", *small)))
        + """
        INSERT INTO children VALUES (1); INSERT INTO grandchildren SELECT id FROM items;
        INSERT INTO days SELECT id FROM items;
    """
    )
    _, target = await round_trip(make_database, tmp_path, schema, fill)
    unknown = """
        SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND (relkind IN ('r', 'p') OR relname LIKE '%upper_idx')
          AND relname NOT IN (SELECT tablename FROM pg_stats)
    """
    assert await fetch(target, unknown) == []
    inherited = "SELECT DISTINCT tablename FROM pg_stats WHERE inherited ORDER BY 1"
    assert await fetch(target, inherited) == [("children",), ("days",)]


async def test_the_planner_knows_partitions_that_were_loaded_through_their_root(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Also of an expression that only one of them has an index for."""
    schema = """
        CREATE TABLE words (id int, word text) PARTITION BY RANGE (id);
        CREATE TABLE words_1 PARTITION OF words FOR VALUES FROM (0) TO (50);
        CREATE TABLE words_2 PARTITION OF words FOR VALUES FROM (50) TO (101);
        CREATE INDEX words_1_upper_idx ON words_1 (upper(word));
    """
    fill = "INSERT INTO words SELECT n, 'word ' || n FROM generate_series(1, 100) AS n"
    source, target = make_database(), make_database()
    source.execute(f"{schema}; {fill}")
    target.execute(schema)
    exported = await export_database(source, tmp_path)
    await restore_export(exported, target, jobs=1, partitions=PartitionFolders.VIA_PARENT)
    assert await fetch(target, "SELECT DISTINCT tablename FROM pg_stats WHERE schemaname = 'public' ORDER BY 1") == [
        ("words",), ("words_1",), ("words_1_upper_idx",), ("words_2",),
    ]  # fmt: skip


async def test_what_a_user_does_not_want_at_the_end_is_left_out(make_database: MakeDatabase, tmp_path: Path) -> None:
    source, target = make_database(), make_database()
    source.execute(FINISHED + FINISHED_ROWS)
    target.execute(FINISHED)
    connection = ConnectionSettings(SecretStr(target.dsn))
    options = RestoreOptions(finishing=FinishingOptions(refresh=False, analyze=False))
    exported = LocalStorage(await export_database(source, tmp_path))
    await restore(exported, connection, options, Progress())
    assert await fetch(target, "SELECT relispopulated FROM pg_class WHERE relname = 'totals'") == [(False,)]
    assert await fetch(target, "SELECT FROM pg_stats WHERE tablename = 'items'") == []


async def test_a_view_that_cannot_be_filled_is_an_error_after_all_else_is_done(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    source, target = make_database(), make_database()
    source.execute(FINISHED + FINISHED_ROWS)
    target.execute(FINISHED + "CREATE MATERIALIZED VIEW wrong AS SELECT 1 / (id - 50) FROM items WITH NO DATA")
    exported = await export_database(source, tmp_path)
    with pytest.raises(DataError, match=r"refreshing materialized view public\.wrong: division by zero"):
        await restore_export(exported, target)
    assert await find_differences(source, target) == []
    assert await fetch(target, "SELECT items FROM totals") == [(100,)]


@on_both_engines
async def test_many_tables_are_restored_by_many_jobs(make_database: MakeDatabase, tmp_path: Path) -> None:
    schema = "".join(
        f"CREATE TABLE t{number} (id int PRIMARY KEY, parent int REFERENCES t{number - 1 if number % 3 else number});"
        for number in range(30)
    )
    rows = "".join(f"INSERT INTO t{number} SELECT n, 1 FROM generate_series(1, 50) AS n;" for number in range(30))
    plan, _ = await round_trip(make_database, tmp_path, schema, rows, rows_per_part=10, jobs=8, policy=ORDERED)
    assert {table.level for table in plan.tables} == {0, 1, 2}


@on_both_engines
@pytest.mark.parametrize("policy", [ORDERED, DEFAULT_POLICY])
async def test_a_row_may_reference_one_of_a_later_part(
    policy: Policy, make_database: MakeDatabase, tmp_path: Path
) -> None:
    schema = "CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree)"
    rows = "INSERT INTO tree SELECT n, 101 - n FROM generate_series(1, 100) AS n"
    plan, _ = await round_trip(make_database, tmp_path, schema, rows, rows_per_part=10, policy=policy)
    assert len(plan.tables[0].parts) == 10


@on_both_engines
async def test_columns_that_the_server_generates_are_left_to_it(make_database: MakeDatabase, tmp_path: Path) -> None:
    schema = """
        CREATE TABLE items (twice int GENERATED ALWAYS AS (id * 2) STORED, id int);
        CREATE TABLE ids (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number bigserial, word text);
    """
    rows = "INSERT INTO items VALUES (DEFAULT, 21); INSERT INTO ids OVERRIDING SYSTEM VALUE VALUES (1000, 7, 'a')"
    await round_trip(make_database, tmp_path, schema, rows)


@on_both_engines
async def test_columns_are_matched_by_name_past_dropped_ones(make_database: MakeDatabase, tmp_path: Path) -> None:
    plan, _ = await round_trip(
        make_database,
        tmp_path,
        "CREATE TABLE items (id int, low int, high int, word text)",
        "INSERT INTO items VALUES (1, 10, 20, 'a'), (2, NULL, 30, NULL)",
        target_schema="""
            CREATE TABLE items (word text, gone int, high int, gone_too text, id int, low int);
            ALTER TABLE items DROP gone, DROP gone_too
        """,
    )
    assert [column.name for column in plan.tables[0].columns] == ["word", "high", "id", "low"]


@on_both_engines
async def test_names_of_any_kind_come_back(make_database: MakeDatabase, tmp_path: Path) -> None:
    schema = """
        CREATE SCHEMA "Sales.EU"; CREATE TABLE "Sales.EU"."v1.Orders" (id int, "Größe" text, "select" int);
        CREATE TABLE "with ""quotes"" inside" (id int, "a""b" int, "%s" int, "100%" text);
        CREATE TABLE "données_表" ("番号" int); CREATE TABLE "back\\slash" (id int);
        CREATE TABLE "two words" (id int); CREATE TABLE "user" ("table" int);
    """
    rows = """
        INSERT INTO "Sales.EU"."v1.Orders" VALUES (1, 'XL', 2);
        INSERT INTO "with ""quotes"" inside" VALUES (1, 2, 3, 'c');
        INSERT INTO "données_表" VALUES (7); INSERT INTO "back\\slash" VALUES (8); INSERT INTO "two words" VALUES (9);
        INSERT INTO "user" VALUES (10);
    """
    await round_trip(make_database, tmp_path, schema, rows)


@on_both_engines
async def test_tables_without_rows_or_columns_come_back(make_database: MakeDatabase, tmp_path: Path) -> None:
    schema = """
        CREATE TABLE empty (id int); CREATE TABLE no_columns ();
        CREATE TABLE computed (one int GENERATED ALWAYS AS (1) STORED);
    """
    await round_trip(make_database, tmp_path, schema, "INSERT INTO computed DEFAULT VALUES")


PARTITIONS = """
    CREATE TABLE owners (id int PRIMARY KEY);
    CREATE TABLE days (day date PRIMARY KEY, owner int REFERENCES owners) PARTITION BY RANGE (day);
    CREATE TABLE days_2019 PARTITION OF days FOR VALUES FROM ('2019-01-01') TO ('2020-01-01');
    CREATE TABLE days_new PARTITION OF days DEFAULT PARTITION BY RANGE (day);
    CREATE TABLE days_2020 PARTITION OF days_new FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
    CREATE TABLE days_rest PARTITION OF days_new DEFAULT;
    CREATE TABLE visits (day date REFERENCES days);
"""
DAYS = """
    INSERT INTO owners VALUES (1), (2);
    INSERT INTO days SELECT '2019-06-01'::date + n, 1 + n % 2 FROM generate_series(0, 900) AS n;
    INSERT INTO visits SELECT day FROM days;
"""


@on_both_engines
@pytest.mark.parametrize("policy", [ORDERED, DEFAULT_POLICY])
async def test_a_partitioned_table_is_restored_through_its_partitions(
    policy: Policy, make_database: MakeDatabase, tmp_path: Path
) -> None:
    plan, _ = await round_trip(make_database, tmp_path, PARTITIONS, DAYS, rows_per_part=200, policy=policy)
    assert {table.table.name for table in plan.tables} == {"owners", "days_2019", "days_2020", "days_rest", "visits"}


@on_both_engines
@pytest.mark.parametrize("policy", [ORDERED, DEFAULT_POLICY])
async def test_a_partitioned_table_is_restored_through_its_root(
    policy: Policy, make_database: MakeDatabase, tmp_path: Path
) -> None:
    plain = """
        CREATE TABLE owners (id int PRIMARY KEY);
        CREATE TABLE days (day date PRIMARY KEY, owner int REFERENCES owners);
        CREATE TABLE visits (day date REFERENCES days);
    """
    source, target = make_database(), make_database()
    source.execute(plain + DAYS)
    target.execute(PARTITIONS)
    exported = await export_database(source, tmp_path, rows_per_part=200)
    plan, _ = await restore_export(exported, target, policy=policy)
    assert {table.table.name for table in plan.tables} == {"owners", "days", "visits"}
    query = "SELECT * FROM days ORDER BY day"
    assert await fetch(target, query) == await fetch(source, query)
    assert await fetch(target, "SELECT count(*) > 200 FROM ONLY days_2020") == [(True,)]


@on_both_engines
@pytest.mark.parametrize(("policy", "tables"), [(ORDERED, ["tree"]), (DEFAULT_POLICY, ["tree_0", "tree_1"])])
async def test_a_partitioned_table_that_references_itself_comes_back(
    policy: Policy, tables: list[str], make_database: MakeDatabase, tmp_path: Path
) -> None:
    schema = """
        CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree) PARTITION BY HASH (id);
        CREATE TABLE tree_0 PARTITION OF tree FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE tree_1 PARTITION OF tree FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    """
    rows = "INSERT INTO tree SELECT n, 51 - n FROM generate_series(1, 50) AS n"
    plan, _ = await round_trip(make_database, tmp_path, schema, rows, rows_per_part=10, policy=policy)
    assert [table.table.name for table in plan.tables] == tables


@pytest.mark.parametrize(("kind", "copy_format"), [("int", CopyFormat.BINARY), ("point", CopyFormat.TEXT)])
async def test_a_row_of_60_megabytes_comes_back(
    kind: str, copy_format: CopyFormat, make_database: MakeDatabase, tmp_path: Path
) -> None:
    schema = f"CREATE TABLE wide (id int, other {kind}, word text); ALTER TABLE wide ALTER word SET STORAGE EXTERNAL"
    rows = "INSERT INTO wide VALUES (1, NULL, 'a'), (2, NULL, repeat('ü' || chr(9), 20000000)), (3, NULL, 'c')"
    plan, _ = await round_trip(make_database, tmp_path, schema, rows)
    assert plan.tables[0].copy_format is copy_format


async def test_a_role_that_may_only_read_and_write_can_restore_in_order(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    source, target = make_database(), make_database()
    schema = "CREATE TABLE shelves (id int PRIMARY KEY); CREATE TABLE books (id int, shelf int REFERENCES shelves);"
    source.execute(schema + "INSERT INTO shelves VALUES (1); INSERT INTO books VALUES (1, 1)")
    role = f"writer_{target.name}"
    target.execute(f"{schema} CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT ON shelves, books TO {role}")
    plan, _ = await restore_export(await export_database(source, tmp_path), target, user=role)
    assert await find_differences(source, target) == []
    assert [table.level for table in plan.tables] == [0, 1]
    assert {kept.reason for kept in plan.deferral.kept} == {"the role does not own the table"}


async def test_rows_are_counted_once_between_the_last_key_and_the_finishing(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    schema = """
        CREATE TABLE shelves (id int PRIMARY KEY);
        CREATE TABLE books (id int PRIMARY KEY, shelf int REFERENCES shelves);
        CREATE TABLE pages (book int REFERENCES books);
    """
    rows = "INSERT INTO shelves VALUES (1), (2); INSERT INTO books VALUES (1, 1); INSERT INTO pages VALUES (1)"
    source, target = make_database(), make_database()
    source.execute(schema + rows)
    target.execute(schema)
    exported = await export_database(source, tmp_path)
    _, said = await restore_export(exported, target, level=Level.TRACE)
    statements = said.splitlines()
    checks = [place for place, line in enumerate(statements) if "VALIDATE CONSTRAINT" in line]
    counts = [place for place, line in enumerate(statements) if "(SELECT count(*) FROM ONLY" in line]
    assert (len(checks), len(counts)) == (2, 3)
    [finishing, *_] = [place for place, line in enumerate(statements) if "pg_logical_emit_message" in line]
    assert max(checks) < min(counts) < max(counts) < finishing


async def test_every_part_is_told_of_where_that_is_wanted(database: Database, tmp_path: Path, engine: str) -> None:
    database.execute("CREATE TABLE items AS SELECT generate_series(1, 5) AS id")
    exported = await export_database(database, tmp_path, rows_per_part=2)
    database.execute("TRUNCATE items")
    _, said = await restore_export(exported, database, level=Level.VERBOSE)
    first, *lines, last, stages, jobs = said.splitlines()
    if engine == "dask":
        assert first.startswith("2 Dask workers with 2 connections; dashboard: http://")
        first, *lines = lines
    parts = [line for line in lines if "rows of" in line]
    assert first == f"restoring 1 tables, 5 rows of friday ({database.name}) into {database.name}"
    assert sorted(line.partition("rows of")[0] for line in parts) == ["public.items: 1 ", *["public.items: 2 "] * 2]
    assert last.startswith("restored 1 tables, 5 rows (")
    assert stages.startswith("time: listing 0.")
    assert jobs.startswith("in all jobs together: waiting for storage 0.")


async def test_a_problem_stops_a_restore_before_anything_is_loaded(database: Database, tmp_path: Path) -> None:
    database.execute("CREATE TABLE items AS SELECT 1 AS id; CREATE TABLE other AS SELECT 1 AS id")
    exported = await export_database(database, tmp_path)
    database.execute("TRUNCATE items; CREATE TABLE new (id int)")
    with pytest.raises(SeveralProblemsError) as caught:
        await restore_export(exported, database)
    assert [type(problem) for problem in caught.value.problems] == [SchemaError, TargetError]
    assert await fetch(database, "SELECT count(*) FROM items") == [(0,)]


async def test_a_second_restore_is_refused_and_doubles_nothing(database: Database, tmp_path: Path) -> None:
    database.execute("CREATE TABLE items AS SELECT 1 AS id")
    with pytest.raises(TargetError, match=r"already with rows in the target: public\.items"):
        await restore_export(await export_database(database, tmp_path), database)
    assert await fetch(database, "SELECT count(*) FROM items") == [(1,)]


async def test_a_role_that_may_not_write_is_told_so_by_the_plan(database: Database, tmp_path: Path) -> None:
    role = f"reader_{database.name}"
    database.execute(f"CREATE TABLE items (id int); CREATE ROLE {role} LOGIN; GRANT SELECT ON items TO {role}")
    plan = await plan_restore(await export_database(database, tmp_path), database, user=role)
    [problem] = plan.problems
    assert isinstance(problem, PrivilegeError)
    assert problem.message == "the role may not read and write public.items"
