from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.commands import run

if TYPE_CHECKING:
    from pathlib import Path

    from dbrestore.testing.databases import MakeDatabase

MIB = 1024**2
ROW_BYTES = 16 * MIB
ROWS = 8
SCHEMA = "CREATE TABLE documents (id int, body text); ALTER TABLE documents ALTER body SET STORAGE EXTERNAL;"
FILL = f"INSERT INTO documents SELECT n, repeat(md5(n::text), {ROW_BYTES // 32}) FROM generate_series(1, {ROWS}) AS n"
RESTORE = """
import sys
from dbrestore.cli import main
from dbrestore.testing.memory import peak_memory
try:
    main()
finally:
    print(peak_memory())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no peak to ask for")
def test_huge_rows_are_neither_copied_nor_held_by_the_page(make_database: MakeDatabase, tmp_path: Path) -> None:
    source, target = make_database(), make_database()
    source.execute(SCHEMA + FILL)
    target.execute(SCHEMA)
    simulated = run("simulate", tmp_path, "--dsn", source.dsn, "--export-id", "huge", "--rows-per-part", 2)
    assert simulated.returncode == 0, simulated.stderr
    command = [sys.executable, "-c", RESTORE]
    restored = run("restore", tmp_path / "huge", "--dsn", target.dsn, "--jobs", 4, command=command)
    assert restored.returncode == 0, restored.stderr
    assert target.execute("SELECT count(DISTINCT md5(body)), min(length(body)) FROM documents") == f"{ROWS}|{ROW_BYTES}"
    assert int(restored.stdout.split()[-1]) < 300 * MIB
