"""Installs what the contenders need: the extra ``bench``, or as much of it as there is."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
EXTRA = "bench"
PIP = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def install() -> list[str]:
    """Install the extra's packages that are missing; return those that could not be had."""
    wanted = [requirement for requirement in _of_extra() if not _is_there(requirement)]
    if not wanted or _pip(wanted):
        return []
    return [requirement for requirement in wanted if not _pip([requirement])]


def _of_extra() -> list[str]:
    requirements: list[str] = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"][EXTRA]
    return requirements


def _is_there(text: str) -> bool:
    requirement = Requirement(text)
    try:
        return requirement.specifier.contains(version(requirement.name), prereleases=True)
    except PackageNotFoundError:
        return False


def _pip(requirements: list[str]) -> bool:
    return subprocess.run([*PIP, *requirements], stderr=subprocess.DEVNULL, check=False).returncode == 0
