from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from dbrestore.target.triggers import TriggerSuspension, plan_suspensions, read_triggers, trigger_warnings
from tests.integration.owner import connected, create_owner
from tests.integration.round_trip import fetch
from tests.integration.schema_text import schema_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from dbrestore.testing.databases import Database

TABLES = """
    CREATE TABLE log (what text);
    CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO public.log VALUES (TG_NAME); RETURN NEW; END $$;
    CREATE TABLE shelves (id int PRIMARY KEY); CREATE TABLE items (id int, shelf int REFERENCES shelves);
    CREATE TRIGGER on_origin BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION tell();
    CREATE TRIGGER "Off" BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION tell();
    CREATE TRIGGER "of a ""copy"" too" AFTER INSERT ON items FOR EACH STATEMENT EXECUTE FUNCTION tell();
    CREATE TRIGGER always AFTER INSERT OR UPDATE ON items FOR EACH ROW EXECUTE FUNCTION tell();
    CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON items DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION tell();
    CREATE TRIGGER truncated AFTER TRUNCATE ON items EXECUTE FUNCTION tell();
    CREATE TRIGGER updated AFTER UPDATE OR DELETE ON items EXECUTE FUNCTION tell();
    ALTER TABLE items DISABLE TRIGGER "Off", ENABLE REPLICA TRIGGER "of a ""copy"" too", ENABLE ALWAYS TRIGGER always;

    CREATE TABLE days (day date) PARTITION BY RANGE (day);
    CREATE TABLE days_old PARTITION OF days FOR VALUES FROM ('2000-01-01') TO ('2020-01-01');
    CREATE TABLE days_new PARTITION OF days DEFAULT PARTITION BY RANGE (day);
    CREATE TABLE days_2020 PARTITION OF days_new FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
    CREATE TABLE days_rest PARTITION OF days_new DEFAULT;
    CREATE TRIGGER row BEFORE INSERT ON days FOR EACH ROW EXECUTE FUNCTION tell();
    CREATE CONSTRAINT TRIGGER checking AFTER INSERT ON days FOR EACH ROW EXECUTE FUNCTION tell();
    CREATE TRIGGER statement AFTER INSERT ON days EXECUTE FUNCTION tell();
    CREATE TRIGGER of_leaf AFTER INSERT ON days_old FOR EACH ROW EXECUTE FUNCTION tell();
    ALTER TABLE ONLY days DISABLE TRIGGER row;
    ALTER TABLE ONLY days_old ENABLE ALWAYS TRIGGER row;
    ALTER TABLE ONLY days_rest DISABLE TRIGGER row;
    ALTER TABLE ONLY days_new ENABLE REPLICA TRIGGER checking;
"""
STATES = "SELECT tgrelid::regclass::text, tgname, tgenabled::text FROM pg_trigger ORDER BY tgrelid, oid"


async def read_suspensions(connection: asyncpg.Connection, *tables: str) -> Sequence[TriggerSuspension]:
    oids = [await connection.fetchval("SELECT $1::text::regclass::oid", table) for table in tables]
    return plan_suspensions((await read_triggers(connection, oids)).of_tables)


async def take_down_and_put_back(database: Database, role: str, *, backwards: bool = False) -> None:
    async with connected(database, role) as connection:
        suspensions = await read_suspensions(connection, "items", "days")
        for suspension in suspensions:
            await connection.execute(";".join(suspension.down))
        for suspension in reversed(suspensions) if backwards else suspensions:
            await connection.execute(";".join(suspension.up))


@pytest.fixture
def role(database: Database) -> str:
    return create_owner(database, TABLES)


async def test_no_trigger_fires_while_it_is_suspended(database: Database, role: str) -> None:
    async with connected(database, role) as connection:
        for suspension in await read_suspensions(connection, "items", "days"):
            await connection.execute(";".join(suspension.down))
        async with connection.transaction():
            await connection.execute("TRUNCATE items")
            await connection.copy_records_to_table("items", records=[(1, None), (2, None)])
        for table, year in {"days": 2010, "days_old": 2010, "days_new": 2020, "days_2020": 2020}.items():
            await connection.copy_records_to_table(table, records=[(date(year, 5, 5),)])
    assert await fetch(database, "SELECT count(*) FROM items") == [(2,)]
    assert await fetch(database, "SELECT count(*) FROM days") == [(4,)]
    assert await fetch(database, "SELECT * FROM log") == []


async def test_a_trigger_fires_also_in_a_replica_unless_it_is_suspended(database: Database, role: str) -> None:
    async with connected(database, role) as connection:
        suspensions = await read_suspensions(connection, "items")
    database.execute("".join(f"{suspension.down[0]};" for suspension in suspensions))
    database.execute("SET session_replication_role = replica; INSERT INTO items VALUES (1)")
    assert await fetch(database, "SELECT * FROM log") == []


@pytest.mark.parametrize("backwards", [False, True])
async def test_each_trigger_has_its_own_state_afterwards_whatever_the_order(
    backwards: bool, database: Database, role: str
) -> None:
    states = await fetch(database, STATES)
    await take_down_and_put_back(database, role, backwards=backwards)
    assert await fetch(database, STATES) == states


async def test_the_schema_is_the_same_text_afterwards(database: Database, role: str) -> None:
    schema = schema_text(database)
    await take_down_and_put_back(database, role)
    assert schema_text(database) == schema


async def test_only_triggers_that_a_load_would_fire_are_suspended(database: Database, role: str) -> None:
    async with connected(database, role) as connection:
        suspensions = await read_suspensions(connection, "items", "days_old")
        names = {suspension.identity for suspension in suspensions}
        assert names == {
            "trigger on_origin on public.items",
            'trigger of a "copy" too on public.items',
            "trigger always on public.items",
            "trigger deferred on public.items",
            "trigger truncated on public.items",
            "trigger row on public.days_old",
            "trigger checking on public.days_old",
            "trigger of_leaf on public.days_old",
        }
        oid = await connection.fetchval("SELECT 'days_old'::regclass::oid")
        assert [suspension.table_oid for suspension in suspensions if "of_leaf" in suspension.identity] == [oid]


async def test_triggers_of_tables_that_the_role_does_not_own_are_told_of(database: Database, role: str) -> None:
    database.execute(f"ALTER TABLE items OWNER TO CURRENT_USER; GRANT SELECT, INSERT ON items TO {role}")
    async with connected(database, role) as connection:
        oid = await connection.fetchval("SELECT 'items'::regclass::oid")
        triggers = await read_triggers(connection, [oid])
    assert plan_suspensions(triggers.of_tables) == ()
    assert list(trigger_warnings(triggers)) == [
        f"trigger {name} on public.items will fire: only the owner of the table can switch it off"
        for name in ("always", "deferred", "on_origin", "truncated")
    ]


async def test_event_triggers_that_changes_of_tables_fire_are_told_of(database: Database) -> None:
    database.execute(
        """
        CREATE SCHEMA audit;
        CREATE FUNCTION audit.note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
        CREATE EVENT TRIGGER noting ON ddl_command_end EXECUTE FUNCTION audit.note();
        CREATE EVENT TRIGGER off ON ddl_command_end EXECUTE FUNCTION audit.note();
        CREATE EVENT TRIGGER rewriting ON table_rewrite EXECUTE FUNCTION audit.note();
        ALTER EVENT TRIGGER off DISABLE;
        """
    )
    async with database.connect() as connection:
        triggers = await read_triggers(connection, [])
    assert list(trigger_warnings(triggers)) == [
        "event trigger noting calls audit.note() on ddl_command_end, also when tables are changed for the load"
    ]


async def test_copy_passes_rules_by(database: Database) -> None:
    database.execute(
        """
        CREATE TABLE items (id int); CREATE TABLE log (id int);
        CREATE RULE instead AS ON INSERT TO items DO INSTEAD NOTHING;
        CREATE RULE also AS ON INSERT TO items DO ALSO INSERT INTO log VALUES (NEW.id);
        """
    )
    async with database.connect() as connection:
        await connection.copy_records_to_table("items", records=[(1,), (2,)])
    assert await fetch(database, "SELECT id FROM items") == [(1,), (2,)]
    assert await fetch(database, "SELECT id FROM log") == []
