"""What an export's list of files says about its folders, before any manifest is read.

Both namings of the AWS documentation ("File naming conventions for exports to Amazon S3") are one to this module:
a table's files lie in ``<database>/<schema>.<table>`` or in batch folders at any depth below it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbrestore.export.storage import StoredFile

SUCCESS = "_SUCCESS"
"""The empty file that Spark writes into a folder when all of its parts are there."""

UNCOMMITTED = "_temporary"
"""Spark's folder for parts that it has not committed (Hadoop's FileOutputCommitter.PENDING_DIR_NAME)."""

PART_SUFFIX = ".parquet"


def _is_hidden(name: str) -> bool:
    """By the rule of Spark and Hadoop, whose bookkeeping files these are."""
    return name.startswith((".", "_"))


@dataclass(slots=True)
class TableFolder:
    """The files below ``<database>/<schema>.<table>``."""

    parts: list[StoredFile] = field(default_factory=list)
    batches: dict[str, bool] = field(default_factory=dict)
    """Each folder that holds parts or should, below the table's own (which is ``""``): has it a ``_SUCCESS``?"""
    strays: list[str] = field(default_factory=list)
    """Keys of files that are neither parts nor Spark's bookkeeping: perhaps data of an unknown form."""

    @property
    def is_bare(self) -> bool:
        """Nothing but hidden files is there."""
        return not self.batches and not self.strays

    def add(self, path: str, file: StoredFile) -> None:
        """Take note of ``file``, which lies at ``path`` below this folder."""
        batch, _, name = path.rpartition("/")
        folders = batch.split("/") if batch else []
        if UNCOMMITTED in folders:
            self.batches.setdefault("/".join(folders[: folders.index(UNCOMMITTED)]), False)
        elif any(map(_is_hidden, folders)):
            return
        elif name == SUCCESS:
            self.batches[batch] = True
        elif _is_hidden(name):
            return
        elif name.endswith(PART_SUFFIX):
            self.batches.setdefault(batch, False)
            self.parts.append(file)
        else:
            self.strays.append(file.key)


@dataclass(slots=True)
class Listing:
    """All files of an export, each in its place."""

    root_files: dict[str, StoredFile] = field(default_factory=dict)
    tables: dict[str, TableFolder] = field(default_factory=dict)
    """By ``<database's folder>/<table's folder>``."""
    misplaced: list[str] = field(default_factory=list)
    """Keys of parts that lie beside the tables' folders, not in one."""
    infos_below: list[str] = field(default_factory=list)
    """Keys of ``export_info_*.json`` files that are not in the root: exports of their own."""

    def add(self, file: StoredFile) -> None:
        """Take note of ``file``. S3's folder markers are passed over."""
        folder, _, name = file.key.rpartition("/")
        if not folder:
            self.root_files[name] = file
        elif name.startswith("export_info_") and name.endswith(".json"):
            self.infos_below.append(file.key)
        elif name:
            self._add_below(file, name)

    def _add_below(self, file: StoredFile, name: str) -> None:
        database, table, *path = file.key.split("/", 2)
        if path:
            self.tables.setdefault(f"{database}/{table}", TableFolder()).add(path[0], file)
        elif name.endswith(PART_SUFFIX) and not _is_hidden(name):
            self.misplaced.append(file.key)
