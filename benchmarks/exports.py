"""Exports that are made larger than any source: by hard links to the parts of a small one."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def multiply_parts(export: Path, table: str, times: int) -> None:
    """Give the only folder of ``table``, such as ``public.events``, each of its parts ``times`` times."""
    parts = list(export.glob(f"*/{table}/*/*.parquet"))
    for part in parts:
        for number in range(1, times):
            os.link(part, part.with_name(f"copy-{number:06}-{part.name}"))


def multiply_table(export: Path, table: str, names: Sequence[str]) -> None:
    """Make of the export's only table several with the same rows, each with files of its own; names with schemas."""
    [folder] = export.glob(f"*/{table}")
    for name in names:
        shutil.copytree(folder, folder.with_name(name), copy_function=os.link)
    shutil.rmtree(folder)
    [document] = export.glob("export_tables_info_*")
    [entry] = json.loads(document.read_text())["perTableStatus"]
    entries = [{**entry, "target": entry["target"].replace(table, name)} for name in names]
    document.write_text(json.dumps({"perTableStatus": entries}))


def parquet_bytes(folder: Path) -> int:
    """Of all parts below ``folder``, each as often as it is there."""
    return sum(file.stat().st_size for file in folder.rglob("*.parquet"))
