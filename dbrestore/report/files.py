"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def check_writable(path: Path) -> None:
    """Raise UsageError if no file can be made beside ``path``: before a restore of hours, not after it."""
    try:
        _temporary(path).touch()
        _temporary(path).unlink()
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}", hint="Name a file in a folder that is there and writable."
        ) from error


def write_whole(path: Path, text: str) -> None:
    """Put a file in the place of ``path``; whoever reads it meanwhile has the old or the new one.

    Raises DbrestoreError.
    """
    temporary = _temporary(path)
    try:
        with temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DbrestoreError(
            f"{path} could not be written: {error.strerror}",
            hint="What came before this is done; only the file is missing.",
        ) from error


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")
