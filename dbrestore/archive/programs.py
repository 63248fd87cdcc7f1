"""PostgreSQL's own programs: where they are, and how they are run."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PROGRAMS_HINT = "It comes with PostgreSQL's client programs; --pg-bindir says where they are."
END_SECONDS = 5.0
"""What a program is given to end by itself when it is told to."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a program said, and how it ended."""

    code: int
    data: str
    said: str


@dataclass(frozen=True, slots=True)
class Program:
    """One of them."""

    path: str
    version: int
    """17 for 17.10."""

    async def run(self, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Output:
        """Run it to its end; a run that is cancelled ends it. ``environment`` comes on top of ours."""
        process = await asyncio.create_subprocess_exec(
            self.path,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C", **(environment or {})},
        )
        try:
            data, said = await process.communicate()
        except BaseException:
            await _end(process)
            raise
        return Output(process.returncode or 0, data.decode(errors="replace"), said.decode(errors="replace").strip())


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.communicate()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def find_program(name: str, bin_dir: Path | None) -> Program:
    """The program in ``bin_dir``, or on the PATH. Raises UsageError if it is not there, or does not run."""
    found = shutil.which(name, path=str(bin_dir) if bin_dir else None)
    if found is None:
        where = f"in {bin_dir}" if bin_dir else "on the PATH"
        raise UsageError(f"there is no {name} {where}", hint=PROGRAMS_HINT)
    try:
        told = await Program(found, 0).run(["--version"])
    except OSError as error:
        raise UsageError(f"{found} does not run: {error}", hint=PROGRAMS_HINT) from error
    version = re.search(r"\(PostgreSQL\) (\d+)", told.data)
    if version is None:
        message = f"{found} does not say its version: {told.said or told.data.strip()}"
        raise UsageError(message, hint=PROGRAMS_HINT)
    return Program(found, int(version[1]))
