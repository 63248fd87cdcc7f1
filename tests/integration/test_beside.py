from __future__ import annotations

import asyncio
import io
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from pydantic import SecretStr

from dbrestore.beside import Making, restore_making
from dbrestore.errors import ConstraintError, PrivilegeError, TargetError, UnfinishedRunError, UsageError
from dbrestore.export.local import LocalStorage
from dbrestore.progress import Progress
from dbrestore.running import RestoreOptions, Run, Unfinished
from dbrestore.target.connect import FOREIGN_ERRORS, ConnectionSettings
from dbrestore.testing.databases import Database
from dbrestore.views.lines import Lines
from tests.integration.round_trip import export_database, fetch, find_differences
from tests.integration.test_schema import FAMILY, FAMILY_ROWS, archive_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dbrestore.testing.databases import MakeDatabase

SWAP = Making(is_swapped=True)


@pytest.fixture
def source(make_database: MakeDatabase) -> Database:
    database = make_database()
    database.execute(FAMILY + FAMILY_ROWS)
    return database


@pytest.fixture
def role(database: Database) -> Iterator[str]:
    """One that may make databases, and is no superuser."""
    name = f"maker_{database.name}"
    database.execute(f"CREATE ROLE {name} LOGIN CREATEDB NOSUPERUSER")
    yield name
    # What the role made is dropped together with all that hangs on it.
    for made in database.server.execute(f"SELECT datname FROM pg_database WHERE datdba = '{name}'::regrole").split():
        if made != database.name:
            database.server.execute(f'DROP DATABASE "{made}" WITH (FORCE)')


@pytest.fixture
def live(database: Database, role: str) -> Database:
    """A database in use, which the role owns, with old rows and settings of its own."""
    database.execute(
        f"""
        ALTER DATABASE {database.name} OWNER TO {role}; ALTER SCHEMA public OWNER TO {role};
        SET ROLE {role}; {FAMILY}
        ALTER TABLE children DISABLE TRIGGER refuse;
        INSERT INTO parents VALUES (1, 'old');
        ALTER DATABASE {database.name} SET work_mem = '7MB';
        ALTER DATABASE {database.name} SET search_path = "$user", public, pg_catalog;
        ALTER DATABASE {database.name} CONNECTION LIMIT 77;
        COMMENT ON DATABASE {database.name} IS 'It''s the shop';
        REVOKE TEMPORARY ON DATABASE {database.name} FROM PUBLIC;
        """
    )
    return database


async def run(
    exported: Path,
    database: Database,
    role: str,
    making: Making,
    unfinished: Unfinished = Unfinished.REFUSE,
    **more: Any,
) -> str:
    """What was said."""
    said = io.StringIO()
    making = replace(making, bin_dir=database.server.bin_dir)
    options = RestoreOptions(jobs=2, unfinished=unfinished, **more)
    connection = ConnectionSettings(SecretStr(database.dsn), user=role)
    await restore_making(LocalStorage(exported), connection, options, making, Progress([Lines(said)]))
    return said.getvalue()


def databases_like(database: Database) -> list[str]:
    query = f"SELECT datname FROM pg_database WHERE datname LIKE '{database.name}\\_%' ORDER BY 1"
    return database.server.execute(query).split()


PROPERTIES = """
    SELECT pg_get_userbyid(datdba)::text, datconnlimit, shobj_description(oid, 'pg_database'),
           (SELECT array_agg(acl::text ORDER BY acl::text) FROM unnest(datacl) acl),
           (SELECT array_agg(setting ORDER BY setting)
              FROM pg_db_role_setting s, unnest(s.setconfig) setting WHERE s.setdatabase = d.oid)
      FROM pg_database d WHERE datname = current_database()
"""


async def test_the_restored_database_takes_the_place_and_the_settings_of_the_other(
    source: Database, live: Database, role: str, tmp_path: Path
) -> None:
    exported = await export_database(source, tmp_path)
    before = await fetch(live, PROPERTIES)
    said = await run(exported, live, role, SWAP)
    [old] = databases_like(live)
    assert f"{live.name} is the restored database now; the one before it is {old}" in said
    assert await fetch(live, "SELECT count(*) FROM children") == [(500,)]
    assert await fetch(live, PROPERTIES) == before
    assert await fetch(Database(live.server, old), "SELECT name FROM parents") == [("old",)]


async def test_the_old_database_is_dropped_where_that_is_wanted(
    source: Database, live: Database, role: str, tmp_path: Path
) -> None:
    exported = await export_database(source, tmp_path)
    await run(exported, live, role, Making(is_swapped=True, drops_old=True))
    assert databases_like(live) == []
    assert await fetch(live, "SELECT count(*) FROM parents") == [(50,)]


async def test_users_see_the_old_rows_until_they_see_all_new_ones(
    source: Database, live: Database, role: str, tmp_path: Path
) -> None:
    exported = await export_database(source, tmp_path)
    seen: set[int] = set()
    is_old, is_new = asyncio.Event(), asyncio.Event()

    async def look() -> None:
        connection = await asyncpg.connect(live.dsn, user=role)
        try:
            while not is_new.is_set():
                seen.add(await connection.fetchval("SELECT count(*) FROM parents"))
                (is_new if 50 in seen else is_old).set()
                await asyncio.sleep(0.001)
        finally:
            connection.terminate()

    async def go_on_looking() -> None:
        while not is_new.is_set():
            with suppress(*FOREIGN_ERRORS):
                await look()

    async with asyncio.TaskGroup() as group:
        group.create_task(go_on_looking())
        await is_old.wait()
        await run(exported, live, role, SWAP)
    assert seen == {1, 50}


async def test_a_failure_leaves_the_database_as_it_was_and_a_resumed_run_goes_on(
    source: Database, live: Database, role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = await export_database(source, tmp_path)
    carry_out = Run.carry_out

    async def fail(self: Run, *arguments: Any) -> Any:
        await carry_out(self, *arguments)
        raise TargetError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Run, "carry_out", fail)
        with pytest.raises(TargetError, match="killed"):
            await run(exported, live, role, SWAP)
    assert await fetch(live, "SELECT name FROM parents") == [("old",)]
    with pytest.raises(UnfinishedRunError, match=f"{live.name} is as it was"):
        await run(exported, live, role, SWAP)
    await run(exported, live, role, SWAP, Unfinished.RESUME)
    assert await fetch(live, "SELECT count(*) FROM parents") == [(50,)]
    assert len(databases_like(live)) == 1


async def test_a_run_that_was_killed_before_the_renaming_only_renames_when_it_is_resumed(
    source: Database, live: Database, role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = await export_database(source, tmp_path)

    async def fail(*_: Any) -> None:
        raise TargetError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("dbrestore.beside.swap", fail)
        with pytest.raises(TargetError, match="killed"):
            await run(exported, live, role, SWAP)
    said = await run(exported, live, role, SWAP, Unfinished.RESUME)
    assert "restoring" not in said
    assert await fetch(live, "SELECT count(*) FROM parents") == [(50,)]


async def test_a_database_whose_rows_break_a_key_does_not_take_the_place(
    source: Database, live: Database, role: str, tmp_path: Path
) -> None:
    source.execute("SET session_replication_role = replica; UPDATE children SET parent = 99 WHERE id = 7")
    exported = await export_database(source, tmp_path)
    with pytest.raises(ConstraintError, match="NOT VALID"):
        await run(exported, live, role, SWAP)
    assert await fetch(live, "SELECT name FROM parents") == [("old",)]
    with pytest.raises(UnfinishedRunError, match="rows break keys there"):
        await run(exported, live, role, SWAP, Unfinished.RESUME)


async def test_a_restart_begins_anew(
    source: Database, live: Database, role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = await export_database(source, tmp_path)

    async def fail(*_: Any) -> None:
        raise TargetError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Run, "carry_out", fail)
        with pytest.raises(TargetError, match="killed"):
            await run(exported, live, role, SWAP)
    await run(exported, live, role, SWAP, Unfinished.RESTART)
    assert await fetch(live, "SELECT count(*) FROM parents") == [(50,)]


async def test_sessions_that_the_role_may_not_end_keep_the_database_in_its_place(
    source: Database, live: Database, role: str, tmp_path: Path
) -> None:
    exported = await export_database(source, tmp_path)
    async with live.connect() as connection:
        with pytest.raises(TargetError, match="has sessions of postgres that the role may not end"):
            await run(exported, live, role, SWAP)
        assert await connection.fetchval("SELECT name FROM parents") == "old"
    await run(exported, live, role, SWAP, Unfinished.RESUME)
    assert await fetch(live, "SELECT count(*) FROM parents") == [(50,)]


async def test_a_role_that_may_not_make_databases_or_does_not_own_it_is_told_before_anything_is_done(
    source: Database, live: Database, role: str, tmp_path: Path
) -> None:
    exported = await export_database(source, tmp_path)
    live.execute(f"ALTER DATABASE {live.name} OWNER TO postgres")
    with pytest.raises(PrivilegeError, match="does not own the database"):
        await run(exported, live, role, SWAP)
    live.execute(f"ALTER ROLE {role} NOCREATEDB")
    with pytest.raises(PrivilegeError, match="may not create databases"):
        await run(exported, live, role, SWAP)
    assert databases_like(live) == []


async def test_a_database_of_the_same_name_that_is_somebody_elses_is_left_alone(
    source: Database, live: Database, role: str, tmp_path: Path
) -> None:
    exported = await export_database(source, tmp_path)
    live.server.execute(f'CREATE DATABASE "{live.name}_dbrestore_new" OWNER {role}')
    with pytest.raises(TargetError, match="that is not dbrestore's"):
        await run(exported, live, role, SWAP, Unfinished.RESTART)


@pytest.mark.parametrize("swapped", [False, True])
async def test_a_database_that_is_not_there_is_made(
    source: Database, database: Database, role: str, tmp_path: Path, swapped: bool
) -> None:
    exported = await export_database(source, tmp_path / "export")
    made = Database(database.server, f"{database.name}_made")
    making, schema = Making(is_created=True, is_swapped=swapped), archive_of(source, tmp_path)
    await run(exported, made, role, making, schema=schema)
    assert await find_differences(source, made) == []
    assert await fetch(
        made, "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database()"
    ) == [(role,)]


async def test_making_a_database_wants_to_be_told_its_schema(
    source: Database, database: Database, role: str, tmp_path: Path
) -> None:
    exported = await export_database(source, tmp_path)
    made = Database(database.server, f"{database.name}_made")
    for making in (Making(is_created=True), Making(is_created=True, is_swapped=True)):
        with pytest.raises(UsageError) as caught:
            await run(exported, made, role, making)
        assert "Give --schema" in (caught.value.hint or "")
    with pytest.raises(TargetError, match="there is no database"):
        await run(exported, made, role, SWAP)
    assert databases_like(database) == []
