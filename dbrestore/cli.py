"""The commands: names, help, exit codes."""

from __future__ import annotations

import asyncio
import json
import sys
from functools import wraps
from inspect import Parameter, Signature, signature
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar, get_type_hints

import typer
from pydantic import ValidationError

from dbrestore import __version__
from dbrestore.databases import problems_of
from dbrestore.errors import DbrestoreError, InterruptedRunError, UsageError, raise_problems
from dbrestore.export.layout import read_export
from dbrestore.export.local import LocalStorage
from dbrestore.planning.choices import IfNotEmpty, InheritedRows, PartitionFolders
from dbrestore.progress import Progress
from dbrestore.report import export_lines, plan_lines, plan_object, problem_lines
from dbrestore.restore import make_plans
from dbrestore.restore import restore as run_restore
from dbrestore.settings import ENVIRONMENT_PREFIX, Settings
from dbrestore.simulate import Simulation
from dbrestore.simulate import simulate as run_simulation
from dbrestore.target.connect import open_pool, translate_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from dbrestore.export.storage import Storage

Result = TypeVar("Result")

EXIT_CODES = """
Exit codes: 0 done, 1 anything not named here, 2 wrong usage, 3 the export, 4 the target, 5 the data, 6 verification,
130 interrupted.
"""

app = typer.Typer(
    name="dbrestore",
    help="Restore an AWS RDS or Aurora PostgreSQL snapshot export into a PostgreSQL database." + EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # would take "[env: …]" for markup and leave it out
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _option(kind: Any, setting: str, help: str, *flags: str) -> Any:  # noqa: A002 - typer's own name for it
    """An option whose value, default and environment variable are those of a field of Settings."""
    told = f"{help} [env: {ENVIRONMENT_PREFIX}{setting.upper()}]"
    names = flags or (f"--{setting.replace('_', '-')}",)
    metavar = "<names>" if kind == list[str] else None
    return Annotated[kind | None, typer.Option(*names, help=told, show_default=False, metavar=metavar)]


def _options(**declared: tuple[Any, ...]) -> dict[str, Any]:
    """Options by the field of Settings that they set: type, help, and flags where they are not the field's name."""
    return {setting: _option(kind, setting, text, *flags) for setting, (kind, text, *flags) in declared.items()}


CONNECTION = _options(
    dsn=(str, "The target: postgresql://user@host:port/database; or libpq's PG* variables."),
    db_host=(str, "Host or socket folder of the target."),
    db_port=(int, "Port of the target."),
    db_user=(str, "Role to connect as."),
    db_name=(str, "Database of the target."),
)
DATABASES = _options(
    source_db=(list[str], "Database of the export, where that has more than one; repeatable, or a comma list."),
    all_databases=(
        bool,
        "All databases of the export; {database} in --dsn or --db-name stands for each.",
        "--all-databases",
    ),
)
SELECTION = _options(
    include_tables=(list[str], "Only these: globs such as orders, sales.*, *_log; repeatable, or a comma list."),
    exclude_tables=(list[str], "All but these."),
    include_schemas=(list[str], "Only the tables of these schemas, and those of --include-tables."),
    exclude_schemas=(list[str], "All but the tables of these schemas."),
    strict=(bool, "A name or pattern that matches nothing is an error. Default: strict.", "--strict/--no-strict"),
    map_schema=(list[str], "old=new: the tables of a schema go into another one."),
    map_table=(list[str], "schema.old=schema.new: a table goes into another one."),
)
DIFFERENCES = _options(
    ignore_missing_tables=(list[str], "Tables of the target that need not be in the export: globs."),
    ignore_extra_tables=(list[str], "Tables of the export that the target need not have: globs."),
    ignore_extra_columns=(list[str], "Columns of the export that the target need not have: note, orders.note, *."),
    partitions=(PartitionFolders, "Folders that partitions are loaded from. Default: auto, as row counts prove right."),
    inherited=(InheritedRows, "Whose rows a folder holds whose table has heirs. Default: as row counts tell."),
    if_not_empty=(IfNotEmpty, "What to do with tables that have rows. Default: error."),
    truncate_all=(bool, "The same as --if-not-empty truncate.", "--truncate-all"),
    skip_not_empty=(bool, "The same as --if-not-empty skip.", "--skip-not-empty"),
)
RUN = _options(
    jobs=(int, "COPYs at a time. Default: the cores, at most 8.", "--jobs", "-j"),
    verbose=(bool, "A line for each part.", "--verbose", "-v"),
)
SIMULATION = _options(rows_per_part=(int, "Rows of a Parquet file. Default: 100,000."))

Source = Annotated[str, typer.Argument(help="The export's folder: the one that holds export_info_*.json.")]
Json = Annotated[bool, typer.Option("--json", help="For programs: one JSON object; of several databases a list.")]


def _with_settings(*groups: dict[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of ``groups``, and its function what these and the environment say."""
    options = {name: annotation for group in groups for name, annotation in group.items()}

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def command(**given: Any) -> None:
            told = {name: given.pop(name) for name in options}
            function(settings=_settings(told), **given)

        hints = get_type_hints(function, include_extras=True)
        own = [each for name, each in signature(function).parameters.items() if name != "settings"]
        command.__signature__ = Signature(  # type: ignore[attr-defined]
            [
                *(parameter.replace(annotation=hints[parameter.name]) for parameter in own),
                *(Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=options[name]) for name in options),
            ]
        )
        return command

    return decorate


@app.command()
@_with_settings(CONNECTION, DATABASES, SELECTION, DIFFERENCES, RUN)
def restore(settings: Settings, source: Source) -> None:
    """Load an export into a database that has its complete schema and no rows.

    Example: dbrestore restore ./my-export --dsn postgresql://me@localhost/shop
    """
    _run(
        run_restore(
            _open_storage(source),
            settings.connection,
            databases=settings.databases,
            choices=settings.choices,
            jobs=settings.jobs,
            progress=Progress(verbose=settings.verbose),
        )
    )


@app.command()
@_with_settings(CONNECTION, DATABASES, SELECTION, DIFFERENCES)
def plan(settings: Settings, source: Source, *, as_json: Json = False) -> None:
    """Show what a restore would do, and all that stands in its way. Changes nothing.

    Exits as the restore would: 0 only if no problem was found.

    Example: dbrestore plan ./my-export --dsn postgresql://me@localhost/shop
    """
    databases = settings.databases
    made = _run(make_plans(_open_storage(source), settings.connection, databases=databases, choices=settings.choices))
    if as_json:
        objects = [plan_object(each) for each in made]
        _print([json.dumps(objects if databases.may_be_several else objects[0], indent=2)])
    else:
        _print(chain.from_iterable(plan_lines(each) for each in made))
    raise_problems(problems_of(made))


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
@_with_settings(CONNECTION, SIMULATION)
def simulate(
    settings: Settings,
    destination: Annotated[Path, typer.Argument(help="Folder to put the export's own folder in.")],
    *,
    export_id: Annotated[str, typer.Option("--export-id", help="Name of the export.")],
) -> None:
    """Write a database out as RDS would export it, to try a restore before an incident.

    Example: dbrestore simulate ./exports --export-id friday --dsn postgresql://me@localhost/shop
    """
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


def _open_storage(source: str) -> Storage:
    if "://" in source:
        hint = "Copy the export to a folder first: aws s3 sync s3://bucket/prefix/export-id ./export-id"
        raise UsageError(f"{source} is not a folder of this machine", hint=hint)
    return LocalStorage(Path(source))


def _settings(told: dict[str, Any]) -> Settings:
    """What the command line says; what it does not, the environment and the defaults say."""
    try:
        return Settings(**{name: value for name, value in told.items() if value is not None and value != []})
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
