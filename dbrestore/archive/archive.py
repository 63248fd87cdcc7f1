"""An archive on disk, through the eyes of pg_restore."""

from __future__ import annotations

import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from dbrestore.archive.entries import Entry, parse_entries
from dbrestore.archive.environment import program_target
from dbrestore.archive.programs import Program, find_program
from dbrestore.errors import TargetError, UsageError
from dbrestore.target.connect import PLACEHOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbrestore.archive.environment import ProgramTarget
    from dbrestore.archive.programs import Output
    from dbrestore.target.connect import ConnectionSettings

CUSTOM_MAGIC = b"PGDMP"
DIRECTORY_CONTENTS = "toc.dat"
PRE_DATA, POST_DATA = "pre-data", "post-data"
FINGERPRINT_LENGTH = 16
_HINT = 'Make one with: pg_dump --schema-only --format=custom --file=schema.dump "$SOURCE"'
_UNLIKE_EACH_TIME = re.compile(r"^(--.*|\\(un)?restrict .*)$", re.MULTILINE)
_FIRST_ENTRY = re.compile(r"^--\n-- Name: ", re.MULTILINE)
_END = "\n--\n-- PostgreSQL database dump complete\n--\n"


@dataclass(frozen=True, slots=True)
class ArchiveOptions:
    """Which archive makes the schema, and what of it."""

    path: Path
    bin_dir: Path | None = None
    """Where PostgreSQL's programs are; None for the PATH."""
    keep_owners: bool = False
    """With owners, privileges and tablespaces; else all belongs to the role that restores."""
    skip_extensions: tuple[str, ...] = ()

    def of_database(self, name: str) -> ArchiveOptions:
        """The same with ``name`` for ``{database}`` in the path."""
        return replace(self, path=Path(str(self.path).replace(PLACEHOLDER, name)))


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that pg_restore can read."""

    options: ArchiveOptions
    program: Program

    @classmethod
    async def open(cls, options: ArchiveOptions) -> Archive:
        """Raises UsageError if it is none, or if pg_restore is not there or too old for it."""
        check_format(options.path)
        archive = cls(options, await find_program("pg_restore", options.bin_dir))
        await archive.entries(PRE_DATA)
        return archive

    @property
    def path(self) -> str:
        """For people."""
        return str(self.options.path)

    async def entries(self, section: str) -> list[Entry]:
        """What is to be made of a section, in the order of making. Raises UsageError."""
        output = await self._run(["--list", f"--section={section}"])
        return list(parse_entries(output.data))

    async def fingerprint(self) -> str:
        """What two archives of the same schema have in common."""
        script = (await self._run(["--file=-"])).data
        return sha256(_UNLIKE_EACH_TIME.sub("", script).encode()).hexdigest()[:FINGERPRINT_LENGTH]

    async def script(self, section: str, entries: Sequence[Entry]) -> str:
        """The SQL that makes some entries, without the settings of a session that come before it."""
        with _listed(entries) as names:
            text = (await self._run([f"--use-list={names}", f"--section={section}", "--file=-"])).data
        found = _FIRST_ENTRY.search(text)
        return text[found.start() : text.rindex(_END)] if found else ""

    async def make(self, section: str, entries: Sequence[Entry], jobs: int, target: ProgramTarget) -> Output:
        """Have pg_restore make entries, several at a time, whatever becomes of some of them."""
        with _listed(entries) as names:
            arguments = [f"--use-list={names}", f"--section={section}", f"--jobs={jobs}"]
            arguments.append(f"--dbname={target.connection_string}")
            return await self.program.run([*arguments, *self._choices, self.path], target.environment)

    @property
    def _choices(self) -> list[str]:
        """A copy that subscribes to what its source does would change the publisher."""
        choices = ["--no-subscriptions", "--no-security-labels"]
        if not self.options.keep_owners:
            choices += ["--no-owner", "--no-privileges", "--no-tablespaces", "--no-publications"]
        return choices

    async def _run(self, arguments: Sequence[str]) -> Output:
        output = await self.program.run([*arguments, *self._choices, self.path])
        if output.code:
            hint = f"This is pg_restore {self.program.version}; --pg-bindir names the programs of another version."
            raise UsageError(f"pg_restore cannot read {self.path}: {output.said}", hint=hint)
        return output


async def dump_schema(connection: ConnectionSettings, path: Path, bin_dir: Path | None) -> None:
    """Have pg_dump write the schema of a database into an archive. Raises UsageError, TargetError."""
    program = await find_program("pg_dump", bin_dir)
    target = program_target(connection, {})
    arguments = ["--schema-only", "--format=custom", f"--file={path}", f"--dbname={target.connection_string}"]
    output = await program.run(arguments, target.environment)
    if output.code:
        hint = f"This is pg_dump {program.version}; --pg-bindir names the programs of another version."
        raise TargetError(f"the schema cannot be dumped: {output.said}", hint=hint)


def check_format(path: Path) -> None:
    """Raise UsageError unless ``path`` is an archive of the custom or the directory format."""
    if path.is_dir():
        if not (path / DIRECTORY_CONTENTS).is_file():
            raise UsageError(f"{path} is no archive of pg_dump: it has no {DIRECTORY_CONTENTS}", hint=_HINT)
        return
    try:
        with path.open("rb") as file:
            start = file.read(len(CUSTOM_MAGIC))
    except OSError as error:
        raise UsageError(f"the schema cannot be read: {error}", hint=_HINT) from None
    if start != CUSTOM_MAGIC:
        raise UsageError(
            f"{path} is not in pg_dump's custom or directory format: it is SQL or something else", hint=_HINT
        )


@contextmanager
def _listed(entries: Sequence[Entry]) -> Iterator[str]:
    """A file with the lines of entries, for the time of the block."""
    with tempfile.TemporaryDirectory(prefix="dbrestore-") as folder:
        path = Path(folder) / "entries.list"
        path.write_text("".join(f"{entry.line}\n" for entry in entries), encoding="utf-8")
        yield str(path)
