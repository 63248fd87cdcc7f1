from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dbrestore.errors import (
    ConstraintError,
    LayoutError,
    SchemaError,
    SeveralProblemsError,
    TargetError,
    VerificationError,
)
from dbrestore.planning.choices import IfNotEmpty, InheritedRows, PartitionFolders
from dbrestore.running import Unfinished
from tests.exports import leave_out
from tests.integration.round_trip import (
    export_database,
    fetch,
    find_differences,
    plan_restore,
    restore_export,
    wait_for_sessions,
)

if TYPE_CHECKING:
    from pathlib import Path

    from dbrestore.plan import Plan
    from dbrestore.testing.databases import Database, MakeDatabase

EVENTS = """
    CREATE SCHEMA cold;
    CREATE TABLE events (id int, day date NOT NULL, note text) PARTITION BY RANGE (day);
    CREATE TABLE cold.events_2019 PARTITION OF events FOR VALUES FROM ('2019-01-01') TO ('2020-01-01');
    CREATE TABLE events_2020 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')
        PARTITION BY LIST (id);
    CREATE TABLE events_2020_odd PARTITION OF events_2020 FOR VALUES IN (1, 3, 5, 7, 9);
    CREATE TABLE events_2020_rest PARTITION OF events_2020 DEFAULT;
    CREATE TABLE events_rest PARTITION OF events DEFAULT;
"""
ROWS = """
    INSERT INTO events
    SELECT n % 10, '2019-07-01'::date + n, 'note ' || n FROM generate_series(0, 899) AS n;
"""
LEAVES = {"cold.events_2019", "public.events_2020_odd", "public.events_2020_rest", "public.events_rest"}
PARENTS = {"public.events", "public.events_2020"}
ALL_ROWS = "SELECT id, day, note FROM events ORDER BY day, id"


def names(plan: Plan) -> set[str]:
    return {table.table.dotted for table in plan.tables}


async def restored(
    make_database: MakeDatabase, exported: Path, source: Database, schema: str, **choices: Any
) -> tuple[Plan, Database]:
    """What was done, and the target, of which the table ``events`` has the rows of the source."""
    target = make_database()
    target.execute(schema)
    plan, _ = await restore_export(exported, target, **choices)
    assert await fetch(target, ALL_ROWS) == await fetch(source, ALL_ROWS)
    return plan, target


@pytest.fixture
def source(make_database: MakeDatabase) -> Database:
    database = make_database()
    database.execute(EVENTS + ROWS)
    return database


@pytest.fixture
async def exported(source: Database, tmp_path: Path) -> Path:
    return await export_database(source, tmp_path, rows_per_part=100)


async def test_leaves_at_any_depth_and_in_other_schemas_are_loaded_from_their_own_folders(
    make_database: MakeDatabase, source: Database, exported: Path
) -> None:
    plan, target = await restored(make_database, exported, source, EVENTS)
    assert names(plan) == LEAVES
    assert await find_differences(source, target) == []


async def test_the_parents_folder_may_be_chosen(make_database: MakeDatabase, source: Database, exported: Path) -> None:
    plan, target = await restored(make_database, exported, source, EVENTS, partitions=PartitionFolders.VIA_PARENT)
    assert names(plan) == {"public.events"}
    assert await find_differences(source, target) == []


async def test_an_export_of_parents_alone_is_enough(
    make_database: MakeDatabase, source: Database, exported: Path
) -> None:
    leave_out(exported, *LEAVES)
    plan, _ = await restored(make_database, exported, source, EVENTS)
    assert names(plan) == {"public.events"}


async def test_an_export_of_leaves_alone_is_enough(
    make_database: MakeDatabase, source: Database, exported: Path
) -> None:
    leave_out(exported, *PARENTS)
    plan, _ = await restored(make_database, exported, source, EVENTS)
    assert names(plan) == LEAVES


async def test_a_leaf_that_the_export_lacks_comes_through_the_nearest_parent(
    make_database: MakeDatabase, source: Database, exported: Path
) -> None:
    leave_out(exported, "public.events_2020_odd")
    plan, target = await restored(make_database, exported, source, EVENTS)
    assert names(plan) == LEAVES - {"public.events_2020_odd", "public.events_2020_rest"} | {"public.events_2020"}
    assert await find_differences(source, target) == []


async def test_a_leaf_that_the_target_lacks_comes_through_the_parent(
    make_database: MakeDatabase, source: Database, exported: Path
) -> None:
    plan, target = await restored(make_database, exported, source, EVENTS + "DROP TABLE cold.events_2019")
    assert names(plan) == {"public.events"}
    assert await fetch(target, "SELECT count(*) FROM events_rest WHERE day < '2020-01-01'") == [(184,)]


async def test_partitions_that_were_cut_again_come_through_the_parent(
    make_database: MakeDatabase, source: Database, exported: Path
) -> None:
    schema = """
        CREATE TABLE events (id int, day date NOT NULL, note text) PARTITION BY RANGE (day);
        CREATE TABLE events_first PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2020-05-01');
        CREATE TABLE events_second PARTITION OF events FOR VALUES FROM ('2020-05-01') TO (MAXVALUE);
    """
    plan, _ = await restored(make_database, exported, source, schema, ignore_extra_tables=("events_*",))
    assert names(plan) == {"public.events"}


async def test_a_leaf_made_after_the_snapshot_stays_empty(
    make_database: MakeDatabase, source: Database, exported: Path
) -> None:
    new = "CREATE TABLE events_2030 PARTITION OF events FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')"
    plan, target = await restored(make_database, exported, source, EVENTS + new)
    assert names(plan) == LEAVES
    assert any("public.events_2030: by the count there were none" in note for note in plan.notes)
    assert await fetch(target, "SELECT count(*) FROM events_2030") == [(0,)]


async def test_a_leaf_detached_after_the_snapshot_is_not_there_twice(
    make_database: MakeDatabase, source: Database, exported: Path
) -> None:
    target = make_database()
    target.execute(EVENTS + "ALTER TABLE events DETACH PARTITION cold.events_2019")
    plan, _ = await restore_export(exported, target)
    assert names(plan) == LEAVES
    assert await fetch(target, "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM cold.events_2019)") == [
        (716, 184)
    ]


async def test_a_leaf_attached_after_the_snapshot_is_a_problem_that_names_the_difference(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    source, target = make_database(), make_database()
    alone = "CREATE TABLE events_2030 (id int, day date NOT NULL, note text);"
    source.execute(EVENTS + ROWS + alone + "INSERT INTO events_2030 VALUES (1, '2030-05-05', 'alone')")
    attach = "ALTER TABLE events ATTACH PARTITION events_2030 FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')"
    target.execute(EVENTS + alone + attach)
    exported = await export_database(source, tmp_path)
    with pytest.raises(LayoutError, match="a difference of 1: partitions were made, dropped or moved") as caught:
        await restore_export(exported, target)
    assert caught.value.hint is not None
    assert "--partitions leaves" in caught.value.hint
    assert await fetch(target, "SELECT count(*) FROM events") == [(0,)]
    await restore_export(exported, target, partitions=PartitionFolders.LEAVES)
    assert await fetch(target, "SELECT count(*) FROM events") == [(901,)]


async def test_a_leaf_with_other_bounds_refuses_rows_with_a_hint_that_helps(
    make_database: MakeDatabase, source: Database, exported: Path
) -> None:
    target = make_database()
    target.execute(EVENTS.replace("'2019-01-01') TO ('2020-01-01'", "'2019-01-01') TO ('2019-12-31'"))
    with pytest.raises(ConstraintError, match=r"cold\.events_2019, .*row \d+: new row .* violates partition") as caught:
        await restore_export(exported, target)
    assert caught.value.hint is not None
    assert "--partitions via-parent" in caught.value.hint
    await restore_export(exported, target, unfinished=Unfinished.RESTART, partitions=PartitionFolders.VIA_PARENT)
    assert await fetch(target, ALL_ROWS) == await fetch(source, ALL_ROWS)


async def test_rows_of_a_leaf_that_the_snapshot_lacks_are_in_the_way(
    make_database: MakeDatabase, source: Database, exported: Path
) -> None:
    target = make_database()
    new = "CREATE TABLE events_2030 PARTITION OF events FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');"
    target.execute(EVENTS + new + "INSERT INTO events_2030 VALUES (1, '2030-05-05')")
    with pytest.raises(TargetError, match=r"already with rows in the target: public\.events_2030"):
        await restore_export(exported, target)
    await restore_export(exported, target, if_not_empty=IfNotEmpty.TRUNCATE)
    assert await fetch(target, ALL_ROWS) == await fetch(source, ALL_ROWS)


async def test_a_foreign_leaf_is_left_out_and_said_so(
    make_database: MakeDatabase, source: Database, exported: Path
) -> None:
    foreign = """
        CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER far FOREIGN DATA WRAPPER nothing;
        CREATE FOREIGN TABLE events_far PARTITION OF events FOR VALUES FROM ('2050-01-01') TO ('2051-01-01') SERVER far;
    """
    target = make_database()
    target.execute(EVENTS + foreign)
    plan, said = await restore_export(exported, target)
    assert names(plan) == LEAVES
    assert "warning: public.events: foreign tables are left out: public.events_far" in said
    assert await fetch(target, "SELECT (SELECT count(*) FROM events_2020), (SELECT count(*) FROM events_rest)") == [
        (366, 350)
    ]


LOGS = """
    CREATE TABLE logs (id int, line text); CREATE TABLE logs_a (extra int) INHERITS (logs);
    CREATE TABLE logs_b () INHERITS (logs, logs_a);
"""
LOG_ROWS = """
    INSERT INTO logs VALUES (1, 'own'); INSERT INTO logs_a SELECT n, 'a', n FROM generate_series(1, 20) AS n;
    INSERT INTO logs_b SELECT n, 'b', -n FROM generate_series(1, 5) AS n;
"""


async def test_tables_that_inherit_come_back_each_with_its_own_rows(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    source, target = make_database(), make_database()
    source.execute(LOGS + LOG_ROWS)
    target.execute(LOGS)
    plan, _ = await restore_export(await export_database(source, tmp_path), target)
    assert names(plan) == {"public.logs", "public.logs_a", "public.logs_b"}
    assert await find_differences(source, target) == []


async def test_a_folder_with_the_rows_of_heirs_is_refused_until_that_is_chosen(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    source, target = make_database(), make_database()
    plain = "CREATE TABLE logs (id int, line text); CREATE TABLE logs_a (id int, line text, extra int);"
    source.execute(plain + "INSERT INTO logs VALUES (1, 'a'), (2, 'b'); INSERT INTO logs_a VALUES (1, 'a'), (2, 'b')")
    target.execute("CREATE TABLE logs (id int, line text); CREATE TABLE logs_a (extra int) INHERITS (logs)")
    exported = await export_database(source, tmp_path)
    with pytest.raises(LayoutError, match="has 2 rows, its heirs have 2: it may hold theirs or not"):
        await restore_export(exported, target)
    await restore_export(exported, target, inherited=InheritedRows.ALL)
    assert await fetch(target, "SELECT (SELECT count(*) FROM ONLY logs), (SELECT count(*) FROM logs_a)") == [(0, 2)]


SHOP = """
    CREATE TABLE users (id int PRIMARY KEY);
    CREATE TABLE orders (id int PRIMARY KEY, owner int REFERENCES users);
    CREATE TABLE "order_lines" (owner int REFERENCES orders, number int);
"""
SHOP_ROWS = """
    INSERT INTO users VALUES (1), (2); INSERT INTO orders VALUES (10, 1); INSERT INTO order_lines VALUES (10, 5);
"""
COUNTS = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM orders), (SELECT count(*) FROM order_lines)"


@pytest.fixture
async def shop(make_database: MakeDatabase, tmp_path: Path) -> tuple[Database, Path]:
    """A database with rows, and its export."""
    database = make_database()
    database.execute(SHOP + SHOP_ROWS)
    return database, await export_database(database, tmp_path)


async def test_tables_that_have_rows_are_emptied_across_foreign_keys(shop: tuple[Database, Path]) -> None:
    database, exported = shop
    database.execute("DELETE FROM order_lines; INSERT INTO users VALUES (3)")
    plan, _ = await restore_export(exported, database, if_not_empty=IfNotEmpty.TRUNCATE)
    assert [table.name for group in plan.truncated for table in group] == ["order_lines", "orders", "users"]
    assert await fetch(database, COUNTS) == [(2, 1, 1)]


async def test_nothing_is_emptied_where_a_table_outside_would_be_in_the_way(shop: tuple[Database, Path]) -> None:
    database, exported = shop
    database.execute("CREATE TABLE audit (line int REFERENCES orders); INSERT INTO audit VALUES (10)")
    with pytest.raises(SchemaError, match=r"would be emptied: public\.audit \(audit_line_fkey to public\.orders\)"):
        await restore_export(exported, database, if_not_empty=IfNotEmpty.TRUNCATE, ignore_missing_tables=("audit",))
    assert await fetch(database, COUNTS) == [(2, 1, 1)]
    assert await fetch(database, "SELECT line FROM audit") == [(10,)]


async def test_what_the_plan_empties_is_what_the_server_asks_for(make_database: MakeDatabase, tmp_path: Path) -> None:
    schema = (
        EVENTS
        + """
        CREATE TABLE days (day date PRIMARY KEY) PARTITION BY RANGE (day);
        CREATE TABLE days_old PARTITION OF days FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
        CREATE TABLE days_new PARTITION OF days FOR VALUES FROM ('2020-01-01') TO (MAXVALUE);
        ALTER TABLE events ADD FOREIGN KEY (day) REFERENCES days;
        CREATE TABLE visits (day date REFERENCES days);
        CREATE TABLE parents (id int); CREATE TABLE heirs () INHERITS (parents);
    """
    )
    rows = """
        INSERT INTO days SELECT '2019-06-01'::date + n FROM generate_series(0, 1000) AS n;
        INSERT INTO visits SELECT day FROM days; INSERT INTO parents VALUES (1); INSERT INTO heirs VALUES (2), (3);
    """
    source, target = make_database(), make_database()
    source.execute(schema + rows + ROWS)
    target.execute(schema + "INSERT INTO days VALUES ('2019-01-01'); INSERT INTO parents VALUES (9)")
    plan, _ = await restore_export(await export_database(source, tmp_path), target, if_not_empty=IfNotEmpty.TRUNCATE)
    assert [table.name for group in plan.truncated for table in group] == ["days_old", "events", "visits", "parents"]
    assert await find_differences(source, target) == []


async def test_tables_that_have_rows_are_skipped(shop: tuple[Database, Path]) -> None:
    database, exported = shop
    database.execute("TRUNCATE orders, order_lines; INSERT INTO users VALUES (3)")
    plan, _ = await restore_export(exported, database, if_not_empty=IfNotEmpty.SKIP)
    assert names(plan) == {"public.orders", "public.order_lines"}
    assert await fetch(database, COUNTS) == [(3, 1, 1)]


async def test_rows_are_added_to_those_that_are_there(shop: tuple[Database, Path]) -> None:
    database, exported = shop
    database.execute("TRUNCATE users, orders, order_lines; INSERT INTO users VALUES (7); INSERT INTO orders VALUES (1)")
    await restore_export(exported, database, if_not_empty=IfNotEmpty.APPEND)
    assert await fetch(database, COUNTS) == [(3, 2, 1)]


async def test_rows_that_vanish_from_a_table_that_is_added_to_are_found(shop: tuple[Database, Path]) -> None:
    database, exported = shop
    database.execute(
        """
        TRUNCATE users, orders, order_lines; INSERT INTO users VALUES (7), (8);
        CREATE FUNCTION tidies(number int) RETURNS bool LANGUAGE plpgsql AS $$
            BEGIN DELETE FROM public.users WHERE id = 7; RETURN true; END $$;
        ALTER TABLE order_lines ADD CHECK (tidies(number));
        """
    )
    with pytest.raises(VerificationError) as caught:
        await restore_export(exported, database, if_not_empty=IfNotEmpty.APPEND)
    assert caught.value.message == "public.users has 3 rows, its parts in the export have 2, and 2 were there before"


async def test_some_tables_alone_are_restored(shop: tuple[Database, Path]) -> None:
    database, exported = shop
    database.execute("TRUNCATE orders, order_lines")
    plan, said = await restore_export(exported, database, include_tables=("order*",))
    assert names(plan) == {"public.orders", "public.order_lines"}
    assert "warning: public.orders: its foreign key orders_owner_fkey references public.users" in said
    assert await fetch(database, COUNTS) == [(2, 1, 1)]


async def test_schemas_and_tables_go_into_others(shop: tuple[Database, Path], make_database: MakeDatabase) -> None:
    _, exported = shop
    target = make_database()
    target.execute(
        """
        CREATE SCHEMA "New.Shop"; SET search_path = "New.Shop";
        CREATE TABLE users (id int PRIMARY KEY); CREATE TABLE "Bestellungen" (id int PRIMARY KEY, owner int);
        CREATE TABLE order_lines (number int, owner int);
        """
    )
    await restore_export(
        exported,
        target,
        map_schemas=(("public", "New.Shop"),),
        map_tables=(("public.orders", "New.Shop.Bestellungen"),),
    )
    assert await fetch(target, 'SELECT * FROM "New.Shop"."Bestellungen"') == [(10, 1)]
    assert await fetch(target, 'SELECT * FROM "New.Shop".order_lines') == [(5, 10)]


async def test_names_of_63_bytes_come_back(make_database: MakeDatabase, tmp_path: Path) -> None:
    source, target = make_database(), make_database()
    schema = f'CREATE SCHEMA "{"s" * 63}"; CREATE TABLE "{"s" * 63}"."{"é" * 31}" ("{"c" * 63}" int);'
    source.execute(schema + f'INSERT INTO "{"s" * 63}"."{"é" * 31}" VALUES (1)')
    target.execute(schema)
    await restore_export(await export_database(source, tmp_path), target)
    assert await find_differences(source, target) == []


async def test_columns_that_one_side_lacks_are_left_out_and_filled_in(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    source, target = make_database(), make_database()
    source.execute("CREATE TABLE items (id int, old text, word text); INSERT INTO items VALUES (1, 'old', 'a')")
    target.execute(
        """
        CREATE DOMAIN stamp AS int NOT NULL DEFAULT 7;
        CREATE TABLE items (
            word text, added text, kind text NOT NULL DEFAULT 'usual', number int GENERATED ALWAYS AS IDENTITY,
            twice int GENERATED ALWAYS AS (id * 2) STORED, stamp stamp, id int
        );
        """
    )
    exported = await export_database(source, tmp_path)
    with pytest.raises(SchemaError, match=r"columns of public\.items in the export but not in the target: old"):
        await restore_export(exported, target)
    await wait_for_sessions(target, 0)
    plan, _ = await restore_export(exported, target, ignore_extra_columns=("items.old",))
    left_out, filled_in = plan.notes
    assert left_out == "columns of public.items in the export but not in the target, and left out: old"
    assert filled_in == (
        "columns of public.items in the target but not in the export, and filled in by the server: added (null), "
        "kind (default), number (identity), stamp (default)"
    )
    assert await fetch(target, "SELECT * FROM items") == [("a", None, "usual", 1, 2, 7, 1)]


async def test_all_problems_are_shown_at_once_and_nothing_is_done(
    shop: tuple[Database, Path], make_database: MakeDatabase
) -> None:
    _, exported = shop
    target = make_database()
    target.execute(
        """
        CREATE DOMAIN given AS int NOT NULL;
        CREATE TABLE users (id int, name text NOT NULL, born given); CREATE TABLE orders (id int);
        CREATE TABLE more (id int); INSERT INTO orders VALUES (1);
        """
    )
    with pytest.raises(SeveralProblemsError) as caught:
        await restore_export(exported, target, include_tables=("*", "nothing"))
    assert [problem.message for problem in caught.value.problems] == [
        "--include-tables nothing matches nothing",
        "in the export but not in the target: public.order_lines",
        "in the target but not in the export: public.more",
        "already with rows in the target: public.orders",
        "columns of public.orders in the export but not in the target: owner",
        "columns of public.users in the target but not in the export: born, name",
    ]
    assert await fetch(target, "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM orders)") == [(0, 1)]


async def test_a_table_of_an_extension_is_restored_only_by_its_name(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    source, target = make_database(), make_database()
    schema = """
        CREATE EXTENSION pg_trgm; CREATE TABLE registered (id int); CREATE TABLE ours (id int);
        ALTER EXTENSION pg_trgm ADD TABLE registered;
    """
    source.execute(schema + "INSERT INTO registered VALUES (1); INSERT INTO ours VALUES (1)")
    target.execute(schema + "INSERT INTO registered VALUES (2)")
    exported = await export_database(source, tmp_path)
    plan = await plan_restore(exported, target)
    assert names(plan) == {"public.ours"}
    assert plan.warnings == ("public.registered is left alone: it belongs to an extension",)
    await restore_export(exported, target, include_tables=("registered",), if_not_empty=IfNotEmpty.TRUNCATE)
    assert await fetch(target, "SELECT (SELECT max(id) FROM registered), (SELECT count(*) FROM ours)") == [(1, 0)]
