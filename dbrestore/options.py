"""Options of commands, made from the fields of `Settings`: one description of each for help, environment and checks."""

from __future__ import annotations

import inspect
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from pydantic import ByteSize, ValidationError

from dbrestore.errors import UsageError
from dbrestore.settings import ENVIRONMENT_PREFIX, SHORT_FLAGS, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = ("dsn", "db_host", "db_port", "db_user", "db_name")
METAVARS = {ByteSize: "BYTES", Path: "FOLDER", int: "NUMBER", float: "SECONDS"}
S3 = ("aws_profile", "aws_region", "aws_endpoint_url", "aws_anonymous", "aws_requester_pays", "retry_for")


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
    """Settings from options; None is one that was not given. Raises UsageError."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise UsageError(
            f"settings: {wrong}", hint="See --help, and the variables that begin with DBRESTORE_."
        ) from None


def _parameter(name: str) -> inspect.Parameter:
    field = Settings.model_fields[name]
    flags = [f"--{name.replace('_', '-')}"]
    if name in SHORT_FLAGS:
        flags.append(SHORT_FLAGS[name])
    help_text = f"{field.description} [env: {ENVIRONMENT_PREFIX}{name.upper()}]"
    metavar = next((shown for kind, shown in METAVARS.items() if kind in _kinds(field.annotation)), "TEXT")
    is_flag = field.annotation is bool
    option = typer.Option(*flags, help=help_text, show_default=False, metavar=None if is_flag else metavar)
    # The model checks the values, with the same words for options and environment.
    annotation = Annotated[bool | None, option] if is_flag else Annotated[str | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _kinds(annotation: object) -> tuple[object, ...]:
    return get_args(annotation) or (annotation,)
