from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dbrestore.errors import LayoutError
from dbrestore.export.latest import find_latest
from dbrestore.export.local import LocalStorage

if TYPE_CHECKING:
    from pathlib import Path


def write_info(root: Path, folder: str, **keys: str) -> None:
    info = {"exportTaskIdentifier": folder, "status": "COMPLETE"} | keys
    (root / folder).mkdir()
    (root / folder / f"export_info_{folder}.json").write_text(json.dumps(info), encoding="utf-8")


async def latest(root: Path) -> tuple[str, list[str]]:
    said: list[str] = []
    return await find_latest(LocalStorage(root), said.append), said


async def test_the_time_of_the_snapshot_decides_not_the_name(tmp_path: Path) -> None:
    write_info(tmp_path, "z", snapshotTime="Oct 6, 2026, 7:35:27 PM", taskEndTime="Dec 1, 2026, 1:00:00 AM")
    write_info(tmp_path, "a", snapshotTime="Oct 7, 2026, 7:35:27 AM")
    write_info(tmp_path, "live", taskStartTime="Oct 5, 2026, 7:35:27 AM")
    write_info(tmp_path, "no-time")
    assert (await latest(tmp_path))[0] == "a"


async def test_what_is_not_complete_is_passed_over_by_name(tmp_path: Path) -> None:
    write_info(tmp_path, "old", snapshotTime="2026-01-01")
    write_info(tmp_path, "running", snapshotTime="2026-02-01", status="IN_PROGRESS")
    write_info(tmp_path, "broken", snapshotTime="2026-03-01")
    (tmp_path / "broken" / "export_info_broken.json").write_text("{", encoding="utf-8")
    (tmp_path / "notes").mkdir()
    found, said = await latest(tmp_path)
    assert found == "old"
    reasons = [line.partition(" an object")[0].partition(" is passed over: ")[::2] for line in said[:-1]]
    assert reasons == [
        ("warning: broken", "broken/export_info_broken.json is not valid JSON: EOF while parsing"),
        ("warning: notes", "it holds no export_info_<id>.json"),
        ("warning: running", "its status is IN_PROGRESS"),
    ]
    assert said[-1].endswith("is old")


async def test_exports_below_the_folders_are_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write_info(tmp_path / "deep", "export", snapshotTime="2026-01-01")
    with pytest.raises(LayoutError, match="holds no complete export in any of its 1 folders"):
        await latest(tmp_path)
