"""Which of the files in an export's root are its manifest, and whether one of them is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from dbrestore.errors import LayoutError, ManifestError
from dbrestore.export.naming import some_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbrestore.export.folders import Listing
    from dbrestore.export.storage import StoredFile

_INFO_NAME = re.compile(r"export_info_(?P<id>.+)\.json")
_TABLES_NAME = re.compile(r"export_tables_info_(?P<id>.+?)(?:_from_(?P<first>\d{1,9})_to_(?P<last>\d{1,9}))?\.json")
_COPY_ALL = "Copy the whole export from its bucket again."
_ONE_FOLDER_EACH = "Give each export a folder of its own."


@dataclass(frozen=True, slots=True)
class ManifestFiles:
    """The files of one export's manifest."""

    info: StoredFile
    tables: tuple[StoredFile, ...]
    """At least one. AWS divides the entries among several files."""
    problems: tuple[ManifestError, ...]


@dataclass(frozen=True, slots=True)
class _TablesFile:
    file: StoredFile
    export_id: str
    entries: range | None
    """The numbers, from 1, of the entries in it, where its name says them."""


def find_manifest(listing: Listing, url: str) -> ManifestFiles:
    """The manifest in the root of ``listing``; ``url`` names the root in errors.

    A file of another export, and entries that no file holds by the files' names, are problems.

    Raises:
        LayoutError: the root is not an export's folder, or that of more than one.
        ManifestError: no file lists the tables.
    """
    info, export_id = _find_info(listing, url)
    found = list(_tables_files(listing))
    own = [tables for tables in found if tables.export_id == export_id]
    if not own:
        raise ManifestError(
            f"{info.key} has no export_tables_info_{export_id}_from_<X>_to_<Y>.json beside it", hint=_COPY_ALL
        )
    problems = (*_foreign(found, info, export_id), *_gaps(own))
    return ManifestFiles(info, tuple(tables.file for tables in own), problems)


def _find_info(listing: Listing, url: str) -> tuple[StoredFile, str]:
    found = [(file, match["id"]) for name, file in listing.root_files.items() if (match := _INFO_NAME.fullmatch(name))]
    if not found:
        raise _no_export(listing, url)
    if len(found) > 1:
        ids = some_of(export_id for _, export_id in found)
        raise LayoutError(f"{url} holds the manifests of {len(found)} exports: {ids}", hint=_ONE_FOLDER_EACH)
    return found[0]


def _no_export(listing: Listing, url: str) -> LayoutError:
    below = sorted(key.rpartition("/")[0] for key in listing.infos_below)
    if below:
        count = f"{len(below)} exports" if len(below) > 1 else "one"
        return LayoutError(
            f"{url} is not an export, but holds {count}: {some_of(below)}",
            hint=f"Name one of them: {url.rstrip('/')}/{below[0]}",
        )
    what = "no export_info_<id>.json" if listing.root_files or listing.tables else "no files"
    return LayoutError(
        f"{url} is not an export: it holds {what}", hint="Name the folder that holds export_info_<id>.json."
    )


def _tables_files(listing: Listing) -> Iterator[_TablesFile]:
    for name, file in sorted(listing.root_files.items()):
        if match := _TABLES_NAME.fullmatch(name):
            entries = range(int(match["first"]), int(match["last"]) + 1) if match["first"] else None
            yield _TablesFile(file, match["id"], entries)


def _foreign(found: Iterable[_TablesFile], info: StoredFile, export_id: str) -> Iterator[ManifestError]:
    for tables in found:
        if tables.export_id != export_id:
            yield ManifestError(f"{tables.file.key} belongs to another export than {info.key}", hint=_ONE_FOLDER_EACH)


def _gaps(found: Iterable[_TablesFile]) -> Iterator[ManifestError]:
    expected = 1
    numbered = [tables.entries for tables in found if tables.entries is not None]
    for entries in sorted(numbered, key=attrgetter("start")):
        if entries.start > expected:
            yield ManifestError(
                f"no export_tables_info file is there for the entries {expected} to {entries.start - 1}",
                hint=_COPY_ALL,
            )
        expected = max(expected, entries.stop)
