from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dbrestore.errors import DbrestoreError, ExportError
from dbrestore.events import Level
from dbrestore.target.quoting import qualified, quote_identifier
from tests.integration.round_trip import (
    export_database,
    fetch,
    find_differences,
    restore_export,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dbrestore.testing.databases import Database, MakeDatabase

NAMES = [
    'x"; DROP TABLE public.canary; --',
    "x'; DROP TABLE public.canary; --",
    "$$; DROP TABLE public.canary; $$",
    "%s%(x)s{0}{database}",
    "..",
    "-rf *",
    "$(touch canary)",
    "\x1b[2J\x1b]0;owned\x07",
    "line\nerror: all is lost",
    "a.b.c",
    "select",
    "é日本🙂",
]
COLUMNS = ['"id"', "x'y", "--", "\x1b[31m", "select", "日本", "%s", "a.b", "pg_sleep"]


def hostile_schema(names: list[str]) -> str:
    columns = ", ".join(f"{quote_identifier(name)} text" for name in COLUMNS)
    tables = [f"CREATE TABLE {qualified('public', name)} ({columns})" for name in names]
    schema = f"CREATE SCHEMA {quote_identifier(names[0])}; CREATE TABLE {qualified(names[0], names[1])} ({columns})"
    return "; ".join([*tables, schema, "CREATE TABLE public.canary (id int)"])


async def test_names_that_try_to_be_sql_or_paths_are_names(make_database: MakeDatabase, tmp_path: Path) -> None:
    source, target = make_database(), make_database()
    for database in (source, target):
        database.execute(hostile_schema(NAMES))
    values = ", ".join(["'1'"] * len(COLUMNS))
    source.execute("; ".join(f"INSERT INTO {qualified('public', name)} VALUES ({values})" for name in NAMES))
    source.execute(f"INSERT INTO {qualified(NAMES[0], NAMES[1])} VALUES ({values})")
    folder = await export_database(source, tmp_path / "exports")
    plan, said = await restore_export(folder, target, level=Level.VERBOSE)
    assert len(plan.tables) == len(NAMES) + 2
    assert await find_differences(source, target) == []
    assert names_in(tmp_path) == ["exports"]
    assert "\x1b" not in said
    assert "\nerror: all is lost" not in said


@pytest.mark.parametrize("name", ["pg_catalog.pg_authid", "information_schema.sql_features", "dbrestore.run"])
async def test_an_export_cannot_name_what_belongs_to_the_server_or_to_us(
    database: Database, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "friday"
    table = folder / "shop" / name
    table.mkdir(parents=True)
    pq.write_table(pa.table({"rolname": ["intruder"]}), table / "part-00000.gz.parquet", compression="gzip")
    (table / "_SUCCESS").touch()
    (folder / "export_info_friday.json").write_text(
        json.dumps({"exportTaskIdentifier": "friday", "status": "COMPLETE"})
    )
    entries = [{"target": f"shop.{name}", "status": "COMPLETE"}]
    (folder / "export_tables_info_friday_from_1_to_1.json").write_text(json.dumps({"perTableStatus": entries}))
    with pytest.raises(DbrestoreError) as caught:
        await restore_export(folder, database)
    assert name in caught.value.message
    assert await fetch(database, "SELECT count(*) FROM pg_roles WHERE rolname = 'intruder'") == [(0,)]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def part_of(folder: Path, table: str) -> Path:
    [part] = folder.glob(f"*/public.{table}/*/*.parquet")
    return part


def flip(path: Path) -> None:
    """Change bytes in the middle, where the pages are."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 3
    data[middle : middle + 64] = bytes(byte ^ 0x55 for byte in data[middle : middle + 64])
    path.write_bytes(data)


def link_out(path: Path) -> None:
    path.rename(path.parents[4] / "elsewhere.parquet")
    path.symlink_to(path.parents[4] / "elsewhere.parquet")


def damage_text(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def manifest(folder: Path) -> Path:
    [path] = folder.glob("export_tables_info_*.json")
    return path


DAMAGES: dict[str, Callable[[Path], object]] = {
    "an empty part": lambda folder: part_of(folder, "items").write_bytes(b""),
    "a part that is cut off": lambda folder: os.truncate(part_of(folder, "items"), 700),
    "a part without its first bytes": lambda folder: part_of(folder, "items").write_bytes(
        part_of(folder, "items").read_bytes()[100:]
    ),
    "a part with flipped bits": lambda folder: flip(part_of(folder, "items")),
    "no Parquet": lambda folder: part_of(folder, "items").write_bytes(b"<html>not found</html>" * 100),
    "an encrypted part": lambda folder: part_of(folder, "items").write_bytes(
        part_of(folder, "items").read_bytes()[:-4] + b"PARE"
    ),
    "a part of another table": lambda folder: part_of(folder, "items").write_bytes(
        part_of(folder, "notes").read_bytes()
    ),
    "a link that leads out": lambda folder: link_out(part_of(folder, "items")),
    "a manifest that is cut off": lambda folder: os.truncate(manifest(folder), 300),
    "an empty manifest": lambda folder: manifest(folder).write_bytes(b""),
    "a manifest that is nested too deep": lambda folder: manifest(folder).write_text("[" * 100_000),
    "a manifest of another kind": lambda folder: manifest(folder).write_text('{"perTableStatus": {"target": 1}}'),
    "a table that is there twice": lambda folder: damage_text(
        manifest(folder), '"perTableStatus":[', '"perTableStatus":[{"target":"x.public.items","status":"COMPLETE"},'
    ),
    "a status that is there twice": lambda folder: damage_text(
        manifest(folder), '"status":"COMPLETE"', '"status":"COMPLETE","status":"FAILED"'
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_export_is_refused_and_nothing_of_it_is_written(
    make_database: MakeDatabase, tmp_path: Path, damage: str
) -> None:
    source, target = make_database(), make_database()
    schema = "CREATE TABLE items (id int PRIMARY KEY, name text); CREATE TABLE notes (id int, note text)"
    for database in (source, target):
        database.execute(schema)
    source.execute("INSERT INTO items SELECT n, md5(n::text) FROM generate_series(1, 500) AS n")
    source.execute("INSERT INTO notes SELECT n, md5(n::text) FROM generate_series(1, 500) AS n")
    folder = await export_database(source, tmp_path)
    DAMAGES[damage](folder)
    with pytest.raises(DbrestoreError) as caught:
        await restore_export(folder, target)
    assert caught.value.exit_code in {ExportError.exit_code, 4}
    assert await fetch(target, "SELECT count(*) FROM items") == [(0,)]
