from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dbrestore import advice
from dbrestore.target.server import ServerState, read_server_state
from tests.integration.owner import connected, create_owner
from tests.integration.round_trip import export_database, restore_export

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from dbrestore.testing.databases import Database

ATTEMPTS = 400


async def state_of(database: Database, role: str) -> ServerState:
    async with connected(database, role) as connection:
        state = await read_server_state(connection, "64MB")
    assert state is not None
    return state


async def test_an_owner_of_tables_can_see_how_the_server_is_set_up(database: Database) -> None:
    state = await state_of(database, create_owner(database))
    assert state.wal_level == database.execute("SHOW wal_level")
    assert state.max_wal_size == int(database.execute("SELECT pg_size_bytes(current_setting('max_wal_size'))"))
    assert state.build_memory == 64 * 1024**2
    assert not state.is_managed


async def test_checkpoints_and_wal_are_counted(database: Database) -> None:
    role = create_owner(database)
    before = await state_of(database, role)
    database.execute("CREATE TABLE items AS SELECT generate_series(1, 1000) AS id; CHECKPOINT")
    after = await state_of(database, role)
    # The one who asked for a checkpoint hears of its end before it is counted.
    for _ in range(ATTEMPTS):
        if after.checkpoints_requested > before.checkpoints_requested:
            break
        await asyncio.sleep(0.05)
        after = await state_of(database, role)
    assert after.checkpoints_requested > before.checkpoints_requested
    assert after.wal_position > before.wal_position


async def test_a_server_that_does_not_tell_is_no_obstacle(database: Database) -> None:
    role = create_owner(database)
    database.execute("REVOKE EXECUTE ON FUNCTION pg_current_wal_insert_lsn() FROM public")
    async with connected(database, role) as connection:
        assert await read_server_state(connection, "64MB") is None
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_restore_tells_which_setting_held_it_back(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute("CREATE TABLE items AS SELECT generate_series(1, 5) AS id; ALTER TABLE items ADD PRIMARY KEY (id)")
    exported = await export_database(database, tmp_path)
    database.execute(f"TRUNCATE items; ALTER DATABASE {database.name} SET max_parallel_maintenance_workers = 0")
    monkeypatch.setattr(advice, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(advice, "MUCH", 0.0)
    monkeypatch.setattr(advice, "BUILDING", 0.0)
    _, said = await restore_export(exported, database)
    hints = [line for line in said.splitlines() if line.startswith("hint: ")]
    assert [hint for hint in hints if "no more than 0 workers may help a build" in hint]
