"""Exports of which somebody has taken something away."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def leave_out(folder: Path, *names: str) -> None:
    """Take tables, by ``schema.table``, out of an export, as if it had been made without them."""
    for path in folder.glob("export_tables_info_*.json"):
        manifest = json.loads(path.read_text())
        entries = manifest["perTableStatus"]
        manifest["perTableStatus"] = [entry for entry in entries if entry["target"].split(".", 1)[1] not in names]
        path.write_text(json.dumps(manifest))
    for name in names:
        [table] = folder.glob(f"*/{name}")
        shutil.rmtree(table)


def merge(first: Path, second: Path) -> None:
    """Add the databases of the ``second`` export to the ``first``, as an export of a whole server has them."""
    [theirs] = second.glob("export_tables_info_*.json")
    [ours] = first.glob("export_tables_info_*.json")
    entries = [json.loads(path.read_text())["perTableStatus"] for path in (ours, theirs)]
    ours.write_text(json.dumps({"perTableStatus": [entry for part in entries for entry in part]}))
    for folder in filter(lambda path: path.is_dir(), second.iterdir()):
        folder.rename(first / folder.name)
