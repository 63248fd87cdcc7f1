"""The commands that README, docs and examples show, as a reader would type them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from typer.main import get_command

from dbrestore.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer.core import TyperCommand

REPOSITORY = Path(__file__).parents[1]
PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))
EXAMPLES = tuple(sorted((REPOSITORY / "contrib").iterdir()))
PROGRAMS = ("dbrestore", "psql", "pg_dump", "pg_restore", "createdb", "PGPASSWORD=", "export ")

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^ {4}\S.*\n)+", re.MULTILINE)
_INLINE = re.compile(r"`(dbrestore [^`]+)`")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_CRON = re.compile(r"^(?:[\d*,/-]+ +){5}")
_EXEC_START = re.compile(r"^ExecStart=/usr/local/bin/")


@dataclass(frozen=True, slots=True)
class Shown:
    """One command line of a page."""

    page: str
    line: str

    @property
    def words(self) -> list[str]:
        """As the shell would split it."""
        return shlex.split(self.line)


def shown_commands() -> list[Shown]:
    """Those of the pages' code blocks, each line once for each page."""
    found = [Shown(path.name, line) for path in PAGES for line in _block_lines(path.read_text(encoding="utf-8"))]
    return list(dict.fromkeys(found))


def shown_scripts() -> list[Shown]:
    """The examples' command lines: of crontab and unit files."""
    lines = ((path.name, line) for path in EXAMPLES for line in path.read_text(encoding="utf-8").splitlines())
    stripped = ((name, _EXEC_START.sub("", _CRON.sub("", line))) for name, line in lines)
    return [Shown(name, line) for name, line in stripped if line.startswith("dbrestore ")]


def mentioned_commands() -> list[Shown]:
    """What the running text calls a command: `dbrestore status`, and `dbrestore list SOURCE [--tables]`."""
    return [
        Shown(path.name, re.sub(r"[\[\]…]", " ", line))
        for path in PAGES
        for line in dict.fromkeys(_INLINE.findall(_FENCED.sub("", path.read_text(encoding="utf-8"))))
    ]


def _block_lines(text: str) -> Iterator[str]:
    blocks = [body for kind, body in _FENCED.findall(text) if kind in ("", "sh", "bash", "console")]
    blocks += _INDENTED.findall(_FENCED.sub("", text))
    for block in blocks:
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            command = _COMMENT.sub("", line).strip().removeprefix("$ ")
            if command.startswith(PROGRAMS):
                yield command


def commands() -> list[TyperCommand]:
    """All commands of dbrestore."""
    return list(get_command(app).commands.values())  # type: ignore[attr-defined]


def command_named(name: str) -> TyperCommand:
    """A command of dbrestore. KeyError: there is none."""
    return get_command(app).commands[name]  # type: ignore[attr-defined,no-any-return]
