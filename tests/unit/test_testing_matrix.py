from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

from dbrestore.testing.matrix import newest_of_each_major, unpack

if TYPE_CHECKING:
    from pathlib import Path


def test_the_newest_version_of_each_major_is_chosen_by_number() -> None:
    versions = ["13.9.0-beta.15", "13.23.0-beta.9", "13.23.0-beta.16", "18.4.0-beta.17", "18.0.0-beta.15"]
    assert newest_of_each_major(versions) == {13: "13.23.0-beta.16", 18: "18.4.0-beta.17"}


def test_unpacking_restores_links_and_execute_bits(tmp_path: Path) -> None:
    native = tmp_path / "source" / "native"
    (native / "bin").mkdir(parents=True)
    (native / "lib").mkdir()
    (native / "bin" / "postgres").write_text("server")
    (native / "lib" / "libpq.so.5.18").write_text("library")
    link = {"source": "native/lib/libpq.so.5.18", "target": "native/lib/libpq.so.5"}
    (native / "pg-symlinks.json").write_text(json.dumps([link]))
    with tarfile.open(tmp_path / "archive.tgz", "w:gz") as tar:
        tar.add(tmp_path / "source", arcname="package")

    unpack(tmp_path / "archive.tgz", tmp_path / "18")

    restored = tmp_path / "18" / "native"
    assert (restored / "lib" / "libpq.so.5").readlink().name == "libpq.so.5.18"
    assert (restored / "lib" / "libpq.so.5").read_text() == "library"
    assert (restored / "bin" / "postgres").stat().st_mode & 0o777 == 0o755
