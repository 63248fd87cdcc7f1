from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pydantic import SecretStr

from dbrestore.events import Kind, Observed
from dbrestore.progress import Progress
from dbrestore.target.activity import HAS_COPY, Figure, read_figures
from dbrestore.target.connect import ConnectionSettings, open_pool
from dbrestore.views.view import View
from dbrestore.watching import watching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from dbrestore.events import Event
    from dbrestore.tally import Tally
    from dbrestore.testing.databases import Database

SLOW_INDEX = """
    CREATE TABLE items AS SELECT generate_series(1, 100000) AS id;
    CREATE FUNCTION slow(id int) RETURNS int IMMUTABLE LANGUAGE plpgsql
    AS $$ BEGIN PERFORM pg_sleep(0.01); RETURN id; END $$;
"""


async def first(pool: asyncpg.Pool, pid: int, least: int = 0) -> Figure:
    """Wait until the server says that a process has done ``least``."""
    while True:
        for figure in await read_figures(pool):
            if figure.pid == pid and figure.done >= least:
                return figure
        await asyncio.sleep(0.01)


async def test_the_server_says_how_far_the_build_of_an_index_is(database: Database) -> None:
    database.execute(SLOW_INDEX)
    async with open_pool(ConnectionSettings(SecretStr(database.dsn)), 2) as pool, pool.acquire() as connection:
        build = asyncio.create_task(connection.execute("CREATE INDEX ON items (slow(id))"))
        figure = await first(pool, connection.get_server_pid())
        assert figure.phase.startswith(("initializing", "building index"))
        assert figure.share is None or 0 <= figure.share <= 1
        build.cancel()
        await asyncio.gather(build, return_exceptions=True)


async def test_the_server_says_how_many_rows_a_copy_has(database: Database) -> None:
    database.execute("CREATE TABLE items (id int)")
    seen = asyncio.Event()

    async def rows() -> AsyncIterator[bytes]:
        yield b"1\n" * 100_000
        await seen.wait()

    async with open_pool(ConnectionSettings(SecretStr(database.dsn)), 2) as pool, pool.acquire() as connection:
        copy = asyncio.create_task(connection.copy_to_table("items", source=rows(), format="text"))
        if connection.get_server_version().major >= HAS_COPY:
            assert (await first(pool, connection.get_server_pid(), 1)).share is None
        seen.set()
        assert await copy == "COPY 100000"


class Watcher(View):
    figures_interval = 0.01

    def __init__(self) -> None:
        self.figures: list[Figure] = []
        self.seen = asyncio.Event()

    def show(self, event: Event, tally: Tally) -> None:
        if isinstance(event, Observed) and event.figures:
            self.figures += event.figures
            self.seen.set()


async def test_views_are_told_the_figures_of_what_is_going_on(database: Database) -> None:
    database.execute(SLOW_INDEX)
    watcher = Watcher()
    progress = Progress([watcher])
    async with open_pool(ConnectionSettings(SecretStr(database.dsn)), 2) as pool:
        async with watching(pool, progress), pool.acquire() as connection:
            with progress.doing(Kind.PUT_BACK, "index", connection):
                build = asyncio.create_task(connection.execute("CREATE INDEX ON items (slow(id))"))
                await watcher.seen.wait()
                build.cancel()
                await asyncio.gather(build, return_exceptions=True)
        assert watcher.figures[0].phase


async def test_a_server_that_does_not_answer_is_no_reason_to_fail(database: Database) -> None:
    watcher = Watcher()
    progress = Progress([watcher])
    async with open_pool(ConnectionSettings(SecretStr(database.dsn)), 2) as pool, pool.acquire() as connection:
        with progress.doing(Kind.LOAD, "items", connection):
            async with watching(pool, progress):
                for _ in range(10):
                    database.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        f"WHERE application_name = 'dbrestore' AND pid <> {connection.get_server_pid()}"
                    )
    assert watcher.figures == []
