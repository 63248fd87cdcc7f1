"""Installs what a benchmark needs: what plots beside dbrestore, but the contenders in an environment of their own.

Some of their libraries, pandas above all, would be imported by what dbrestore imports, and it would be measured as few
people have it.
"""

from __future__ import annotations

import compileall
import json
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".cache" / "contenders"
PYTHON = str(ENVIRONMENT / ("Scripts" if sys.platform == "win32" else "bin") / "python")
"""Of the contenders."""
INSTALL = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
LIST = """
import json
from importlib.metadata import distributions
print(json.dumps({found.name: found.version for found in distributions() if found.name}))
"""


def install_contenders() -> list[str]:
    """Install what contenders need, and is missing; return what could not be had.

    dbrestore itself is compiled, as pip would do it.
    """
    compileall.compile_dir(ROOT / "dbrestore", quiet=1)
    if not Path(PYTHON).exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
    return _install(PYTHON, "contenders")


def install_plots() -> list[str]:
    """Install what draws, beside dbrestore; return what could not be had."""
    return _install(sys.executable, "bench")


@cache
def installed(python: str = PYTHON) -> dict[str, str]:
    """Versions of the packages in an environment, by their canonical names."""
    found = subprocess.run([python, "-c", LIST], check=True, capture_output=True, text=True)
    return {canonicalize_name(name): version for name, version in json.loads(found.stdout).items()}


def _install(python: str, extra: str) -> list[str]:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = [requirement for requirement in extras[extra] if not _is_there(requirement, python)]
    if not wanted:
        return []
    missing = [] if _pip(python, wanted) else [each for each in wanted if not _pip(python, [each])]
    installed.cache_clear()
    return missing


def _is_there(text: str, python: str) -> bool:
    requirement = Requirement(text)
    version = installed(python).get(canonicalize_name(requirement.name))
    return version is not None and requirement.specifier.contains(version, prereleases=True)


def _pip(python: str, requirements: Sequence[str]) -> bool:
    command = [python, *INSTALL, *requirements]
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
