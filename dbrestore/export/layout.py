"""An export as its manifest and its folders together tell it: databases, tables, parts, and what is amiss.

Problems are collected, so that a user sees all at once; only what leaves nothing to read is raised. What counts as
one follows from one question: could rows be missing, or be loaded twice? Therefore a file in a table's folder that
is neither a part nor Spark's bookkeeping (a name that starts with ``.`` or ``_``) is a problem: it may be rows in a
form that this program does not know, or a part that is still being copied. A file in the root, or beside the tables'
folders, is left alone unless it is a part or a manifest.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING

from dbrestore.errors import ExportError, LayoutError, ManifestError
from dbrestore.export.folders import Listing, TableFolder
from dbrestore.export.manifest import COMPLETE, parse_export_info, parse_tables_info
from dbrestore.export.manifest_files import find_manifest
from dbrestore.export.naming import possible_places, some_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Set

    from dbrestore.export.manifest import ExportInfo, ManifestColumn, TableEntry
    from dbrestore.export.naming import Place
    from dbrestore.export.storage import Storage, StoredFile

MAX_MANIFEST_BYTES = 1024**3

_EXPORT_AGAIN = "Some of its rows, or all, are missing: copy it from the bucket again, or export it again."
_COPY_AGAIN = "The copy may be incomplete: copy the folder from the export's bucket again."


@dataclass(frozen=True, slots=True)
class ExportedTable:
    """A table of the export."""

    database: str
    name: str
    """``schema.table`` as the manifest writes it: with more dots than one, only the target's catalogue can split it."""
    folder: str
    """Path below the export's root."""
    columns: tuple[ManifestColumn, ...]
    parts: tuple[StoredFile, ...]
    """By key. None of an empty table, or where a problem says that the folder is missing."""
    problems: tuple[ExportError, ...] = ()
    """Those of the export's problems that are about this table alone."""


@dataclass(frozen=True, slots=True)
class Export:
    """All that can be known of an export without opening a part."""

    id: str
    url: str
    info: ExportInfo
    tables: Mapping[str, tuple[ExportedTable, ...]]
    """By database, and by name within one. A database without tables has no entry."""
    warnings: tuple[str, ...]
    problems: tuple[ExportError, ...]
    """Each means that rows may be missing, or be there twice."""


async def read_export(storage: Storage) -> Export:
    """List an export, read its manifest, and find the folder of each table.

    Raises:
        LayoutError: there is no export, or more than one.
        ManifestError: a file of the manifest is missing, too large, or unreadable.
        ExportError: the storage cannot be read.
    """
    listing = Listing()
    async for file in storage.list_files():
        listing.add(file)
    manifest = find_manifest(listing, storage.url)
    info = parse_export_info(await _read_whole(storage, manifest.info), manifest.info.key)
    join = _Join(listing.tables, {folder.partition("/")[0] for folder in listing.tables})
    for file in manifest.tables:
        for entry in parse_tables_info(await _read_whole(storage, file), file.key):
            join.add(entry)
    problems = (*_incomplete(info), *manifest.problems, *join.problems, *_unlisted(listing, join.targets))
    return Export(info.export_task_identifier, storage.url, info, join.sorted_tables(), tuple(join.warnings), problems)


async def _read_whole(storage: Storage, file: StoredFile) -> bytes:
    if file.size > MAX_MANIFEST_BYTES:
        raise ManifestError(f"{file.key} has {file.size} bytes, too many for a manifest", hint=_COPY_AGAIN)
    return await storage.read_range(file, 0, file.size)


def _incomplete(info: ExportInfo) -> Iterator[ManifestError]:
    if info.status != COMPLETE:
        yield ManifestError(
            f"the export {info.export_task_identifier} is not complete: its status is {info.status}",
            hint="Wait until it is COMPLETE, then copy it again; one that failed must be exported again.",
        )


@dataclass(slots=True)
class _Join:
    """Finds the folder of each entry, and keeps account of what was found."""

    folders: Mapping[str, TableFolder]
    database_folders: Set[str]
    targets: dict[str, str] = field(default_factory=dict)
    """The target that each folder was found for."""
    tables: defaultdict[str, list[ExportedTable]] = field(default_factory=lambda: defaultdict(list))
    warnings: list[str] = field(default_factory=list)
    problems: list[ExportError] = field(default_factory=list)

    def add(self, entry: TableEntry) -> None:
        """Take note of an entry: a table, or a database that AWS left out."""
        notices = ", ".join(map(str, entry.notices))
        if entry.is_skipped_database:
            if not entry.is_empty_database:
                self.warnings.append(f"AWS left out the database {entry.target}: {notices}")
            return
        problems: list[ExportError] = [] if entry.is_complete else [_incomplete_table(entry, notices)]
        if entry.is_complete and notices:
            self.warnings.append(f"AWS warns of {entry.target}: {notices}")
        self._add_table(entry, problems)

    def sorted_tables(self) -> dict[str, tuple[ExportedTable, ...]]:
        """What `Export.tables` promises."""
        return {
            database: tuple(sorted(tables, key=attrgetter("name"))) for database, tables in sorted(self.tables.items())
        }

    def _add_table(self, entry: TableEntry, problems: list[ExportError]) -> None:
        places = list(possible_places(entry.target))
        existing = [place for place in places if place.folder in self.folders]
        free = [place for place in existing if place.folder not in self.targets]
        if not places:
            no_table = ManifestError(f"the manifest lists {entry.target}: not database.schema.table", hint=_COPY_AGAIN)
            self.problems += [*problems, no_table]
        elif existing and not free:
            self.problems += [*problems, _shared_folder(entry.target, existing[0].folder, self.targets)]
        else:
            self._take(entry, free[0] if free else self._likeliest(places), problems)

    def _likeliest(self, places: list[Place]) -> Place:
        """Where a table without a folder belongs: to a database that has other folders, if there is one."""
        known = (place for place in places if place.folder.partition("/")[0] in self.database_folders)
        return next(known, places[0])

    def _take(self, entry: TableEntry, place: Place, problems: list[ExportError]) -> None:
        folder = self.folders.get(place.folder, TableFolder())
        self.targets[place.folder] = entry.target
        if entry.is_complete:
            problems.extend(_folder_problems(entry.target, place.folder, folder))
        self.problems.extend(problems)
        parts = tuple(sorted(folder.parts, key=attrgetter("key")))
        self.tables[place.database].append(
            ExportedTable(place.database, place.name, place.folder, entry.columns, parts, tuple(problems))
        )


def _incomplete_table(entry: TableEntry, notices: str) -> ManifestError:
    status = f"its status is {entry.status}" if entry.status else "it has no status"
    reason = f", {notices}" if notices else ""
    return ManifestError(f"{entry.target} was not exported completely: {status}{reason}", hint=_EXPORT_AGAIN)


def _shared_folder(target: str, folder: str, targets: Mapping[str, str]) -> LayoutError:
    if targets[folder] == target:
        return LayoutError(f"the manifest lists {target} twice, but it has one folder: {folder}", hint=_COPY_AGAIN)
    return LayoutError(
        f"{targets[folder]} and {target} have one folder, {folder}: their rows cannot be told apart",
        hint="AWS writes several characters as _ in paths: rename one of the tables and export again.",
    )


def _folder_problems(target: str, name: str, folder: TableFolder) -> Iterator[LayoutError]:
    if folder.is_bare:
        yield LayoutError(f"the manifest lists {target}, but its folder {name} is missing or empty", hint=_COPY_AGAIN)
    if unfinished := [f"{name}/{batch}".rstrip("/") for batch, done in folder.batches.items() if not done]:
        yield LayoutError(f"{target} has no _SUCCESS in {some_of(unfinished)}", hint=_COPY_AGAIN)
    if len({part.key for part in folder.parts}) < len(folder.parts):
        yield LayoutError(f"the listing of {name} names a file twice", hint="The storage is at fault: copy the export.")
    if folder.strays:
        yield LayoutError(
            f"{target} has files that are not Parquet parts: {some_of(folder.strays)}",
            hint="If they are no data of the export, remove them.",
        )


def _unlisted(listing: Listing, targets: Iterable[str]) -> Iterator[LayoutError]:
    """One problem for each database's folder that holds what no manifest lists."""
    unlisted = defaultdict(list)
    for name in listing.tables.keys() - set(targets):
        database, _, table = name.partition("/")
        if not listing.tables[name].is_bare and not database.startswith(".") and not table.startswith("."):
            unlisted[database].append(name)
    for _, names in sorted(unlisted.items()):
        yield LayoutError(
            f"no manifest lists {some_of(names)}",
            hint="A file of the manifest may be missing, or the folder is not part of this export: remove it then.",
        )
    if misplaced := [key for key in listing.misplaced if not key.startswith(".")]:
        yield LayoutError(f"parts lie outside of any table's folder: {some_of(misplaced)}", hint=_COPY_AGAIN)
