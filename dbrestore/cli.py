"""The commands: names, help, exit codes."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import ValidationError

from dbrestore import __version__
from dbrestore.errors import DbrestoreError, InterruptedRunError, SeveralProblemsError, UsageError
from dbrestore.export.layout import read_export
from dbrestore.export.local import LocalStorage
from dbrestore.finishing import FinishingOptions
from dbrestore.progress import Progress
from dbrestore.report import export_lines, plan_lines, plan_object, problem_lines
from dbrestore.restore import RestoreOptions, make_plan
from dbrestore.restore import abort as run_abort
from dbrestore.restore import restore as run_restore
from dbrestore.settings import ENVIRONMENT_PREFIX, Settings
from dbrestore.simulate import Simulation
from dbrestore.simulate import simulate as run_simulation
from dbrestore.target.connect import open_pool, translate_errors
from dbrestore.target.deferral.policy import ForeignKeys, Indexes

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from dbrestore.export.storage import Storage

Result = TypeVar("Result")

EXIT_CODES = """
Exit codes: 0 done, 1 anything not named here, 2 wrong usage, 3 the export, 4 the target, 5 the data, 6 verification,
7 another run is working on the database, 130 interrupted.
"""

app = typer.Typer(
    name="dbrestore",
    help="Restore an AWS RDS or Aurora PostgreSQL snapshot export into a PostgreSQL database." + EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # would take "[env: …]" for markup and leave it out
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _option(*flags: str, setting: str, help: str) -> Any:  # noqa: A002 - typer's own name for it
    """An option whose value, default and environment variable are those of a field of Settings."""
    return typer.Option(*flags, help=f"{help} [env: {ENVIRONMENT_PREFIX}{setting.upper()}]", show_default=False)


Source = Annotated[str, typer.Argument(help="The export's folder: the one that holds export_info_*.json.")]
Dsn = Annotated[
    str | None,
    _option("--dsn", setting="dsn", help="The target: postgresql://user@host:port/database; or libpq's PG* variables."),
]
DbHost = Annotated[str | None, _option("--db-host", setting="db_host", help="Host or socket folder of the target.")]
DbPort = Annotated[int | None, _option("--db-port", setting="db_port", help="Port of the target.")]
DbUser = Annotated[str | None, _option("--db-user", setting="db_user", help="Role to connect as.")]
DbName = Annotated[str | None, _option("--db-name", setting="db_name", help="Database to restore into.")]
SourceDb = Annotated[
    str | None,
    _option("--source-db", setting="source_db", help="Database of the export, where that has more than one."),
]
Jobs = Annotated[
    int | None, _option("--jobs", "-j", setting="jobs", help="COPYs at a time. Default: the cores, at most 8.")
]
ForeignKeysOption = Annotated[
    ForeignKeys | None,
    _option(
        "--foreign-keys",
        setting="foreign_keys",
        help="rebuild (default): down before the load, back after it. ordered: all stays, tables wait for each other. "
        "unchecked: they stay and nothing checks them.",
    ),
]
IndexesOption = Annotated[
    Indexes | None,
    _option("--indexes", setting="indexes", help="rebuild (default): down before the load, back after it. keep."),
]
IndexJobs = Annotated[
    int | None,
    _option("--index-jobs", setting="index_jobs", help="Index builds and key checks at a time. Default: as --jobs."),
]
MaintenanceWorkMem = Annotated[
    str | None,
    _option(
        "--maintenance-work-mem",
        setting="maintenance_work_mem",
        help="Memory of each index build, like 512MB. Default: half of the server's shared_buffers, shared among the "
        "builds, but at most 1GB each and no less than the server's own setting.",
    ),
]
Refresh = Annotated[
    bool | None,
    _option("--refresh/--no-refresh", setting="refresh", help="Fill the materialized views at the end (default)."),
]
Analyze = Annotated[
    bool | None,
    _option("--analyze/--no-analyze", setting="analyze", help="ANALYZE what was loaded at the end (default)."),
]
Vacuum = Annotated[
    bool | None,
    _option("--vacuum/--no-vacuum", setting="vacuum", help="VACUUM (FREEZE) what was loaded at the end."),
]
Verbose = Annotated[bool | None, _option("--verbose", "-v", setting="verbose", help="A line for each part.")]
Json = Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")]


@app.command()
def restore(
    source: Source,
    dsn: Dsn = None,
    db_host: DbHost = None,
    db_port: DbPort = None,
    db_user: DbUser = None,
    db_name: DbName = None,
    source_db: SourceDb = None,
    jobs: Jobs = None,
    foreign_keys: ForeignKeysOption = None,
    indexes: IndexesOption = None,
    index_jobs: IndexJobs = None,
    maintenance_work_mem: MaintenanceWorkMem = None,
    refresh: Refresh = None,
    analyze: Analyze = None,
    vacuum: Vacuum = None,
    verbose: Verbose = None,
) -> None:
    """Load an export into a database that has its complete schema and no rows.

    Example: dbrestore restore ./my-export --dsn postgresql://me@localhost/shop
    """
    settings = _settings(
        dsn=dsn,
        db_host=db_host,
        db_port=db_port,
        db_user=db_user,
        db_name=db_name,
        source_db=source_db,
        jobs=jobs,
        foreign_keys=foreign_keys,
        indexes=indexes,
        index_jobs=index_jobs,
        maintenance_work_mem=maintenance_work_mem,
        refresh=refresh,
        analyze=analyze,
        vacuum=vacuum,
        verbose=verbose,
    )
    progress = Progress(verbose=settings.verbose)
    _run(run_restore(_open_storage(source), settings.connection, _restore_options(settings), progress))


@app.command()
def abort(
    dsn: Dsn = None,
    db_host: DbHost = None,
    db_port: DbPort = None,
    db_user: DbUser = None,
    db_name: DbName = None,
    jobs: Jobs = None,
    index_jobs: IndexJobs = None,
    maintenance_work_mem: MaintenanceWorkMem = None,
) -> None:
    """Put back the keys, indexes and triggers that an unfinished restore took down. Keeps the rows.

    Example: dbrestore abort --dsn postgresql://me@localhost/shop
    """
    settings = _settings(
        dsn=dsn,
        db_host=db_host,
        db_port=db_port,
        db_user=db_user,
        db_name=db_name,
        jobs=jobs,
        index_jobs=index_jobs,
        maintenance_work_mem=maintenance_work_mem,
    )
    _run(run_abort(settings.connection, _restore_options(settings), Progress()))


@app.command()
def plan(
    source: Source,
    dsn: Dsn = None,
    db_host: DbHost = None,
    db_port: DbPort = None,
    db_user: DbUser = None,
    db_name: DbName = None,
    source_db: SourceDb = None,
    foreign_keys: ForeignKeysOption = None,
    indexes: IndexesOption = None,
    as_json: Json = False,
) -> None:
    """Show what a restore would do, and all that stands in its way. Changes nothing.

    Exits as the restore would: 0 only if no problem was found.

    Example: dbrestore plan ./my-export --dsn postgresql://me@localhost/shop
    """
    settings = _settings(
        dsn=dsn,
        db_host=db_host,
        db_port=db_port,
        db_user=db_user,
        db_name=db_name,
        source_db=source_db,
        foreign_keys=foreign_keys,
        indexes=indexes,
    )
    made = _run(
        make_plan(
            _open_storage(source),
            settings.connection,
            source_database=settings.source_db,
            policy=settings.policy,
        )
    )
    _print([json.dumps(plan_object(made), indent=2)] if as_json else plan_lines(made))
    if made.problems:
        raise SeveralProblemsError(made.problems)


@app.command("list")
def list_export(
    source: Source,
    tables: Annotated[bool, typer.Option("--tables", help="The tables, not only the databases.")] = False,
) -> None:
    """Show what an export holds. Needs no database.

    Example: dbrestore list ./my-export --tables
    """
    export = _run(read_export(_open_storage(source)))
    _print(export_lines(export, with_tables=tables))
    _complain([*(f"warning: {warning}" for warning in export.warnings)])
    for problem in export.problems:
        _complain(problem_lines(problem))


@app.command()
def simulate(
    destination: Annotated[Path, typer.Argument(help="Folder to put the export's own folder in.")],
    export_id: Annotated[str, typer.Option("--export-id", help="Name of the export.")],
    dsn: Dsn = None,
    db_host: DbHost = None,
    db_port: DbPort = None,
    db_user: DbUser = None,
    db_name: DbName = None,
    rows_per_part: Annotated[
        int | None,
        _option("--rows-per-part", setting="rows_per_part", help="Rows of a Parquet file. Default: 100,000."),
    ] = None,
) -> None:
    """Write a database out as RDS would export it, to try a restore before an incident.

    Example: dbrestore simulate ./exports --export-id friday --dsn postgresql://me@localhost/shop
    """
    settings = _settings(
        dsn=dsn, db_host=db_host, db_port=db_port, db_user=db_user, db_name=db_name, rows_per_part=rows_per_part
    )
    made = _run(_simulate(settings, destination, export_id))
    rows = sum(table.rows for table in made.tables)
    _complain(f"warning: {skipped.table} is left out: {skipped.reason}" for skipped in made.skipped)
    _complain([f"wrote {len(made.tables)} tables, {rows:,} rows of {made.database} to {made.folder}"])


async def _simulate(settings: Settings, destination: Path, export_id: str) -> Simulation:
    async with open_pool(settings.connection, 1) as pool:
        with translate_errors("reading the database"):
            async with pool.acquire() as connection:
                return await run_simulation(
                    connection, destination, export_id=export_id, rows_per_part=settings.rows_per_part
                )


def _restore_options(settings: Settings) -> RestoreOptions:
    return RestoreOptions(
        source_database=settings.source_db,
        jobs=settings.jobs,
        policy=settings.policy,
        index_jobs=settings.index_jobs,
        maintenance_work_mem=settings.maintenance_work_mem,
        finishing=FinishingOptions(settings.refresh, settings.analyze, settings.vacuum),
    )


def _open_storage(source: str) -> Storage:
    if "://" in source:
        hint = "Copy the export to a folder first: aws s3 sync s3://bucket/prefix/export-id ./export-id"
        raise UsageError(f"{source} is not a folder of this machine", hint=hint)
    return LocalStorage(Path(source))


def _settings(**given: object) -> Settings:
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise UsageError(
            f"settings: {wrong}", hint="See --help, and the variables that begin with DBRESTORE_."
        ) from None


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.get_loop().set_exception_handler(_report_unless_cut)
            return runner.run(work)
    except KeyboardInterrupt:
        raise InterruptedRunError("interrupted: what was being loaded is rolled back") from None


def _report_unless_cut(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Nobody waits any more for an answer on a connection that was cut; its loss is not worth a traceback."""
    if not isinstance(context.get("exception"), ConnectionError):
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
