from __future__ import annotations

import asyncio
import io
import re
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from pydantic import SecretStr

from dbrestore.errors import ConcurrentRunError, ConnectError, DbrestoreError, TargetError
from dbrestore.export.local import LocalStorage
from dbrestore.progress import Progress
from dbrestore.recovery import abort
from dbrestore.restore import restore
from dbrestore.running import RestoreOptions, Unfinished
from dbrestore.target import lock, silence
from dbrestore.target.connect import ConnectionSettings, open_pool, while_connected
from dbrestore.target.deferral.policy import ForeignKeys, Indexes, Policy
from dbrestore.testing.databases import create_database
from dbrestore.testing.postgres import HOST, PostgresServer
from dbrestore.testing.proxy import Proxy
from dbrestore.views.lines import Lines
from tests.integration import round_trip
from tests.integration.owner import create_owner
from tests.integration.round_trip import export_database, fetch, on_both_engines, restore_export, wait_for_sessions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from dbrestore.testing.databases import Database, MakeDatabase

TABLES = """
    CREATE TABLE shelves (id int PRIMARY KEY, word text);
    CREATE TABLE books (id int PRIMARY KEY, shelf int REFERENCES shelves, word text);
    CREATE INDEX books_word_idx ON books (word);
"""
ROWS = """
    INSERT INTO shelves SELECT n, 'shelf ' || n FROM generate_series(1, 50) AS n;
    INSERT INTO books SELECT n, 1 + n % 50, 'book ' || n FROM generate_series(1, 500) AS n;
"""
GATE_KEY = 42
GATE = """
    CREATE FUNCTION passes() RETURNS bool LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock_shared({key});
        RETURN true;
    END $$;
    ALTER TABLE books ADD CONSTRAINT gated CHECK (id NOT IN ({rows}) OR passes());
"""
OPEN = "ALTER TABLE books DROP CONSTRAINT gated; DROP FUNCTION passes"
EACH_PART = "100, 200, 300, 400, 500"
LAST_PART = "500"
FAILS_ONCE = """
    CREATE SEQUENCE failures;
    CREATE FUNCTION fails() RETURNS bool LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('public.failures') = 1 THEN RAISE EXCEPTION 'gave way' USING ERRCODE = '{code}'; END IF;
        RETURN true;
    END $$;
    ALTER TABLE books ADD CONSTRAINT fails CHECK (id <> 250 OR fails());
"""
JOURNAL = "SELECT count(*)::int FROM pg_namespace WHERE nspname = 'dbrestore'"
LOADED_PARTS = "SELECT count(*)::int FROM dbrestore.part WHERE is_loaded"
INDEXES = "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid IN ('books'::regclass, 'shelves'::regclass)"
KEYS = "SELECT conname FROM pg_constraint WHERE contype = 'f' AND convalidated"
SESSIONS = "FROM pg_stat_activity WHERE application_name = 'dbrestore' AND datname = current_database()"
END_ALL = f"SELECT pg_terminate_backend(pid) {SESSIONS}"
END_HOLDER = f"""
    SELECT pg_terminate_backend(pid) FROM pg_locks
     WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32 | objid::bigint) = {lock.KEY}
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
LOCK_LOST = "the connection that keeps other runs off the target was lost; trying again"
NO_INDEXES = Policy(ForeignKeys.ORDERED, Indexes.KEEP)


class Said(io.StringIO):
    """What a restore says, while it says it."""

    async def waits_for(self, words: str) -> None:
        while words not in self.getvalue():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@asynccontextmanager
async def restoring(
    export: Path,
    target: Database,
    *,
    dsn: str | None = None,
    user: str | None = None,
    rows: str = EACH_PART,
    **options: Any,
) -> AsyncIterator[tuple[asyncio.Task[object], Said]]:
    """A restore that cannot load certain rows before the block ends, and comes to its end then, if it has not yet."""
    target.execute(GATE.format(key=GATE_KEY, rows=rows))
    said = Said()
    settings = ConnectionSettings(SecretStr(dsn or target.dsn), user=user)
    wanted = RestoreOptions(**{"jobs": 2, "retry_for": 100.0, "cluster": round_trip.CLUSTER, **options})
    async with target.connect() as gate:
        await gate.execute(f"SELECT pg_advisory_lock({GATE_KEY})")
        work = asyncio.create_task(
            restore(LocalStorage(export), settings, wanted, Progress([Lines(said)])), name="the restore"
        )
        try:
            yield work, said
            if not work.done():
                gate.terminate()
                await work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
    target.execute(OPEN)


async def assert_right(target: Database) -> None:
    assert await fetch(target, "SELECT count(*)::int, sum(id)::int FROM books") == [(500, 125250)]
    assert await fetch(target, "SELECT count(*)::int, sum(id)::int FROM shelves") == [(50, 1275)]
    assert sorted(await fetch(target, INDEXES)) == [("books_pkey",), ("books_word_idx",), ("shelves_pkey",)]
    assert await fetch(target, KEYS) == [("books_shelf_fkey",)]
    assert await fetch(target, JOURNAL) == [(0,)]
    await wait_for_sessions(target, 0)


@pytest.fixture
async def export(make_database: MakeDatabase, tmp_path: Path) -> Path:
    source = make_database()
    source.execute(TABLES + ROWS)
    return await export_database(source, tmp_path, rows_per_part=100)


@pytest.fixture
def target(make_database: MakeDatabase) -> Database:
    target = make_database()
    target.execute(TABLES)
    return target


@pytest.fixture
def other_server() -> Iterator[PostgresServer]:
    """One that may be stopped, and that keeps commits which need not be on disk in memory."""
    with PostgresServer.start({"wal_writer_delay": "10s"}) as server:
        yield server


@pytest.fixture
def doomed(other_server: PostgresServer) -> Database:
    target = create_database(other_server)
    target.execute(f"{TABLES}; CHECKPOINT")
    return target


@on_both_engines
async def test_a_connection_that_is_lost_is_made_again_and_the_part_loaded_again(
    export: Path, target: Database
) -> None:
    async with restoring(export, target) as (_, said):
        [pid, _] = await wait_for_sessions(target, 2, copying=True)
        await fetch(target, f"SELECT pg_terminate_backend({pid})")
        await said.waits_for("terminating connection due to administrator command; trying again in 0.")
    assert "going on" not in said.getvalue()
    await assert_right(target)


@on_both_engines
async def test_a_run_that_lost_its_lock_takes_it_again_and_goes_on_by_its_journal(
    export: Path, target: Database
) -> None:
    async with restoring(export, target, rows=LAST_PART) as (_, said):
        while not await fetch(target, JOURNAL) or await loaded_parts(target) < 4:
            pass
        await fetch(target, END_HOLDER)
        await said.waits_for(" of 6 parts")
    assert re.search(r"going on: [45] of 6 parts", said.getvalue())
    assert LOCK_LOST in said.getvalue()
    await assert_right(target)


async def loaded_parts(target: Database) -> int:
    try:
        [(number,)] = await fetch(target, LOADED_PARTS)
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return 0
    return int(number)


@on_both_engines
async def test_a_run_whose_lock_another_one_has_by_then_ends(export: Path, target: Database) -> None:
    async with target.connect() as other:
        async with restoring(export, target) as (work, _):
            await wait_for_sessions(target, 2, copying=True)
            taking = asyncio.create_task(other.execute(f"SELECT pg_advisory_lock({lock.KEY})"))
            while not await fetch(target, "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
                pass
            await fetch(target, END_HOLDER)
            await taking
            with pytest.raises(ConcurrentRunError):
                await work
        assert await fetch(target, "SELECT count(*)::int FROM books") == [(0,)]
        assert await fetch(target, JOURNAL) == [(1,)]
    await restore_export(export, target, unfinished=Unfinished.RESUME)
    await assert_right(target)


async def test_commits_that_a_crash_of_the_server_took_along_are_made_again(export: Path, doomed: Database) -> None:
    async with restoring(export, doomed, rows=LAST_PART) as (_, said):
        while await loaded_parts(doomed) < 5:
            pass
        await asyncio.to_thread(doomed.server.crash)
        await said.waits_for("; trying again")
        await asyncio.to_thread(doomed.server.start_again)
    assert LOCK_LOST in said.getvalue()
    assert "going on: 5 of 6 parts" not in said.getvalue()
    await assert_right(doomed)


@on_both_engines
async def test_a_server_that_does_not_come_back_in_time_is_an_error_and_the_run_can_be_resumed(
    export: Path, doomed: Database
) -> None:
    async with restoring(export, doomed, retry_for=1.0) as (work, said):
        await wait_for_sessions(doomed, 2, copying=True)
        await asyncio.to_thread(doomed.server.crash)
        with pytest.raises(TargetError):
            await work
        assert "--resume goes on with it" in said.getvalue()
        await asyncio.to_thread(doomed.server.start_again)
    await restore_export(export, doomed, unfinished=Unfinished.RESUME)
    await assert_right(doomed)


async def test_fewer_connections_than_jobs_are_enough_and_people_are_told(
    export: Path, make_database: MakeDatabase
) -> None:
    target = make_database()
    role = owned(target, limit=3)
    async with restoring(export, target, user=role, jobs=4) as (_, said):
        await said.waits_for("warning: the server has no more connections: going on with 2 instead of 4")
    await assert_right(target)


async def test_connections_that_become_fewer_on_the_way_are_enough(export: Path, make_database: MakeDatabase) -> None:
    target = make_database()
    role = owned(target, limit=-1)
    async with restoring(export, target, user=role) as (_, said):
        pids = await wait_for_sessions(target, 2, copying=True)
        target.execute(f"ALTER ROLE {role} CONNECTION LIMIT 2")
        for pid in pids:
            await fetch(target, f"SELECT pg_terminate_backend({pid})")
        await said.waits_for("the server has no more connections: going on with 1 instead of 2")
    await assert_right(target)


async def test_a_server_that_never_has_a_connection_is_an_error_after_a_while(
    export: Path, make_database: MakeDatabase
) -> None:
    target = make_database()
    role = owned(target, limit=1)
    with pytest.raises(ConnectError, match=f'too many connections for role "{role}"'):
        await restore_export(export, target, user=role, retry_for=1.0)
    assert await fetch(target, JOURNAL) == [(0,)]
    await wait_for_sessions(target, 0)


def owned(target: Database, limit: int) -> str:
    """The role that owns the tables of ``target``, which may have so many connections."""
    role = create_owner(target, TABLES)
    target.execute(f"ALTER ROLE {role} CONNECTION LIMIT {limit}; GRANT CREATE ON DATABASE {target.name} TO {role}")
    return role


@on_both_engines
@pytest.mark.parametrize("code", ["40001", "40P01"])
async def test_a_transaction_that_gave_way_to_another_one_is_run_again(
    code: str, export: Path, target: Database
) -> None:
    target.execute(FAILS_ONCE.format(code=code))
    _, said = await restore_export(export, target)
    assert "gave way; trying again in 0." in said
    await assert_right(target)


@on_both_engines
@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("53100", "Make room on the server's disk"),
        ("53200", "Give the server more memory"),
        ("53400", "Raise that limit"),
        ("42501", "Grant the role what it lacks"),
    ],
)
async def test_what_does_not_pass_ends_a_restore_at_once_with_a_hint(
    code: str, hint: str, export: Path, target: Database
) -> None:
    target.execute(FAILS_ONCE.format(code=code))
    with pytest.raises(TargetError, match=r"public\.books, .*: gave way") as caught:
        await restore_export(export, target)
    assert hint in str(caught.value.hint)
    assert await fetch(target, "SELECT last_value::int FROM failures") == [(1,)]
    await restore_export(export, target, unfinished=Unfinished.RESUME)
    await assert_right(target)


async def test_a_network_that_swallows_all_is_noticed(
    export: Path, target: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(lock, "SILENCE_SECONDS", 0.2)
    with Proxy((HOST, target.server.port)) as proxy:
        dsn = target.dsn.replace(f":{target.server.port}/", f":{proxy.port}/")
        async with restoring(export, target, dsn=dsn) as (_, said):
            await wait_for_sessions(target, 2, copying=True)
            proxy.hold()
            await said.waits_for(LOCK_LOST)
            proxy.release()
        await assert_right(target)


@on_both_engines
async def test_a_target_that_takes_no_writes_for_a_while_as_after_a_failover_is_waited_for(
    export: Path, target: Database
) -> None:
    async with restoring(export, target) as (_, said):
        await wait_for_sessions(target, 2, copying=True)
        target.execute(f"ALTER DATABASE {target.name} SET default_transaction_read_only = on; {END_ALL}")
        await said.waits_for("the target is read-only; trying again")
        target.server.execute(f"ALTER DATABASE {target.name} RESET default_transaction_read_only")
    await assert_right(target)


async def test_a_target_that_takes_no_writes_from_the_start_is_an_error(export: Path, target: Database) -> None:
    target.execute(f"ALTER DATABASE {target.name} SET default_transaction_read_only = on")
    with pytest.raises(TargetError, match="the target is read-only") as caught:
        await restore_export(export, target)
    assert "Connect to the primary server" in str(caught.value.hint)


async def test_without_a_journal_a_lost_connection_is_an_error(export: Path, make_database: MakeDatabase) -> None:
    target = make_database()
    role = create_owner(target, TABLES)
    async with restoring(export, target, user=role, policy=NO_INDEXES) as (work, said):
        [pid, _] = await wait_for_sessions(target, 2, copying=True)
        await fetch(target, f"SELECT pg_terminate_backend({pid})")
        with pytest.raises(ConnectError, match=r"public\.books, .*: terminating connection"):
            await work
    assert "trying again" not in said.getvalue()
    await wait_for_sessions(target, 0)


async def test_an_abort_bears_the_loss_of_its_connections(export: Path, target: Database) -> None:
    target.execute("ALTER TABLE books ADD CONSTRAINT never CHECK (id < 0)")
    with pytest.raises(DbrestoreError, match="never"):
        await restore_export(export, target)
    said = Said()
    async with target.connect() as reader:
        await reader.execute("BEGIN; LOCK TABLE books IN ACCESS SHARE MODE")
        settings = ConnectionSettings(SecretStr(target.dsn))
        work = asyncio.create_task(abort(settings, RestoreOptions(jobs=2), Progress([Lines(said)])))
        while not await fetch(target, f"SELECT {SESSIONS} AND wait_event_type = 'Lock'"):
            pass
        await fetch(target, END_ALL)
        await said.waits_for("; trying again")
        await reader.execute("ROLLBACK")
        await work
    assert "put back" in said.getvalue()
    assert len(await fetch(target, INDEXES)) == 3
    assert await fetch(target, JOURNAL) == [(0,)]


async def test_a_copy_ends_whose_connection_is_lost_while_nobody_takes_its_bytes(database: Database) -> None:
    database.execute("CREATE TABLE t (word text)")

    async def source() -> AsyncIterator[bytes]:
        while True:
            yield b"word\n" * 100_000

    with Proxy((HOST, database.server.port)) as proxy:
        settings = ConnectionSettings(SecretStr(database.dsn.replace(f":{database.server.port}/", f":{proxy.port}/")))
        async with open_pool(settings, 1) as pool, pool.acquire() as connection:

            async def copy() -> None:
                async with while_connected(connection):
                    await connection.copy_to_table("t", source=source(), format="text")

            work = asyncio.create_task(copy())
            await wait_for_sessions(database, 1, copying=True)
            proxy.hold()
            await asyncio.sleep(0.5)
            proxy.cut()
            with pytest.raises(asyncpg.ConnectionDoesNotExistError):
                await work
    assert await fetch(database, "SELECT count(*)::int FROM t") == [(0,)]


async def test_both_kernels_ask_whether_the_other_side_is_there(database: Database) -> None:
    async with open_pool(ConnectionSettings(SecretStr(database.dsn)), 1) as pool, pool.acquire() as connection:
        assert await connection.fetchval("SHOW tcp_keepalives_idle") == str(silence.IDLE_SECONDS)
        own = connection._transport.get_extra_info("socket")
        assert own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
