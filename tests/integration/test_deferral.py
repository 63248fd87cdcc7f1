from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from dbrestore.errors import (
    ConstraintError,
    DbrestoreError,
    PrivilegeError,
    SchemaError,
    TargetError,
    UnfinishedRunError,
)
from dbrestore.export.local import LocalStorage
from dbrestore.progress import Progress
from dbrestore.restore import restore
from dbrestore.running import RestoreOptions
from dbrestore.target.connect import ConnectionSettings
from dbrestore.target.deferral.execution import choose_build_memory
from dbrestore.target.deferral.policy import ForeignKeys, Indexes, Policy
from tests.integration.fingerprint import fingerprint
from tests.integration.owner import create_owner
from tests.integration.round_trip import (
    DEFAULT_POLICY,
    abort_restore,
    export_database,
    fetch,
    find_differences,
    on_both_engines,
    plan_restore,
    problems_of,
    restore_export,
    wait_for_sessions,
)
from tests.integration.schema_text import schema_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dbrestore.plan import Plan
    from dbrestore.testing.databases import Database, MakeDatabase

ORDERED = Policy(ForeignKeys.ORDERED)
UNCHECKED = Policy(ForeignKeys.UNCHECKED)
POST_DATA = files("dbrestore.testing").joinpath("post_data.sql").read_text(encoding="utf-8")
POST_DATA_ROWS = files("dbrestore.testing").joinpath("post_data_data.sql").read_text(encoding="utf-8")
EXTENSIONS = "CREATE EXTENSION btree_gist; CREATE EXTENSION citext;"
JOURNAL = "SELECT count(*)::int FROM pg_namespace WHERE nspname = 'dbrestore'"
OF_VERSION = {
    15: """
        CREATE TABLE nulls (a int, b int, CONSTRAINT nulls_key UNIQUE NULLS NOT DISTINCT (a) INCLUDE (b));
        CREATE UNIQUE INDEX nulls_idx ON nulls (b) NULLS NOT DISTINCT WITH (fillfactor = 88);
        CREATE TABLE referring (a int REFERENCES nulls (a) ON DELETE SET NULL (a), b int);
    """,
    17: """
        CREATE TABLE rooms (room int, during tsrange, EXCLUDE USING gist (room WITH =, during WITH &&))
            PARTITION BY RANGE (room);
        CREATE TABLE rooms_1 PARTITION OF rooms FOR VALUES FROM (0) TO (9);
    """,
    18: """
        CREATE TABLE prices (
            item int, during daterange, PRIMARY KEY (item, during WITHOUT OVERLAPS) WITH (fillfactor = 77)
        );
        CREATE TABLE sales (
            item int, during daterange, FOREIGN KEY (item, PERIOD during) REFERENCES prices (item, PERIOD during)
        );
        CREATE TABLE doubtful (id int PRIMARY KEY, other int REFERENCES doubtful NOT ENFORCED);
        CREATE TABLE halves (id int REFERENCES doubtful, other int) PARTITION BY RANGE (id);
        CREATE TABLE halves_1 PARTITION OF halves FOR VALUES FROM (0) TO (9);
        ALTER TABLE halves ADD CONSTRAINT unsure FOREIGN KEY (other) REFERENCES doubtful NOT VALID;
    """,
}


def of_version(database: Database) -> str:
    """What the server knows beyond PostgreSQL 13."""
    return "".join(sql for version, sql in OF_VERSION.items() if version <= database.server.major_version)


async def export_into(
    source: Database, target: Database, folder: Path, schema: str, rows: str, *, rows_per_part: int = 100_000
) -> tuple[Path, str]:
    """An export of what ``schema`` and ``rows`` make, and a role that owns ``schema`` in the target."""
    source.execute(schema + ";" + rows)
    role = create_owner(target)
    target.execute(f"GRANT CREATE ON DATABASE {target.name} TO {role}; SET ROLE {role}; {schema}")
    return await export_database(source, folder, rows_per_part=rows_per_part), role


@pytest.fixture
def pair(make_database: MakeDatabase) -> tuple[Database, Database]:
    """Where an export comes from, and where it goes."""
    return make_database(), make_database()


async def failure(
    exported: Path, database: Database, role: str, policy: Policy = DEFAULT_POLICY
) -> tuple[DbrestoreError, ...]:
    with pytest.raises(DbrestoreError) as caught:
        await restore_export(exported, database, user=role, policy=policy)
    return problems_of(caught.value)


def identities(plan: Plan) -> list[str]:
    return sorted(deferred.identity for deferred in plan.deferral.objects)


def kept(plan: Plan) -> dict[str, str]:
    return {kept.identity: kept.reason for kept in plan.deferral.kept}


def without(lines: Iterable[str], *words: str) -> list[str]:
    return [line for line in lines if not any(word in line for word in words)]


@pytest.mark.parametrize("policy", [Policy(), ORDERED, Policy(indexes=Indexes.KEEP)])
async def test_keys_and_indexes_of_every_kind_come_back_identical(
    policy: Policy, pair: tuple[Database, Database], tmp_path: Path
) -> None:
    source, target = pair
    for database in pair:
        database.execute(EXTENSIONS)
    schema = POST_DATA + of_version(source)
    exported, role = await export_into(source, target, tmp_path, schema, POST_DATA_ROWS, rows_per_part=100)
    before = fingerprint(target)
    await restore_export(exported, target, user=role, policy=policy, jobs=4)
    assert fingerprint(target) == before
    assert await find_differences(source, target) == []
    assert await fetch(target, JOURNAL) == [(0,)]


async def test_a_dump_of_the_schema_is_the_same_before_and_after(
    pair: tuple[Database, Database], tmp_path: Path
) -> None:
    source, target = pair
    for database in pair:
        database.execute(EXTENSIONS)
    schema = POST_DATA + of_version(source)
    exported, role = await export_into(source, target, tmp_path, schema, POST_DATA_ROWS)
    before = schema_text(target)
    await restore_export(exported, target, user=role)
    assert schema_text(target) == before


async def test_everything_comes_down_but_for_what_others_need(pair: tuple[Database, Database], tmp_path: Path) -> None:
    source, target = pair
    for database in pair:
        database.execute(EXTENSIONS)
    exported, role = await export_into(source, target, tmp_path, POST_DATA, POST_DATA_ROWS)
    plan = await plan_restore(exported, target, user=role)
    assert kept(plan) == {
        "primary key published_pkey of public.published": "replication finds rows by it",
        "primary key teams_pkey of public.teams": "view public.named_teams needs it",
    }
    constraints = """
        SELECT count(*)::int FROM pg_constraint
        WHERE contype IN ('p', 'u', 'x', 'f') AND conparentid = 0 AND conrelid >= 16384
    """
    indexes = """
        SELECT count(*)::int FROM pg_index i JOIN pg_class c ON c.oid = indexrelid
        WHERE indrelid >= 16384 AND c.relnamespace <> 'pg_toast'::regnamespace AND NOT c.relispartition
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype <> 'f')
    """
    [(total,)] = await fetch(target, f"SELECT ({constraints}) + ({indexes})")
    assert len(plan.deferral.objects) == total - 2


async def test_an_index_comes_back_to_its_tablespace(pair: tuple[Database, Database], tmp_path: Path) -> None:
    source, target = pair
    if target.server.major_version < 15:
        pytest.skip("no tablespaces without a folder before PostgreSQL 15")
    exported, role = await export_into(
        source, target, tmp_path, "CREATE TABLE items (id int, word text)", "INSERT INTO items VALUES (1, 'a')"
    )
    target.execute(
        f"""
        SET allow_in_place_tablespaces = on; CREATE TABLESPACE "Fast {target.name}" LOCATION '';
        CREATE TABLESPACE "other {target.name}" LOCATION '';
        ALTER ROLE {role} SET default_tablespace = 'other {target.name}';
        GRANT CREATE ON TABLESPACE "Fast {target.name}" TO {role};
        ALTER TABLE items ADD PRIMARY KEY (id) USING INDEX TABLESPACE "Fast {target.name}";
        CREATE INDEX items_word_idx ON items (word);
        CREATE INDEX items_both_idx ON items (id, word) TABLESPACE "other {target.name}";
        """
    )
    before = fingerprint(target)
    plan, _ = await restore_export(exported, target, user=role)
    assert fingerprint(target) == before
    assert kept(plan) == {
        "index items_both_idx of public.items": f"the role may not create in tablespace other {target.name}"
    }


async def test_what_the_role_does_not_own_stays_and_so_does_what_that_needs(
    pair: tuple[Database, Database], tmp_path: Path
) -> None:
    source, target = pair
    schema = "CREATE TABLE parents (id int PRIMARY KEY, word text UNIQUE)"
    foreign = "CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents)"
    rows = f"; {foreign}; INSERT INTO parents VALUES (1, 'a'); INSERT INTO children VALUES (1, 1)"
    exported, role = await export_into(source, target, tmp_path, schema, rows)
    target.execute(f"{foreign}; GRANT SELECT, INSERT ON children TO {role}")
    before = fingerprint(target)
    plan, _ = await restore_export(exported, target, user=role)
    assert identities(plan) == ["unique constraint parents_word_key of public.parents"]
    assert kept(plan) == {
        "foreign key children_parent_fkey of public.children": "the role does not own the table",
        "primary key children_pkey of public.children": "the role does not own the table",
        "primary key parents_pkey of public.parents": "foreign key children_parent_fkey of public.children needs it",
    }
    assert [(table.table.name, table.level) for table in plan.tables] == [("parents", 0), ("children", 1)]
    assert fingerprint(target) == before


async def test_a_key_whose_triggers_are_switched_off_is_left_as_it_is(
    pair: tuple[Database, Database], tmp_path: Path
) -> None:
    source, target = pair
    schema = "CREATE TABLE a (id int PRIMARY KEY, other int REFERENCES a)"
    exported, role = await export_into(source, target, tmp_path, schema, "INSERT INTO a VALUES (1, 1)")
    target.execute("ALTER TABLE a DISABLE TRIGGER ALL")
    before = fingerprint(target)
    plan, _ = await restore_export(exported, target, user=role)
    assert kept(plan)["foreign key a_other_fkey of public.a"] == "its triggers are not enabled as usual"
    assert fingerprint(target) == before


async def test_an_index_that_would_be_printed_in_another_way_stays(
    pair: tuple[Database, Database], tmp_path: Path
) -> None:
    source, target = pair
    schema = """
        CREATE TABLE items (word varchar(9), id int, kind text);
        CREATE INDEX unstable ON items (id) WHERE word IN ('a', 'b'); CREATE INDEX stable ON items (id)
            WHERE kind IN ('a', 'b') AND id IN (1, 2) AND word = ANY ('{a,b}') AND word NOT LIKE 'x%' AND id > -7;
    """
    exported, role = await export_into(source, target, tmp_path, schema, "INSERT INTO items VALUES ('a', 1, 'b')")
    before = fingerprint(target)
    plan, _ = await restore_export(exported, target, user=role)
    assert identities(plan) == ["index stable of public.items"]
    assert kept(plan) == {"index unstable of public.items": "PostgreSQL would print it in another way afterwards"}
    assert fingerprint(target) == before


async def test_an_index_stays_where_the_role_may_not_create_one(
    pair: tuple[Database, Database], tmp_path: Path
) -> None:
    source, target = pair
    schema = "CREATE SCHEMA closed; CREATE TABLE closed.items (id int PRIMARY KEY, word text);"
    exported, role = await export_into(source, target, tmp_path, schema, "INSERT INTO closed.items VALUES (1, 'a')")
    target.execute(f"ALTER SCHEMA closed OWNER TO postgres; GRANT USAGE ON SCHEMA closed TO {role}")
    plan, _ = await restore_export(exported, target, user=role)
    assert kept(plan) == {"primary key items_pkey of closed.items": "the role may not create in schema closed"}


async def test_a_role_that_may_not_keep_a_journal_is_told_before_anything_is_done(
    pair: tuple[Database, Database], tmp_path: Path
) -> None:
    source, target = pair
    exported, role = await export_into(source, target, tmp_path, "CREATE TABLE a (id int PRIMARY KEY)", "SELECT 1")
    target.execute(f"REVOKE CREATE ON DATABASE {target.name} FROM {role}")
    [problem] = await failure(exported, target, role)
    assert isinstance(problem, PrivilegeError)
    assert problem.message.startswith("the role may not create the schema dbrestore")
    assert (await plan_restore(exported, target, user=role, policy=ORDERED)).problems == ()


@pytest.mark.parametrize("sql", ["CREATE SCHEMA dbrestore", "CREATE SCHEMA dbrestore AUTHORIZATION postgres"])
async def test_a_schema_with_the_name_of_the_journal_is_left_alone(
    sql: str, pair: tuple[Database, Database], tmp_path: Path
) -> None:
    source, target = pair
    exported, role = await export_into(source, target, tmp_path, "CREATE TABLE a (id int PRIMARY KEY)", "SELECT 1")
    target.execute(f"SET ROLE {'postgres' if 'postgres' in sql else role}; {sql}")
    [problem] = await failure(exported, target, role)
    assert isinstance(problem, TargetError)
    with pytest.raises(TargetError):
        await abort_restore(target, user=role)
    assert await fetch(target, JOURNAL) == [(1,)]


CYCLE = """
    CREATE TABLE hens (id int PRIMARY KEY, egg int);
    CREATE TABLE eggs (id int PRIMARY KEY, hen int REFERENCES hens{0});
    ALTER TABLE hens ADD FOREIGN KEY (egg) REFERENCES eggs{1};
"""
HENS = """
    INSERT INTO hens SELECT generate_series(1, 20);
    INSERT INTO eggs SELECT n, n FROM generate_series(1, 20) AS n;
    UPDATE hens SET egg = 21 - id;
"""


@on_both_engines
@pytest.mark.parametrize("timing", ["", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED"])
@pytest.mark.parametrize("policy", [Policy(), ORDERED])
async def test_cycles_of_keys_are_loaded(
    timing: str,
    policy: Policy,
    pair: tuple[Database, Database],
    tmp_path: Path,
) -> None:
    source, target = pair
    schema = CYCLE.format("", timing) + "CREATE TABLE chicks (id int, egg int REFERENCES eggs);"
    rows = HENS + "INSERT INTO chicks VALUES (1, 1)"
    exported, role = await export_into(source, target, tmp_path, schema, rows, rows_per_part=5)
    before = fingerprint(target)
    plan, _ = await restore_export(exported, target, user=role, policy=policy)
    assert await find_differences(source, target) == []
    assert fingerprint(target) == before
    if policy == ORDERED:
        together = {table.table.name for table in plan.tables if table.together}
        assert together == ({"hens", "eggs"} if timing else set())
        assert len(identities(plan)) == (0 if timing else 1)


async def test_a_cycle_that_cannot_be_opened_is_a_problem(pair: tuple[Database, Database], tmp_path: Path) -> None:
    source, target = pair
    exported, role = await export_into(source, target, tmp_path, CYCLE.format("", ""), HENS)
    target.execute(f"REASSIGN OWNED BY {role} TO postgres; GRANT SELECT, INSERT ON hens, eggs TO {role}")
    [problem] = await failure(exported, target, role)
    assert isinstance(problem, SchemaError)
    assert problem.message.startswith("foreign keys form a cycle: public.")


@on_both_engines
async def test_a_row_that_breaks_a_deferred_key_of_a_cycle_leaves_nothing_of_it(
    pair: tuple[Database, Database], tmp_path: Path
) -> None:
    source, target = pair
    exported, role = await export_into(
        source,
        target,
        tmp_path,
        CYCLE.format("", ""),
        HENS + "ALTER TABLE hens DROP CONSTRAINT hens_egg_fkey;UPDATE hens SET egg = 99 WHERE id = 7",
    )
    target.execute("DROP TABLE hens, eggs;" + f"SET ROLE {role};" + CYCLE.format("", " DEFERRABLE"))
    [problem] = await failure(exported, target, role, policy=ORDERED)
    assert isinstance(problem, ConstraintError)
    assert "loading public.hens, public.eggs in one transaction" in problem.message
    assert "Key (egg)=(99) is not present" in problem.message
    assert await fetch(target, "SELECT id FROM hens UNION ALL SELECT id FROM eggs") == []


@on_both_engines
async def test_unchecked_keys_let_every_row_in_and_that_is_said(
    pair: tuple[Database, Database], tmp_path: Path
) -> None:
    source, target = pair
    loose = CYCLE.format("", "").replace("REFERENCES hens", "").replace("ALTER TABLE hens ADD FOREIGN KEY", "--")
    source.execute(loose + "INSERT INTO hens VALUES (1, 99); INSERT INTO eggs VALUES (1, 99)")
    exported = await export_database(source, tmp_path)
    target.execute(CYCLE.format("", ""))
    before = fingerprint(target)
    _, said = await restore_export(exported, target, policy=UNCHECKED)
    assert "warning: the foreign keys from and to 2 tables are not checked" in said
    assert await find_differences(source, target) == []
    assert fingerprint(target) == before


async def test_a_role_that_may_not_leave_keys_unchecked_is_told(
    pair: tuple[Database, Database], tmp_path: Path
) -> None:
    source, target = pair
    exported, role = await export_into(source, target, tmp_path, CYCLE.format("", ""), HENS)
    [problem] = await failure(exported, target, role, policy=UNCHECKED)
    assert isinstance(problem, PrivilegeError)
    assert "session_replication_role" in str(problem.hint)


KEYS = "SELECT conname FROM pg_constraint WHERE contype IN ('p', 'f') AND connamespace = 'public'::regnamespace"
BROKEN = """
    CREATE TABLE parents (a int, b int, word text, PRIMARY KEY (a, b));
    CREATE TABLE children (
        id int PRIMARY KEY, a int, b int, word text,
        CONSTRAINT to_parents FOREIGN KEY (a, b) REFERENCES parents MATCH FULL
    );
    CREATE INDEX children_word_idx ON children (word);
"""


async def test_rows_that_break_a_key_are_told_and_only_that_key_is_not_valid(
    pair: tuple[Database, Database], tmp_path: Path
) -> None:
    source, target = pair
    rows = """
        INSERT INTO parents SELECT n, n, 'p' FROM generate_series(1, 100) AS n;
        ALTER TABLE children DROP CONSTRAINT to_parents;
        INSERT INTO children SELECT n, n, n, 'c' FROM generate_series(1, 100) AS n;
        INSERT INTO children SELECT 200 + n, 1000 + n % 15, 5, 'c' FROM generate_series(1, 30) AS n;
        INSERT INTO children VALUES (300, 1, NULL, 'half'), (301, NULL, NULL, 'none');
    """
    exported, role = await export_into(source, target, tmp_path, BROKEN, rows)
    before = fingerprint(target)
    [problem] = await failure(exported, target, role)
    assert isinstance(problem, ConstraintError)
    assert problem.exit_code == 5
    assert problem.message.startswith("putting back foreign key to_parents of public.children: ")
    assert "; rows without a match: 31, with the keys (1, null), (1000, 5), (1001, 5)" in problem.message
    assert problem.message.endswith("and more; it is back, but NOT VALID")
    assert 'ALTER TABLE "public"."children" VALIDATE CONSTRAINT "to_parents"' in str(problem.hint)
    assert await find_differences(source, target) == []
    assert await fetch(target, JOURNAL) == [(0,)]
    assert without(fingerprint(target), "to_parents") == without(before, "to_parents")
    target.execute("DELETE FROM children WHERE id > 100; ALTER TABLE children VALIDATE CONSTRAINT to_parents")
    assert fingerprint(target) == before


async def test_a_duplicate_keeps_its_key_down_until_it_is_repaired(
    pair: tuple[Database, Database], tmp_path: Path
) -> None:
    source, target = pair
    rows = """
        ALTER TABLE children DROP CONSTRAINT to_parents; ALTER TABLE parents DROP CONSTRAINT parents_pkey;
        INSERT INTO parents VALUES (1, 1, 'first'), (1, 1, 'again'), (2, 2, 'b'); INSERT INTO children VALUES (1, 2, 2);
    """
    exported, role = await export_into(source, target, tmp_path, BROKEN, rows)
    before = fingerprint(target)
    duplicate, waiting = await failure(exported, target, role)
    assert isinstance(duplicate, ConstraintError)
    assert "(Key (a, b)=(1, 1) is duplicated.)" in duplicate.message
    assert waiting.message == (
        "foreign key to_parents of public.children stays down: it needs primary key parents_pkey of public.parents, "
        "which could not be put back"
    )
    assert await fetch(target, KEYS) == [("children_pkey",)]
    assert await fetch(target, "SELECT word FROM parents") == [("first",), ("again",), ("b",)]
    with pytest.raises(UnfinishedRunError, match="2 keys, indexes or triggers are down"):
        await restore_export(exported, target, user=role)
    with pytest.raises(DbrestoreError, match="is duplicated"):
        await abort_restore(target, user=role)
    target.execute("DELETE FROM parents WHERE word = 'again'")
    assert (await abort_restore(target, user=role)).startswith("put back 2 keys, indexes and triggers")
    assert fingerprint(target) == before
    assert await fetch(target, JOURNAL) == [(0,)]


PARTITIONED = """
    CREATE TABLE owners (id int PRIMARY KEY);
    CREATE TABLE days (day int, owner int, word text, PRIMARY KEY (day)) PARTITION BY RANGE (day);
    CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (0) TO (100);
    CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM (100) TO (200);
    CREATE TABLE visits (day int REFERENCES days);
    ALTER TABLE days ADD CONSTRAINT to_owners FOREIGN KEY (owner) REFERENCES owners;
"""


async def test_a_row_of_a_partition_that_breaks_a_key_keeps_it_down_until_it_is_repaired(
    pair: tuple[Database, Database], tmp_path: Path
) -> None:
    source, target = pair
    rows = """
        INSERT INTO owners VALUES (1); ALTER TABLE days DROP CONSTRAINT to_owners;
        ALTER TABLE visits DROP CONSTRAINT visits_day_fkey;
        INSERT INTO days SELECT n, 1 + n / 150 FROM generate_series(0, 151) AS n; INSERT INTO visits VALUES (7), (999);
    """
    exported, role = await export_into(source, target, tmp_path, PARTITIONED, rows)
    before = fingerprint(target)
    problems = await failure(exported, target, role)
    told = "\n".join(sorted(problem.message for problem in problems))
    assert "to_owners of public.days_2: " in told
    assert "rows without a match: 2, with the keys (2); it stays down" in told
    assert "to_owners of public.days stays down: it needs foreign key to_owners of public.days_2" in told
    assert "rows without a match: 1, with the keys (999); it is back, but NOT VALID" in told
    assert await fetch(target, "SELECT convalidated FROM pg_constraint WHERE conname = 'visits_day_fkey'") == [(False,)]
    target.execute("INSERT INTO owners VALUES (2); DELETE FROM visits WHERE day = 999")
    await abort_restore(target, user=role)
    target.execute(
        """
        ALTER TABLE visits DROP CONSTRAINT visits_day_fkey;
        ALTER TABLE visits ADD CONSTRAINT visits_day_fkey FOREIGN KEY (day) REFERENCES days
        """
    )
    assert fingerprint(target) == before


async def test_what_an_interrupted_taking_down_took_is_put_back_by_an_abort(
    pair: tuple[Database, Database], tmp_path: Path
) -> None:
    source, target = pair
    tables = "".join(
        f"CREATE TABLE t{n:03} (id int PRIMARY KEY, word text, EXCLUDE (word WITH =));" for n in range(100)
    )
    exported, role = await export_into(source, target, tmp_path, tables, "INSERT INTO t001 VALUES (1, 'a')")
    before = fingerprint(target)
    constraints = "SELECT count(*)::int FROM pg_constraint WHERE contype IN ('p', 'x') AND connamespace = 2200"
    async with target.connect() as other, other.transaction():
        await other.execute("LOCK TABLE t099 IN ACCESS SHARE MODE")
        work = asyncio.create_task(restore_export(exported, target, user=role))
        while not await other.fetch("SELECT FROM pg_locks WHERE NOT granted"):
            await other.execute("SELECT pg_sleep(0.01)")
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    await wait_for_sessions(target, 0)
    [(up,)] = await fetch(target, constraints)
    assert 0 < up < 200
    with pytest.raises(UnfinishedRunError, match=f"{200 - up} keys"):
        await restore_export(exported, target, user=role)
    await abort_restore(target, user=role)
    assert fingerprint(target) == before


SLOWLY = """
    CREATE FUNCTION slowly(int) RETURNS int IMMUTABLE LANGUAGE plpgsql
        AS $$ BEGIN PERFORM pg_sleep(0.01); RETURN $1; END $$;
    CREATE TABLE a (id int PRIMARY KEY, word text UNIQUE); CREATE INDEX a_idx ON a (word, id);
    CREATE TABLE b (id int REFERENCES a, word text);
"""
SLOWLY_ROWS = "INSERT INTO a SELECT n, n FROM generate_series(1, 100) AS n; INSERT INTO b SELECT id, word FROM a;"
KILL = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'dbrestore' AND datname = current_database() AND
"""


async def abort_after(work: asyncio.Task[object], target: Database, role: str) -> None:
    """Wait until a run that is being killed ends, and put back what it took down."""
    with pytest.raises(DbrestoreError, match="terminating connection due to administrator command"):
        await work
    await wait_for_sessions(target, 0)
    await abort_restore(target, user=role)
    assert await fetch(target, JOURNAL) == [(0,)]


@pytest.mark.parametrize(
    ("slow", "query"),
    [
        ("ALTER TABLE b ADD CHECK (slowly(id) > 0)", 'COPY "public"."b"%'),
        ("CREATE INDEX slow ON a (slowly(id))", "CREATE INDEX slow%"),
    ],
)
async def test_what_a_killed_run_left_down_is_put_back_by_an_abort(
    slow: str, query: str, pair: tuple[Database, Database], tmp_path: Path
) -> None:
    source, target = pair
    exported, role = await export_into(source, target, tmp_path, SLOWLY + slow, SLOWLY_ROWS, rows_per_part=50)
    before = fingerprint(target)
    work = asyncio.create_task(restore_export(exported, target, user=role, retry_for=0))
    async with target.connect() as killer:
        while not work.done():
            await killer.execute(f"{KILL} state = 'active' AND query LIKE '{query}'")
    await abort_after(work, target, role)
    assert fingerprint(target) == before


async def test_a_foreign_key_that_a_killed_run_left_down_is_put_back_by_an_abort(
    pair: tuple[Database, Database], tmp_path: Path
) -> None:
    source, target = pair
    slow = "ALTER TABLE b ADD CHECK (slowly(id) > 0)"
    exported, role = await export_into(source, target, tmp_path, SLOWLY + slow, SLOWLY_ROWS)
    before = fingerprint(target)
    work = asyncio.create_task(restore_export(exported, target, user=role, retry_for=0))
    async with target.connect() as other:
        while await other.fetch("SELECT FROM pg_constraint WHERE conname = 'b_id_fkey'"):
            await other.execute("SELECT pg_sleep(0.01)")
        async with other.transaction():
            await other.execute("LOCK TABLE b IN SHARE UPDATE EXCLUSIVE MODE")
            while not await other.fetch(f"{KILL} wait_event_type = 'Lock' AND query LIKE '%b_id_fkey%'"):
                await other.execute("SELECT pg_sleep(0.01), pg_stat_clear_snapshot()")
    await abort_after(work, target, role)
    assert fingerprint(target) == before


async def test_the_memory_of_builds_is_never_less_than_the_servers_own(database: Database) -> None:
    async with database.connect() as connection:
        async with connection.transaction():
            await connection.execute("SET LOCAL maintenance_work_mem = '99MB'")
            assert await choose_build_memory(connection, 4) == f"{99 * 1024}kB"
        await connection.execute("SET maintenance_work_mem = '1MB'")
        shared = await connection.fetchval("SELECT pg_size_bytes(current_setting('shared_buffers'))")
        assert await choose_build_memory(connection, 4) == f"{shared // 2 // 4 // 1024}kB"


async def test_a_memory_that_the_server_refuses_is_an_error_before_anything_is_done(
    pair: tuple[Database, Database], tmp_path: Path
) -> None:
    source, target = pair
    exported, role = await export_into(source, target, tmp_path, BROKEN, "INSERT INTO parents VALUES (1, 1)")
    connection = ConnectionSettings(SecretStr(target.dsn), user=role)
    options = RestoreOptions(maintenance_work_mem="1kB")
    with pytest.raises(DbrestoreError, match="1 kB is outside the valid range"):
        await restore(LocalStorage(exported), connection, options, Progress())
    assert await fetch(target, JOURNAL) == [(0,)]
