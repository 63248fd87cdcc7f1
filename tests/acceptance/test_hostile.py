from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.acceptance.commands import run

if TYPE_CHECKING:
    from pathlib import Path

ESCAPE = "\x1b]0;owned\x07\nerror: all is lost"


def test_no_command_passes_escape_sequences_of_an_export_on_to_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "export_info_ci.json").write_text(
        json.dumps({"exportTaskIdentifier": f"ci{ESCAPE}", "status": f"FAILED{ESCAPE}"})
    )
    (tmp_path / "export_tables_info_ci.json").write_text(
        json.dumps({"perTableStatus": [{"target": f"shop.public.{ESCAPE}", "status": ESCAPE}]})
    )
    result = run("list", tmp_path, "--tables")
    assert r"\x1b]0;owned\x07\nerror: all is lost" in result.stdout
    for said in (result.stdout, result.stderr):
        assert "\x1b" not in said
        assert "\nerror: all is lost" not in said
