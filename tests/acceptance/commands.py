"""The installed command, as users run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMMAND = str(Path(sys.executable).with_name("dbrestore"))


def run(
    *arguments: object, command: Sequence[str] = (COMMAND,), environment: Mapping[str, object] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {name: str(value) for name, value in (environment or {}).items()},
    )


def failed(*arguments: object, exit_code: int, **environment: object) -> str:
    """What a command that fails says."""
    result = run(*arguments, environment=environment)
    assert result.returncode == exit_code, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr
