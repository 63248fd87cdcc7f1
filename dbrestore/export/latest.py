"""The newest of several exports, for runs that nobody watches."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dbrestore.concurrency import run_all
from dbrestore.errors import LayoutError, ManifestError
from dbrestore.export.manifest import COMPLETE, parse_export_info

if TYPE_CHECKING:
    from dbrestore.export.manifest import ExportInfo
    from dbrestore.export.opening import Notify
    from dbrestore.export.storage import Storage

READS = 16
_NEVER = datetime.min.replace(tzinfo=UTC)


async def find_latest(storage: Storage, notify: Notify) -> str:
    """The folder of ``storage`` that holds the newest complete export, by the time of its snapshot.

    The export of a live cluster has the time at which it was started. ``notify`` is told of each folder that is
    passed over.

    Raises:
        LayoutError: there is none.
        ExportError: the storage cannot be read.
    """
    folders = await storage.list_folders()
    found: dict[str, ExportInfo | str] = {}

    async def look(folder: str) -> None:
        found[folder] = await _read_info(storage, folder)

    await run_all(map(look, folders), READS)
    complete: list[tuple[datetime, str]] = []
    for folder in sorted(found):
        info = found[folder]
        if isinstance(info, str):
            notify(f"warning: {folder} is passed over: {info}")
        else:
            complete.append((info.snapshot_time or info.task_start_time or _NEVER, folder))
    if not complete:
        raise LayoutError(
            f"{storage.url} holds no complete export in any of its {len(folders)} folders",
            hint="Name the folder above the exports; without --latest, an export itself.",
        )
    _, newest = max(complete)
    notify(f"the latest export of {storage.url} is {newest}")
    return newest


async def _read_info(storage: Storage, folder: str) -> ExportInfo | str:
    """What a folder's export_info says, or why it is no complete export."""
    files = [file async for file in storage.list_files(f"{folder}/export_info_") if file.key.count("/") == 1]
    if len(files) != 1:
        return f"it holds {len(files) or 'no'} export_info_<id>.json"
    try:
        info = parse_export_info(await storage.read_range(files[0], 0, files[0].size), files[0].key)
    except ManifestError as error:
        return error.message
    return info if info.status == COMPLETE else f"its status is {info.status}"
