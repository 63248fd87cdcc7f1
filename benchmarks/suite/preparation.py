"""A data set in every form that a contender takes: an export, a dump, files of the wire, databases to start from."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from benchmarks.suite.loaders.parts import find_parts
from dbrestore.testing.databases import Database, create_database

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.suite.datasets import DataSet
    from dbrestore.testing.postgres import PostgresServer

DBRESTORE = str(Path(sys.executable).with_name("dbrestore"))
SLICE_ROWS = 50_000
WIRE_PAGES = 8 * 1024
"""Pages of a table in one file of the wire: 64 MiB."""
SIZES = """
    SELECT relname, pg_relation_size(oid) / current_setting('block_size')::int FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 2 DESC, 1
"""
COUNTS = """
    SELECT relname, (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM public.%I', relname),
                                                          false, true, '')))[1]
    FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
KEYS = """
    SELECT (SELECT count(*) FROM pg_index JOIN pg_class c ON c.oid = indrelid
            WHERE c.relnamespace = 'public'::regnamespace AND indisvalid),
           (SELECT count(*) FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND convalidated)
"""


@dataclass(frozen=True, slots=True)
class WireFile:
    """Rows of a table as binary COPY writes them."""

    table: str
    path: Path


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data set that is ready to be restored by any contender."""

    data_set: DataSet
    export: Path
    dump: Path
    wire: Sequence[WireFile]
    """The largest tables first."""
    bare: Database
    """Tables only."""
    complete: Database
    """Tables with their keys and indexes."""
    rows: Mapping[str, int]
    """By table."""
    slice_rows: int
    """What those contenders load that would take too long for all rows."""
    keys: str
    """How many valid indexes and constraints there are, as ``count_keys`` has it."""

    @property
    def rows_in_all(self) -> int:
        """Of all tables."""
        return sum(self.rows.values())

    def drop(self) -> None:
        """Remove the databases."""
        self.bare.drop()
        self.complete.drop()


def prepare(server: PostgresServer, data_set: DataSet, folder: Path) -> Prepared:
    """Make the data set, and all its forms in ``folder``. Raises CalledProcessError, EmbeddedServerError."""
    source, bare, complete = (create_database(server) for _ in range(3))
    for database in (source, bare, complete):
        database.execute(data_set.tables)
    source.execute(data_set.fill)
    for database in (source, complete):
        database.execute(data_set.keys)
    source.execute("VACUUM ANALYZE")
    arguments = ["--export-id", "export", "--rows-per-part", str(data_set.rows_per_part), "--dsn", source.dsn]
    subprocess.run([DBRESTORE, "simulate", str(folder), *arguments], check=True, stderr=subprocess.DEVNULL)
    dump = folder / "dump"
    subprocess.run([str(server.tool("pg_dump")), "-Fd", "-f", str(dump), "-d", source.dsn], check=True)
    wire = _write_wire(source, folder / "wire")
    export = folder / "export"
    slice_rows = min(SLICE_ROWS, pq.read_metadata(find_parts(export)[0].path).num_rows)
    rows, keys = count_rows(source), count_keys(source)
    source.drop()
    return Prepared(data_set, export, dump, wire, bare, complete, rows, slice_rows, keys)


def count_rows(database: Database) -> dict[str, int]:
    """The rows of each table."""
    lines = database.execute(COUNTS).splitlines()
    return {name: int(rows) for name, _, rows in (line.partition("|") for line in lines)}


def count_keys(database: Database) -> str:
    """The numbers of valid indexes and of valid constraints."""
    return database.execute(KEYS)


def _write_wire(source: Database, folder: Path) -> list[WireFile]:
    folder.mkdir(mode=0o777)
    files, script = [], []
    for line in source.execute(SIZES).splitlines():
        table, _, pages = line.partition("|")
        for start in range(0, max(1, int(pages)), WIRE_PAGES):
            path = folder / f"{table}.{start}"
            bounds = f"ctid >= '({start},0)' AND ctid < '({start + WIRE_PAGES},0)'"
            script.append(f"\\copy (SELECT * FROM {table} WHERE {bounds}) to '{path}' (format binary)")
            files.append(WireFile(table, path))
    source.execute("\n".join(script))
    return files
