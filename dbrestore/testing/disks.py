"""Small disks, to fill them."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class NoDiskError(Exception):
    """This process may not mount one, or the machine cannot."""


class SmallDisk:
    """A file system in memory."""

    def __init__(self, folder: Path) -> None:
        """Mounted at ``folder``."""
        self.folder = folder

    def resize(self, size: int) -> None:
        """Let it have ``size`` bytes."""
        _run("mount", "-o", f"remount,size={size}", str(self.folder))


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[SmallDisk]:
    """A disk of ``size`` bytes at ``folder``, which is there then. Raises NoDiskError; only root may mount, mostly."""
    folder.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder))
    try:
        yield SmallDisk(folder)
    finally:
        _run("umount", "--lazy", str(folder))


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NoDiskError(f"there is no {command[0]}") from error
    if done.returncode != 0:
        raise NoDiskError(done.stderr.strip())
