"""Options of commands, made from the fields of `Settings`: one description of each for help, environment and checks."""

from __future__ import annotations

import inspect
from enum import Enum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer
from pydantic import ByteSize, ValidationError

from dbrestore.errors import UsageError
from dbrestore.settings import ENVIRONMENT_PREFIX, SHORT_FLAGS, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = ("dsn", "db_host", "db_port", "db_user", "db_name")
S3 = ("aws_profile", "aws_region", "aws_endpoint_url", "aws_anonymous", "aws_requester_pays")
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
CLUSTER = ("workers", "dask")
UNFINISHED = ("resume", "restart")
PATIENCE = ("retry_for",)
FINISHING = ("refresh", "analyze", "vacuum")

METAVARS = {ByteSize: "BYTES", Path: "FOLDER", int: "NUMBER", float: "SECONDS"}


def takes(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command, in place of its parameter ``settings``, an option for each of the settings' fields ``names``.

    The command gets the settings that these options, the environment and the defaults make. UsageError where they
    make no sense.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**given: Any) -> None:
            chosen = {name: given.pop(name) for name in names}
            command(settings=make_settings(**chosen), **given)

        signature = inspect.signature(command, eval_str=True)
        own = [parameter for name, parameter in signature.parameters.items() if name != "settings"]
        parameters = [*own, *map(_parameter, names)]
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def make_settings(**given: object) -> Settings:
    """Settings from options; None and no values mean that one was not given. Raises UsageError."""
    try:
        return Settings(**{name: value for name, value in given.items() if value not in (None, [])})  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise UsageError(
            f"settings: {wrong}", hint="See --help, and the variables that begin with DBRESTORE_."
        ) from None


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
    if Settings.model_fields[name].default is True:
        flag += f"/--no-{name.replace('_', '-')}"
    return [flag, *SHORT_FLAGS.get(name, ())]


def _metavar(annotation: Any) -> str | None:
    if annotation is bool:
        return None
    if get_origin(annotation) is tuple:
        return "NAMES"
    kinds = get_args(annotation) or (annotation,)
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Enum):
            return "|".join(member.value for member in kind)
    return next((shown for kind, shown in METAVARS.items() if kind in kinds), "TEXT")
