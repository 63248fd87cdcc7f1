"""What each command does, by its settings.

What only one command needs, and takes long to import, is imported for it alone.
"""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from dbrestore.console import complain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dbrestore.export.layout import Export
    from dbrestore.export.opening import Notify
    from dbrestore.export.storage import Storage
    from dbrestore.plan import Plan
    from dbrestore.progress import Progress
    from dbrestore.running import RestoreOptions
    from dbrestore.settings import Settings
    from dbrestore.simulate import Simulation
    from dbrestore.target.recorded import Summary
    from dbrestore.verify import Verified


async def run_restore(source: str, settings: Settings, progress: Progress) -> None:
    """Load the export."""
    from dbrestore.beside import restore_making
    from dbrestore.restore import restore

    async with progress.ticking(), _opened(source, settings, progress.note) as storage:
        options = _restore_options(settings)
        if settings.making is None:
            await restore(storage, settings.connection, options, progress)
        else:
            await restore_making(storage, settings.connection, options, settings.making, progress)


async def run_abort(settings: Settings, progress: Progress) -> None:
    """Put back what an unfinished restore took down."""
    from dbrestore.recovery import abort

    async with progress.ticking():
        await abort(settings.connection, _restore_options(settings), progress)


async def run_status(settings: Settings) -> Summary | None:
    """How far a restore is; None where there is none."""
    from dbrestore.recovery import read_status

    return await read_status(settings.connection)


async def run_plan(source: str, settings: Settings) -> list[Plan]:
    """What a restore would do, for each database."""
    from dbrestore.events import Level
    from dbrestore.progress import Progress
    from dbrestore.restore import make_plans
    from dbrestore.views.lines import Lines

    async with _opened(source, settings) as storage:
        return await make_plans(
            storage,
            settings.connection,
            _restore_options(settings),
            with_rows=not settings.no_rows,
            on_statement=Progress([Lines(sys.stderr, Level.TRACE)]).executed if settings.trace else None,
        )


async def run_verify(source: str, settings: Settings) -> list[Verified]:
    """What became of comparing each database."""
    from dbrestore.verify import verify

    async with _opened(source, settings) as storage:
        return await verify(
            storage,
            settings.connection,
            settings.databases,
            settings.choices,
            is_deep=settings.deep,
            jobs=settings.jobs,
        )


async def run_list(source: str, settings: Settings) -> Export:
    """What the export holds."""
    from dbrestore.export.layout import read_export

    async with _opened(source, settings) as storage:
        return await read_export(storage)


async def run_simulate(settings: Settings, destination: str, export_id: str) -> Simulation:
    """Write a database out."""
    from dbrestore.simulate import open_destination, simulate
    from dbrestore.target.connect import open_pool, translate_errors

    async with (
        open_destination(destination, export_id, settings.source) as files,
        open_pool(settings.connection, 1) as pool,
    ):
        with translate_errors("reading the database"):
            async with pool.acquire() as connection:
                return await simulate(connection, files, export_id=export_id, rows_per_part=settings.rows_per_part)


def _restore_options(settings: Settings) -> RestoreOptions:
    from dbrestore.finishing import FinishingOptions
    from dbrestore.running import RestoreOptions

    return RestoreOptions(
        databases=settings.databases,
        choices=settings.choices,
        policy=settings.policy,
        unfinished=settings.unfinished,
        retry_for=settings.retry_for,
        jobs=settings.jobs,
        index_jobs=settings.index_jobs,
        maintenance_work_mem=settings.maintenance_work_mem,
        lz4=settings.lz4,
        finishing=FinishingOptions(settings.refresh, settings.analyze, settings.vacuum),
        verification=settings.verify,
        schema=settings.archive,
        cluster=settings.cluster,
    )


def _note(line: str) -> None:
    complain([line])


@asynccontextmanager
async def _opened(source: str, settings: Settings, notify: Notify = _note) -> AsyncIterator[Storage]:
    """The storage of the export that ``source`` and --latest name."""
    from dbrestore.export.latest import find_latest
    from dbrestore.export.opening import open_storage

    if settings.latest:
        async with open_storage(source, settings.source, notify) as exports:
            source = f"{source.rstrip('/')}/{await find_latest(exports, notify)}"
    async with open_storage(source, settings.source, notify) as storage:
        yield storage
