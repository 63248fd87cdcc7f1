"""`make reference`: writes docs/reference.md, which a test compares with the code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from typer.main import get_command

from dbrestore.cli import app
from dbrestore.configuration import CONFIG, FILE_NAME
from dbrestore.errors import DbrestoreError
from dbrestore.settings import ENVIRONMENT_PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer.core import TyperCommand

PAGE = Path("docs/reference.md")
INTRODUCTION = f"""# Reference

Made from the code by `make reference`.

Every setting is an option of the commands that take it, a variable of the environment, and a key of `{FILE_NAME}`.
Options go before the environment, this before the file. The file is the one that `--config` or
`{ENVIRONMENT_PREFIX}CONFIG` names, or else `{FILE_NAME}` in the working folder, or else in the user's configuration
folder. `dbrestore config` shows what is in force and where it comes from. Lists are written with commas, or as arrays
in the file; switches are `true` and `false` there, and every one has an opposite on the command line. An empty variable
says nothing. `dbrestore --install-completion` teaches the shell all of it.
"""


def main() -> int:
    """Write the page; return the exit code."""
    PAGE.write_text(render(), encoding="utf-8")
    return 0


def render() -> str:
    """The page."""
    return "\n".join([INTRODUCTION, *_command_lines(), *_setting_lines(), *_exit_code_lines()])


def _commands() -> dict[str, TyperCommand]:
    return dict(sorted(get_command(app).commands.items()))  # type: ignore[attr-defined]


def _command_lines() -> Iterator[str]:
    yield "## Commands"
    for name, command in _commands().items():
        arguments = [option for option in command.params if option.param_type_name == "argument"]
        words = [name, *((option.name or "").upper() for option in arguments), "[OPTIONS]"]
        yield f"\n### dbrestore {name}\n\n```text\ndbrestore {' '.join(words)}\n```\n\n{_paragraphs(command)}\n"
        yield from _own_lines(command)
        taken = [f"`{_flag(option.opts)}`" for option in command.params if option.name in Settings.model_fields]
        yield f"Settings: {', '.join(taken) if name != CONFIG else 'all'}."
    yield ""


def _paragraphs(command: TyperCommand) -> str:
    paragraphs = " ".join((command.help or "").split("\n")).split("  ")
    return "\n\n".join(
        f"Example:\n\n    {text.removeprefix('Example: ')}" if text.startswith("Example: ") else text
        for text in map(str.strip, paragraphs)
        if text
    )


def _own_lines(command: TyperCommand) -> Iterator[str]:
    """What is no setting: arguments, and options that only one call can want."""
    own = [option for option in command.params if option.name not in Settings.model_fields and option.name != "help"]
    for option in own:
        is_argument = option.param_type_name == "argument"
        shown = (option.name or "").upper() if is_argument else option.opts[0]
        yield f"- `{shown}`: {getattr(option, 'help', '')}"
    if own:
        yield ""


def _setting_lines() -> Iterator[str]:
    yield from ("## Settings", "", "| option | variable | meaning |", "|---|---|---|")
    options = {option.name: option for command in _commands().values() for option in command.params}
    for name in Settings.model_fields:
        option = options[name]
        flags = ", ".join([*option.opts, *option.secondary_opts])
        values = f" {option.metavar}" if option.metavar else ""
        cells = (f"`{flags}{values}`", f"`{ENVIRONMENT_PREFIX}{name.upper()}`", Settings.model_fields[name].description)
        yield f"| {' | '.join(_cell(str(cell)) for cell in cells)} |"
    yield ""


def _exit_code_lines() -> Iterator[str]:
    yield from ("## Exit codes", "", "| code | meaning |", "|---|---|", "| 0 | All is done. |")
    kinds: list[type[DbrestoreError]] = [DbrestoreError, *DbrestoreError.__subclasses__()]
    meanings = {kind.exit_code: kind.__doc__ or "" for kind in kinds}
    meanings |= {DbrestoreError.exit_code: DbrestoreError.__doc__ or "", 143: "The run was interrupted by SIGTERM."}
    for code, text in sorted(meanings.items()):
        yield f"| {code} | {text.splitlines()[0]} |"
    yield ""


def _flag(names: list[str]) -> str:
    return max(names, key=len)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


if __name__ == "__main__":
    sys.exit(main())
