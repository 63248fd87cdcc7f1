from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from dbrestore.errors import ExportError, LayoutError
from dbrestore.export import local
from dbrestore.export.local import LocalStorage

if TYPE_CHECKING:
    from pathlib import Path

    from dbrestore.export.storage import StoredFile


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "export"
    for key in ("db/public.t/1/part", "db/public.t/2/part", "db/public.u/1/part", "info"):
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(key.encode())
    return root


async def listed(root: Path, prefix: str = "") -> list[StoredFile]:
    return sorted([file async for file in LocalStorage(root).list_files(prefix)], key=lambda file: file.key)


async def keys(root: Path, prefix: str = "") -> list[str]:
    return [file.key for file in await listed(root, prefix)]


async def test_all_files_are_listed_with_their_sizes(root: Path) -> None:
    files = await listed(root)
    assert [file.key for file in files] == [
        "db/public.t/1/part",
        "db/public.t/2/part",
        "db/public.u/1/part",
        "info",
    ]
    assert all(file.size == len(file.key) for file in files)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("db/public.t/", ["db/public.t/1/part", "db/public.t/2/part"]),
        ("db/public.u/1/pa", ["db/public.u/1/part"]),
        ("inf", ["info"]),
        ("d", ["db/public.t/1/part", "db/public.t/2/part", "db/public.u/1/part"]),
        ("nothing/here", []),
        ("../", []),
    ],
)
async def test_a_prefix_limits_the_listing(root: Path, prefix: str, expected: list[str]) -> None:
    assert await keys(root, prefix) == expected


async def test_more_files_than_one_chunk_are_listed_once_each(tmp_path: Path) -> None:
    names = [f"{number:05}" for number in range(local.LISTING_CHUNK + 1)]
    for name in names:
        (tmp_path / name).touch()
    assert await keys(tmp_path) == names


async def test_the_version_tells_of_a_change_that_keeps_the_size(root: Path) -> None:
    (before,) = await listed(root, "info")
    os.utime(root / "info", ns=(0, 0))
    (after,) = await listed(root, "info")
    assert before.size == after.size
    assert before.version != after.version


async def test_a_range_ends_with_the_file(root: Path) -> None:
    (file,) = await listed(root, "info")
    storage = LocalStorage(root)
    assert await storage.read_range(file, 1, 2) == b"nf"
    assert await storage.read_range(file, 2, 100) == b"fo"
    assert await storage.read_range(file, 100, 1) == b""


async def test_fetching_gives_the_file_itself(root: Path) -> None:
    (file,) = await listed(root, "info")
    async with LocalStorage(root).fetch(file) as path:
        assert path == root / "info"


async def test_a_file_that_changed_after_listing_is_refused(root: Path) -> None:
    (file,) = await listed(root, "info")
    (root / "info").write_bytes(b"longer than before")
    with pytest.raises(ExportError, match="info has changed since the export was listed"):
        await LocalStorage(root).read_range(file, 0, 4)
    with pytest.raises(ExportError, match="info has changed"):
        async with LocalStorage(root).fetch(file):
            pass


async def test_a_file_that_vanished_after_listing_is_named(root: Path) -> None:
    (file,) = await listed(root, "info")
    (root / "info").unlink()
    with pytest.raises(LayoutError, match="info does not exist"):
        await LocalStorage(root).read_range(file, 0, 4)


async def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="nowhere does not exist"):
        await listed(tmp_path / "nowhere")


async def test_a_file_in_place_of_the_folder_is_refused_with_a_hint(root: Path) -> None:
    with pytest.raises(LayoutError, match="info is not a folder") as caught:
        await listed(root / "info")
    assert caught.value.hint == "Name the folder that holds export_info_<id>.json."


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
async def test_a_folder_without_permission_is_named(root: Path) -> None:
    (root / "db").chmod(0)
    try:
        with pytest.raises(ExportError, match="db cannot be read: permission denied"):
            await listed(root)
    finally:
        (root / "db").chmod(0o755)


async def test_other_errors_of_the_system_are_translated(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot be read: File name too long"):
        await listed(tmp_path / ("x" * 5000))


async def test_a_link_to_a_file_of_the_export_is_followed(root: Path) -> None:
    (root / "link").symlink_to("info")
    assert [file.size for file in await listed(root, "link")] == [len("info")]


@pytest.mark.parametrize("aim", ["../secret", "/etc/passwd"])
async def test_a_link_out_of_the_export_is_refused(root: Path, aim: str) -> None:
    (root.parent / "secret").touch()
    (root / "link").symlink_to(aim)
    with pytest.raises(LayoutError, match=r"link is a link that leads out of the export, to /.*(secret|passwd)"):
        await listed(root)


async def test_a_link_to_a_folder_with_the_same_beginning_leads_out(root: Path) -> None:
    (root.parent / "export-2").mkdir()
    (root / "link").symlink_to("../export-2")
    with pytest.raises(LayoutError, match=r"leads out of the export, to .*export-2"):
        await listed(root)


async def test_a_link_to_a_folder_of_the_export_is_refused(root: Path) -> None:
    (root / "db/again").symlink_to("public.t")
    with pytest.raises(LayoutError, match="db/again is a link to a folder"):
        await listed(root)


async def test_links_that_lead_nowhere_are_named(root: Path) -> None:
    (root / "link").symlink_to("gone")
    with pytest.raises(LayoutError, match="link does not exist"):
        await listed(root)
    (root / "link").unlink()
    (root / "link").symlink_to("link")
    with pytest.raises(ExportError, match="link cannot be read"):
        await listed(root)


async def test_what_is_no_file_is_refused(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(LayoutError, match="pipe is neither a file nor a folder"):
        await listed(root)


async def test_the_export_itself_may_be_named_by_a_link(root: Path) -> None:
    (root.parent / "alias").symlink_to(root)
    assert await keys(root.parent / "alias", "info") == ["info"]
    assert LocalStorage(root).url == str(root)


async def test_the_folders_of_the_root_are_listed_but_for_hidden_ones(root: Path) -> None:
    (root / ".hidden").mkdir()
    (root / "also").mkdir()
    assert await LocalStorage(root).list_folders() == ["also", "db"]


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse such a name themselves")
async def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"part\xff.parquet")).touch()
    with pytest.raises(LayoutError, match=r"holds a name that is not UTF-8: b'part\\xff.parquet'"):
        [file async for file in LocalStorage(tmp_path).list_files()]


async def test_a_few_files_are_fetched_in_their_order_unless_one_has_changed(root: Path) -> None:
    files = (await listed(root, "db/"))[::-1]
    storage = LocalStorage(root)
    assert await storage.fetch_few(files) == [root / file.key for file in files]
    (root / files[1].key).write_bytes(b"something else")
    with pytest.raises(ExportError, match="has changed since the export was listed"):
        await storage.fetch_few(files)
