"""Options of commands, made from the fields of `Settings`: one description of each for help, environment and checks."""

from __future__ import annotations

import inspect
from enum import Enum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer
from pydantic import ByteSize, ValidationError

from dbrestore.configuration import CONFIG
from dbrestore.errors import UsageError
from dbrestore.provenance import find_origins, find_warnings
from dbrestore.settings import ENVIRONMENT_PREFIX, SHORT_FLAGS, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = (
    "dsn", "db_host", "db_port", "db_user", "db_name",
    "db_sslmode", "db_sslrootcert", "db_sslcert", "db_sslkey", "db_iam_auth",
)  # fmt: skip
AWS = ("aws_profile", "aws_region")
S3 = (*AWS, "aws_endpoint_url", "aws_anonymous", "aws_requester_pays")
DATABASES = ("source_db", "all_databases")
SELECTION = (
    "include_tables", "exclude_tables", "include_schemas", "exclude_schemas", "strict", "map_schema", "map_table",
)  # fmt: skip
DIFFERENCES = (
    "ignore_missing_tables", "ignore_extra_tables", "ignore_extra_columns", "partitions", "inherited",
    "if_not_empty", "truncate_all", "skip_not_empty",
)  # fmt: skip

POLICY = ("foreign_keys", "indexes")
BUILDS = ("index_jobs", "maintenance_work_mem")
STORED = ("lz4",)
CLUSTER = ("workers", "dask")
UNFINISHED = ("resume", "restart")
PATIENCE = ("retry_for",)
FINISHING = ("refresh", "analyze", "vacuum")
SCHEMA = ("schema", "pg_bindir", "keep_owners", "skip_extensions", "create", "swap", "drop_old")
COMPARISON = (
    "ignore_missing_tables", "ignore_extra_tables", "ignore_extra_columns", "partitions", "inherited",
)  # fmt: skip
TALK = ("quiet", "verbose", "trace", "json_logs")
RECORDS = ("report", "metrics_file")

METAVARS = {ByteSize: "BYTES", Path: "PATH", int: "NUMBER", float: "SECONDS"}


def takes(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command, in place of its parameter ``settings``, an option for each of the settings' fields ``names``.

    Besides it gets --config. It is called with the settings that these options, the environment, the configuration
    file and the defaults make, and with ``flags``, if it wants them: those that were given. UsageError where they make
    no sense; what is only suspicious is said on stderr.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)

        @wraps(command)
        def run(**given: Any) -> None:
            flags = given_flags(**{name: given.pop(name) for name in (*names, CONFIG)})
            settings = make_settings(**flags)
            for warning in find_warnings(settings, flags):
                typer.echo(f"warning: {warning}", err=True)
            made = {"settings": settings, "flags": flags}
            command(**{name: value for name, value in made.items() if name in signature.parameters}, **given)

        own = [parameter for name, parameter in signature.parameters.items() if name not in ("settings", "flags")]
        parameters = [*own, *map(_parameter, (*names, CONFIG))]
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def given_flags(**options: object) -> dict[str, object]:
    """The options that were given: None and no values mean that one was not."""
    return {name: value for name, value in options.items() if value not in (None, [])}


def make_settings(**flags: object) -> Settings:
    """Settings from the flags that were given, environment, file and defaults. Raises UsageError."""
    try:
        return Settings(**flags)  # type: ignore[arg-type]
    except ValidationError as error:
        origins = find_origins(flags)
        wrong = "; ".join(
            f"{origins[str(item['loc'][0])].place if item['loc'] else 'settings'}: {item['msg']}"
            for item in error.errors()
        )
        raise UsageError(wrong, hint="dbrestore config shows what is in force; --help, what can be set.") from None


def _parameter(name: str) -> inspect.Parameter:
    field = Settings.model_fields[name]
    help_text = f"{field.description} [env: {ENVIRONMENT_PREFIX}{name.upper()}]"
    option = typer.Option(*_flags(name), help=help_text, show_default=False, metavar=_metavar(field.annotation))
    # The model checks the values, with the same words for options and environment.
    annotation: Any = Annotated[str | None, option]
    if field.annotation is bool:
        annotation = Annotated[bool | None, option]
    elif get_origin(field.annotation) is tuple:
        annotation = Annotated[list[str] | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _flags(name: str) -> list[str]:
    flag = f"--{name.replace('_', '-')}"
    if Settings.model_fields[name].annotation is bool:
        # What environment or file switch on, a flag has to be able to switch off.
        flag += f"/--{name.removeprefix('no_') if name.startswith('no_') else f'no-{name}'}".replace("_", "-")
    return [flag, *SHORT_FLAGS.get(name, ())]


def _metavar(annotation: Any) -> str | None:
    if annotation is bool:
        return None
    if get_origin(annotation) is tuple:
        return "FILE" if Path in get_args(annotation) else "NAMES"
    kinds = get_args(annotation) or (annotation,)
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Enum):
            return "|".join(member.value for member in kind)
    return next((shown for kind, shown in METAVARS.items() if kind in kinds), "TEXT")
