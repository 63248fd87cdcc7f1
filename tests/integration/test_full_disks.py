from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from dbrestore.errors import DbrestoreError, ExportError, TargetError
from dbrestore.export.opening import SourceSettings, open_storage
from dbrestore.export.s3 import ahead
from dbrestore.progress import Progress
from dbrestore.restore import restore
from dbrestore.running import RestoreOptions, Unfinished
from dbrestore.target.connect import ConnectionSettings
from dbrestore.testing.databases import create_database
from dbrestore.testing.disks import NoDiskError, SmallDisk, small_disk
from dbrestore.testing.postgres import PostgresServer
from dbrestore.testing.schema_text import dump_schema
from tests.integration.round_trip import (
    export_database,
    fetch,
    find_differences,
    problems_of,
    restore_export,
    wait_for_sessions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dbrestore.testing.databases import Database, MakeDatabase
    from dbrestore.testing.s3 import S3Server

TABLE = "CREATE TABLE items (id int PRIMARY KEY, word text) {place}; CREATE INDEX items_word_idx ON items (word)"
ROWS = """
    INSERT INTO items SELECT n, (SELECT string_agg(md5(n || '/' || m), '') FROM generate_series(1, 30) AS m)
      FROM generate_series(1, 2000) AS n
"""
TOO_SMALL = 512 * 1024
LARGE_ENOUGH = 64 * 1024**2
LOADED_PARTS = "SELECT count(*)::int FROM dbrestore.part WHERE is_loaded"
COUNT = "SELECT count(*)::int FROM items"


@pytest.fixture
def source(make_database: MakeDatabase) -> Database:
    source = make_database()
    source.execute(f"{TABLE.format(place='')};{ROWS}")
    return source


@pytest.fixture
async def export(source: Database, tmp_path: Path) -> Path:
    return await export_database(source, tmp_path / "export", rows_per_part=200)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def mounted(stack: ExitStack, folder: Path, size: int) -> SmallDisk:
    try:
        return stack.enter_context(small_disk(folder, size))
    except NoDiskError as error:
        pytest.skip(f"no disk can be made that is small enough to be filled: {error}")


async def test_a_full_disk_of_the_server_ends_a_restore_which_goes_on_when_there_is_room(
    source: Database, export: Path, stack: ExitStack
) -> None:
    server = stack.enter_context(PostgresServer.start())
    disk = mounted(stack, server.socket_dir / "disk", TOO_SMALL)
    server.give(disk.folder)
    server.execute(f"CREATE TABLESPACE small LOCATION '{disk.folder}'")
    target = create_database(server)
    target.execute(TABLE.format(place="TABLESPACE small"))
    schema = dump_schema(target)
    with pytest.raises(DbrestoreError, match="No space left on device") as caught:
        await restore_export(export, target)
    for problem in problems_of(caught.value):
        assert isinstance(problem, TargetError)
        assert "free disk space" in str(problem.hint)
    assert caught.value.exit_code == 4
    [(parts,)] = await fetch(target, LOADED_PARTS)
    assert await fetch(target, COUNT) == [(200 * parts,)]
    disk.resize(LARGE_ENOUGH)
    _, said = await restore_export(export, target, unfinished=Unfinished.RESUME)
    assert "trying again" not in said
    assert await find_differences(source, target) == []
    assert dump_schema(target) == schema
    await wait_for_sessions(target, 0)


async def test_a_full_spool_folder_ends_a_restore_which_goes_on_when_there_is_room(
    source: Database,
    export: Path,
    make_database: MakeDatabase,
    s3: S3Server,
    bucket: str,
    tmp_path: Path,
    stack: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ahead, "SMALL_BYTES", 0)
    s3.put_folder(bucket, "friday", export)
    disk = mounted(stack, tmp_path / "spool", 64 * 1024)
    target = make_database()
    target.execute(TABLE.format(place=""))
    schema = dump_schema(target)

    async def restored(unfinished: Unfinished) -> None:
        settings = SourceSettings(aws_endpoint_url=s3.url, spool_dir=disk.folder)
        async with open_storage(f"s3://{bucket}/friday", settings, print) as storage:
            options = RestoreOptions(unfinished=unfinished, jobs=2)
            await restore(storage, ConnectionSettings(SecretStr(target.dsn)), options, Progress())

    with pytest.raises(DbrestoreError, match="No space left on device") as caught:
        await restored(Unfinished.REFUSE)
    for problem in problems_of(caught.value):
        assert isinstance(problem, ExportError)
        assert "--spool-dir" in str(problem.hint)
    [(parts,)] = await fetch(target, LOADED_PARTS)
    assert await fetch(target, COUNT) == [(200 * parts,)]
    disk.resize(LARGE_ENOUGH)
    await restored(Unfinished.RESUME)
    assert await find_differences(source, target) == []
    assert dump_schema(target) == schema
