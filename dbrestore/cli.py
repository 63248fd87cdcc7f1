"""The commands: names, help, exit codes.

What only one command needs, and takes long to import, is imported by it: help is there at once.
"""

from __future__ import annotations

import gc
import io
import json
import shutil
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import chain
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from pydantic import ByteSize, TypeAdapter, ValidationError

from dbrestore import __version__
from dbrestore.configuration import CONFIG
from dbrestore.console import complain, print_lines, run_work
from dbrestore.errors import DbrestoreError, UsageError, raise_problems
from dbrestore.memory import set_up_libraries
from dbrestore.options import (
    AWS,
    BUILDS,
    CLUSTER,
    COMPARISON,
    DATABASES,
    DIFFERENCES,
    FINISHING,
    PATIENCE,
    POLICY,
    RECORDS,
    S3,
    SCHEMA,
    SELECTION,
    STORED,
    TALK,
    TARGET,
    UNFINISHED,
    takes,
)
from dbrestore.process_title import hide_passwords
from dbrestore.settings import Settings
from dbrestore.tune import Form, Machine, choose_settings, setting_lines, this_machine, undo_lines
from dbrestore.work import run_abort, run_list, run_plan, run_restore, run_simulate, run_status, run_verify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbrestore.progress import Progress
    from dbrestore.views.view import View

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
    "spool_dir", "spool_limit", "jobs", *CLUSTER, *BUILDS, *STORED, *UNFINISHED, *SCHEMA, "verify", *TALK, *RECORDS,
)  # fmt: skip
def restore(source: Source, *, settings: Settings) -> None:
    """Load an export into a database that has its complete schema and no rows.

    A restore that was killed or failed goes on with --resume: no row is lost, and none is loaded twice.

    Example: dbrestore restore s3://my-bucket/exports/friday --dsn postgresql://me@localhost/shop
    """
    gc.disable()  # until all is imported: use_little_memory()
    with _shown(settings, "restore", source) as progress:
        run_work(run_restore(source, settings, progress))


@app.command()
@takes(*TARGET, *AWS, *PATIENCE, "jobs", *BUILDS, *TALK, "report")
def abort(*, settings: Settings) -> None:
    """Put back the keys, indexes and triggers that an unfinished restore took down. Keeps the rows.

    Example: dbrestore abort --dsn postgresql://me@localhost/shop
    """
    with _shown(settings, "abort") as progress:
        run_work(run_abort(settings, progress))


@contextmanager
def _shown(settings: Settings, command: str, source: str = "") -> Iterator[Progress]:
    """The progress of a command, shown and recorded as it is wished, with whatever ends the block."""
    from dbrestore.progress import Progress
    from dbrestore.report.runs import Conditions
    from dbrestore.views.choosing import choose_view

    views: list[View] = [choose_view(sys.stderr, settings.level, as_json=settings.json_logs)]
    if settings.report:
        from dbrestore.views.report_files import ReportFiles

        views.append(ReportFiles(settings.report, Conditions(command, source, settings.shown)))
    if settings.metrics_file:
        from dbrestore.views.metrics_file import MetricsFile

        views.append(MetricsFile(settings.metrics_file))
    progress = Progress(views)
    try:
        with progress.shown():
            yield progress
    except DbrestoreError as error:
        if settings.json_logs and progress.tally.failed:  # it is told
            raise typer.Exit(error.exit_code) from error
        raise


@app.command()
@takes(*TARGET, *AWS)
def status(*, settings: Settings, as_json: StatusJson = False) -> None:
    """Show how far a restore is, whether it is running, and what is down.

    Example: dbrestore status --dsn postgresql://me@localhost/shop
    """
    from dbrestore.report import status_lines, status_object

    found = run_work(run_status(settings))
    if as_json:
        typer.echo(json.dumps(status_object(found), indent=2))
    else:
        print_lines(status_lines(found))


@app.command()
@takes(
    *TARGET, *S3, *PATIENCE, "latest", *DATABASES, *SELECTION, *DIFFERENCES, *POLICY,
    "no_rows", "full", "graph", "trace",
)  # fmt: skip
def plan(source: Source, *, settings: Settings, as_json: Json = False) -> None:
    """Show what a restore would do, and all that stands in its way. Changes nothing.

    Exits as the restore would: 0 only if no problem was found.

    Example: dbrestore plan ./my-export --dsn postgresql://me@localhost/shop
    """
    from dbrestore.databases import problems_of
    from dbrestore.report import plan_lines, plan_object
    from dbrestore.report.level_drawings import STREAMED_FORMATS, draw_levels

    made = run_work(run_plan(source, settings))
    if settings.graph:
        draw_levels(made, settings.graph)
    if as_json:
        objects = [plan_object(each) for each in made]
        typer.echo(json.dumps(objects if settings.databases.may_be_several else objects[0], indent=2))
    elif settings.graph not in STREAMED_FORMATS:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        is_full = settings.full or width is None
        print_lines(chain.from_iterable(plan_lines(each, is_full=is_full, width=width) for each in made))
    raise_problems(problems_of(made))


@app.command()
@takes(
    *TARGET, *S3, *PATIENCE, "latest", *DATABASES, *SELECTION, *COMPARISON, "spool_dir", "spool_limit", "jobs", "deep"
)
def verify(source: Source, *, settings: Settings, as_json: Json = False) -> None:
    """Compare a database with an export, and change nothing: the rows of each table, or with --deep every row.

    Exits with 6 if a table differs.

    Example: dbrestore verify ./my-export --deep --dsn postgresql://me@localhost/shop
    """
    from dbrestore.verification.report import verified_lines, verified_object

    gc.disable()  # until all is imported: use_little_memory()
    found = run_work(run_verify(source, settings))
    if as_json:
        objects = [verified_object(each) for each in found]
        typer.echo(json.dumps(objects if settings.databases.may_be_several else objects[0], indent=2))
    else:
        print_lines(chain.from_iterable(verified_lines(each) for each in found))
        complain(f"warning: {warning}" for each in found for warning in each.findings.warnings)
    raise_problems([problem for each in found for problem in each.problems])


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
    from dbrestore.report import export_lines, problem_lines

    export = run_work(run_list(source, settings))
    print_lines(export_lines(export, with_tables=tables))
    complain([*(f"warning: {warning}" for warning in export.warnings)])
    for problem in export.problems:
        complain(problem_lines(problem))


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
    made = run_work(run_simulate(settings, destination, export_id))
    rows = sum(table.rows for table in made.tables)
    complain(f"warning: {skipped.table} is left out: {skipped.reason}" for skipped in made.skipped)
    complain([f"wrote {len(made.tables)} tables, {rows:,} rows of {made.database} to {made.url}"])


@app.command("config")
@takes(*(name for name in Settings.model_fields if name != CONFIG))
def show_config(*, settings: Settings, flags: dict[str, object], as_json: StatusJson = False) -> None:
    """Show the settings in force, and where each comes from: flag, environment, file or default.

    Flags go before the environment, this before the configuration file. No secret is shown.

    Example: dbrestore config --jobs 4
    """
    from dbrestore.provenance import find_origins, settings_lines, settings_object

    origins = find_origins(flags)
    if as_json:
        typer.echo(json.dumps(settings_object(settings, origins), indent=2))
    else:
        print_lines(settings_lines(settings, origins))


@app.command()
def tune(
    *,
    form: Annotated[Form, typer.Option("--format", help="How the settings are written.")] = Form.CONF,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Also those with which a failing machine costs the whole cluster.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="How they go back to what they were.")] = False,
    memory: Annotated[
        str | None,
        typer.Option("--memory", metavar="BYTES", help="Of the server's machine: 16GB. Default: of this one."),
    ] = None,
    cores: Annotated[
        int | None,
        typer.Option("--cores", min=1, metavar="NUMBER", help="Of the server's machine. Default: of this one."),
    ] = None,
) -> None:
    """Print settings of a server for a bulk load: of one that is your own, with nobody else in it.

    Changes nothing.

    Example: dbrestore tune --format sql --memory 16GB
    """
    settings = choose_settings(_machine(memory, cores))
    print_lines(undo_lines(settings, form) if undo else setting_lines(settings, form, unsafe=unsafe))


def _machine(memory: str | None, cores: int | None) -> Machine:
    here = this_machine()
    try:
        size = TypeAdapter(ByteSize).validate_python(memory) if memory else here.memory
    except ValidationError:
        raise UsageError(f"--memory {memory} is not a size", hint="Write it like 16GB or 512MiB.") from None
    return Machine(size, cores or here.cores)


def _show_version(wanted: bool) -> None:
    if wanted:
        without = (
            "" if find_spec("dbrestore.wire._rows") else " (without its compiled encoder: no C compiler was there)"
        )
        typer.echo(f"dbrestore {__version__}{without}")
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
    gc.enable()  # see __main__
    hide_passwords()
    set_up_libraries()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal or file whose encoding lacks a letter of a name is no reason to end without the rest.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except DbrestoreError as error:
        from dbrestore.report import problem_lines

        complain(problem_lines(error))
        sys.exit(error.exit_code)
    finally:
        gc.freeze()  # the interpreter would look through all that there is once more, for a tenth of a second
    sys.exit(0)
