"""The commands: names, help, exit codes."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from dbrestore import __version__
from dbrestore.databases import problems_of
from dbrestore.errors import DbrestoreError, InterruptedRunError, raise_problems
from dbrestore.export.latest import find_latest
from dbrestore.export.layout import read_export
from dbrestore.export.opening import open_storage
from dbrestore.finishing import FinishingOptions
from dbrestore.options import (
    BUILDS,
    CLUSTER,
    DATABASES,
    DIFFERENCES,
    FINISHING,
    PATIENCE,
    POLICY,
    S3,
    SELECTION,
    TARGET,
    UNFINISHED,
    takes,
)
from dbrestore.progress import Progress
from dbrestore.recovery import abort as run_abort
from dbrestore.recovery import read_status
from dbrestore.report import export_lines, plan_lines, plan_object, problem_lines, status_lines, status_object
from dbrestore.restore import make_plans
from dbrestore.restore import restore as run_restore
from dbrestore.running import RestoreOptions
from dbrestore.settings import Settings  # noqa: TC001 - the options are made from it
from dbrestore.signals import until_signalled
from dbrestore.simulate import open_destination
from dbrestore.simulate import simulate as run_simulation
from dbrestore.target.connect import open_pool, translate_errors
from dbrestore.target.faults import fault_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterable

    from dbrestore.export.layout import Export
    from dbrestore.export.storage import Storage
    from dbrestore.plan import Plan
    from dbrestore.simulate import Simulation

Result = TypeVar("Result")

EXIT_CODES = """
Exit codes: 0 done, 1 anything not named here, 2 wrong usage, 3 the export, 4 the target, 5 the data, 6 verification,
7 another run is working on the database, 130 and 143 interrupted.
"""

app = typer.Typer(
    name="dbrestore",
    help="Restore an AWS RDS or Aurora PostgreSQL snapshot export into a PostgreSQL database." + EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # would take "[env: …]" for markup and leave it out
    context_settings={"help_option_names": ["-h", "--help"]},
)

Source = Annotated[
    str, typer.Argument(help="The export: a folder, or s3://bucket/prefix, that holds export_info_*.json.")
]
Json = Annotated[bool, typer.Option("--json", help="For programs: one JSON object; of several databases a list.")]

StatusJson = Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")]


@app.command()
@takes(
    *TARGET, *S3, *PATIENCE, "latest", *DATABASES, *SELECTION, *DIFFERENCES, *POLICY, *FINISHING,
    "spool_dir", "spool_limit", "jobs", *CLUSTER, *BUILDS, *UNFINISHED, "verbose",
)  # fmt: skip
def restore(source: Source, *, settings: Settings) -> None:
    """Load an export into a database that has its complete schema and no rows.

    A restore that was killed or failed goes on with --resume: no row is lost, and none is loaded twice.

    Example: dbrestore restore s3://my-bucket/exports/friday --dsn postgresql://me@localhost/shop
    """
    _run(_restore(source, settings))


async def _restore(source: str, settings: Settings) -> None:
    async with _opened(source, settings) as storage:
        await run_restore(storage, settings.connection, _restore_options(settings), Progress(verbose=settings.verbose))


@app.command()
@takes(*TARGET, *PATIENCE, "jobs", *BUILDS)
def abort(*, settings: Settings) -> None:
    """Put back the keys, indexes and triggers that an unfinished restore took down. Keeps the rows.

    Example: dbrestore abort --dsn postgresql://me@localhost/shop
    """
    _run(run_abort(settings.connection, _restore_options(settings), Progress()))


@app.command()
@takes(*TARGET)
def status(*, settings: Settings, as_json: StatusJson = False) -> None:
    """Show how far a restore is, whether it is running, and what is down.

    Example: dbrestore status --dsn postgresql://me@localhost/shop
    """
    found = _run(read_status(settings.connection))
    _print([json.dumps(status_object(found), indent=2)] if as_json else status_lines(found))


@app.command()
@takes(*TARGET, *S3, *PATIENCE, "latest", *DATABASES, *SELECTION, *DIFFERENCES, *POLICY, "no_rows")
def plan(source: Source, *, settings: Settings, as_json: Json = False) -> None:
    """Show what a restore would do, and all that stands in its way. Changes nothing.

    Exits as the restore would: 0 only if no problem was found.

    Example: dbrestore plan ./my-export --dsn postgresql://me@localhost/shop
    """
    made = _run(_plan(source, settings))
    if as_json:
        objects = [plan_object(each) for each in made]
        _print([json.dumps(objects if settings.databases.may_be_several else objects[0], indent=2)])
    else:
        _print(chain.from_iterable(plan_lines(each) for each in made))
    raise_problems(problems_of(made))


async def _plan(source: str, settings: Settings) -> list[Plan]:
    async with _opened(source, settings) as storage:
        return await make_plans(
            storage, settings.connection, _restore_options(settings), with_rows=not settings.no_rows
        )


@app.command("list")
@takes(*S3, *PATIENCE, "latest")
def list_export(
    source: Source,
    *,
    settings: Settings,
    tables: Annotated[bool, typer.Option("--tables", help="The tables, not only the databases.")] = False,
) -> None:
    """Show what an export holds. Needs no database.

    Example: dbrestore list ./my-export --tables
    """
    export = _run(_list(source, settings))
    _print(export_lines(export, with_tables=tables))
    _complain([*(f"warning: {warning}" for warning in export.warnings)])
    for problem in export.problems:
        _complain(problem_lines(problem))


async def _list(source: str, settings: Settings) -> Export:
    async with _opened(source, settings) as storage:
        return await read_export(storage)


@app.command()
@takes(*TARGET, *S3, *PATIENCE, "rows_per_part")
def simulate(
    destination: Annotated[str, typer.Argument(help="Where to put the export: a folder, or s3://bucket/prefix.")],
    *,
    settings: Settings,
    export_id: Annotated[str, typer.Option("--export-id", help="Name of the export.")],
) -> None:
    """Write a database out as RDS would export it, to try a restore before an incident.

    Example: dbrestore simulate ./exports --export-id friday --dsn postgresql://me@localhost/shop
    """
    made = _run(_simulate(settings, destination, export_id))
    rows = sum(table.rows for table in made.tables)
    _complain(f"warning: {skipped.table} is left out: {skipped.reason}" for skipped in made.skipped)
    _complain([f"wrote {len(made.tables)} tables, {rows:,} rows of {made.database} to {made.url}"])


async def _simulate(settings: Settings, destination: str, export_id: str) -> Simulation:
    async with (
        open_destination(destination, export_id, settings.source) as files,
        open_pool(settings.connection, 1) as pool,
    ):
        with translate_errors("reading the database"):
            async with pool.acquire() as connection:
                return await run_simulation(
                    connection, files, export_id=export_id, rows_per_part=settings.rows_per_part
                )


def _restore_options(settings: Settings) -> RestoreOptions:
    return RestoreOptions(
        databases=settings.databases,
        choices=settings.choices,
        policy=settings.policy,
        unfinished=settings.unfinished,
        retry_for=settings.retry_for,
        jobs=settings.jobs,
        index_jobs=settings.index_jobs,
        maintenance_work_mem=settings.maintenance_work_mem,
        finishing=FinishingOptions(settings.refresh, settings.analyze, settings.vacuum),
        cluster=settings.cluster,
    )


@asynccontextmanager
async def _opened(source: str, settings: Settings) -> AsyncIterator[Storage]:
    """The storage of the export that ``source`` and --latest name."""
    if settings.latest:
        async with open_storage(source, settings.source, _note) as exports:
            source = f"{source.rstrip('/')}/{await find_latest(exports, _note)}"
    async with open_storage(source, settings.source, _note) as storage:
        yield storage


def _note(line: str) -> None:
    _complain([line])


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.get_loop().set_exception_handler(_report_unless_cut)
            return runner.run(until_signalled(work))
    except KeyboardInterrupt:
        raise InterruptedRunError from None


def _report_unless_cut(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Nobody waits any more for an answer on a connection that was lost or cut; that is not worth a traceback."""
    error = context.get("exception")
    if error is None or fault_of(error) is None:
        loop.default_exception_handler(context)


def _loop_factory() -> Any:
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


def _complain(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line, err=True)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dbrestore {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """The command ``dbrestore``."""
    try:
        app()
    except DbrestoreError as error:
        _complain(problem_lines(error))
        sys.exit(error.exit_code)
    sys.exit(0)
