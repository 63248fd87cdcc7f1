"""How long a plan of very many tables and parts takes, and how much memory: from a listing that is made up.

Neither files nor a server are there: the storage lists names and answers every read with the same footer, and the
catalogue is made by hand. What remains is the work of dbrestore itself.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import resource
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measuring import KIB
from dbrestore.export.layout import read_export
from dbrestore.export.parquet import read_footers
from dbrestore.export.storage import Storage, StoredFile
from dbrestore.plan import build_plan
from dbrestore.planning.choices import Choices
from dbrestore.planning.draft import draft_plan
from dbrestore.target.catalog import NO_TYPMOD, Catalog, Column, Table, TableKind, Type
from dbrestore.target.deferral.policy import ForeignKeys, Policy
from dbrestore.target.post_data import ForeignKey, PostData
from dbrestore.target.survey import Survey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

DATABASE = "shop"
INFO = "export_info_scale.json"
ENTRIES_PER_FILE = 10_000
COLUMNS = 12
ROWS = 1000
GIBIBYTE = 1024**3


@dataclass(frozen=True, slots=True)
class Scale:
    """The size of an export: plain tables, and partitioned ones whose rows are there twice."""

    tables: int
    parts: int
    """Of each table, and of each partition in both folders."""
    families: int = 0
    partitions: int = 0
    """Of each family."""

    def folders(self) -> Iterator[tuple[str, int]]:
        """Names of all tables, with the number of parts in the folder of each."""
        for number in range(self.tables):
            yield f"public.table_{number:06}", self.parts
        for family in range(self.families):
            yield f"public.parent_{family}", self.partitions * self.parts
            for number in range(self.partitions):
                yield f"public.parent_{family}_{number:06}", self.parts


class MadeUpStorage(Storage):
    """A storage of names."""

    url = "s3://nowhere/scale"

    def __init__(self, scale: Scale) -> None:
        self._scale = scale
        self._part = _part()
        self._documents = {INFO: json.dumps({"exportTaskIdentifier": "scale", "status": "COMPLETE"}).encode()}
        names = [name for name, _ in scale.folders()]
        for start in range(0, len(names), ENTRIES_PER_FILE):
            entries = [_entry(name) for name in names[start : start + ENTRIES_PER_FILE]]
            key = f"export_tables_info_scale_from_{start + 1}_to_{start + len(entries)}.json"
            self._documents[key] = json.dumps({"perTableStatus": entries}).encode()

    async def list_files(self, prefix: str = "") -> AsyncIterator[StoredFile]:
        assert not prefix
        for key, document in self._documents.items():
            yield StoredFile(key, len(document), "1")
        for name, parts in self._scale.folders():
            folder = f"{DATABASE}/{name}/1"
            yield StoredFile(f"{folder}/_SUCCESS", 0, "1")
            for number in range(parts):
                key = f"{folder}/part-{number:05}-d868200e-b629-4445-bd96-d34b6674b09d-c000.gz.parquet"
                yield StoredFile(key, len(self._part), f'"{number:032x}"')

    async def read_range(self, file: StoredFile, start: int, length: int) -> bytes:
        return self._documents.get(file.key, self._part)[start : start + length]

    async def list_folders(self) -> list[str]:
        raise NotImplementedError

    def expect(self, file: StoredFile) -> None:
        raise NotImplementedError

    def find(self, file: StoredFile) -> None:
        """Nothing is here."""

    async def fetch_few(self, files: Sequence[StoredFile]) -> list[Path]:
        raise NotImplementedError

    def fetch(self, file: StoredFile) -> AbstractAsyncContextManager[Path]:
        raise NotImplementedError


def _part() -> bytes:
    row = {"id": pa.array(range(ROWS), pa.int64())}
    row |= {f"column_{number}": pa.array(["some text"] * ROWS) for number in range(1, COLUMNS)}
    sink = io.BytesIO()
    pq.write_table(pa.table(row), sink, compression="gzip", store_schema=False)
    return sink.getvalue()


def _entry(name: str) -> dict[str, object]:
    columns = [
        {"columnName": "id", "originalType": "bigint", "expectedExportedType": "int64"},
        *(
            {"columnName": f"column_{number}", "originalType": "text", "expectedExportedType": "binary (UTF8)"}
            for number in range(1, COLUMNS)
        ),
    ]
    mappings = {"originalTypeMappings": columns}
    return {"target": f"{DATABASE}.{name}", "status": "COMPLETE", "schemaMetadata": mappings}


def made_up_target(scale: Scale) -> Survey:
    """Tables of the names that the export has; each family but the first references the one before."""
    bigint, text = Type(20, "int8recv", NO_TYPMOD, None), Type(25, "textrecv", NO_TYPMOD, None)
    columns = [_column("id", bigint, "bigint"), *(_column(f"column_{n}", text, "text") for n in range(1, COLUMNS))]
    tables = []
    roots: dict[str, int] = {}
    for oid, (name, _) in enumerate(scale.folders(), start=1):
        plain = name.removeprefix("public.")
        parent, *_ = plain.rpartition("_")
        is_root = plain.startswith("parent_") and parent == "parent"
        if is_root:
            roots[plain] = oid
        kind = TableKind.PARTITIONED if is_root else TableKind.TABLE
        tables.append(
            Table(oid, "public", plain, kind, roots.get(parent), (), False, False, True, True, False, tuple(columns))
        )
    oids = list(roots.values())
    keys = tuple(_foreign_key(oid, child, parent) for oid, (parent, child) in enumerate(pairwise(oids), start=1))
    return Survey(Catalog(DATABASE, 170000, tuple(tables), frozenset()), PostData((), keys, 6400))


def _foreign_key(oid: int, child: int, parent: int) -> ForeignKey:
    return ForeignKey(
        oid=oid,
        table_oid=child,
        referenced_oid=parent,
        index_oid=0,
        parent=None,
        schema="public",
        table_name=f"parent_{child}",
        name=f"key_{child}",
        referenced=f"public.parent_{parent}",
        is_partitioned=True,
        references_partitioned=True,
        definition="FOREIGN KEY (id) REFERENCES parent (id)",
        comment=None,
        is_validated=True,
        is_enforced=True,
        is_deferrable=False,
        orphans=None,
        obstacle=None,
    )


def _column(name: str, kind: Type, type_name: str) -> Column:
    return Column(name, kind, type_name, is_not_null=False, has_default=False, is_generated=False, is_identity=False)


async def measure_plan(scale: Scale) -> None:
    """Print the seconds of each step, and the memory at the peak."""
    storage, target = MadeUpStorage(scale), made_up_target(scale)
    before = _peak_bytes()
    clock = _Clock()
    export = await read_export(storage)
    clock.say(f"listing and manifest of {len(export.tables[DATABASE]):,} tables")
    draft = draft_plan(export, DATABASE, target, Choices())
    clock.say("names")
    files = draft.files()
    footers = await read_footers(storage, files, 16)
    clock.say(f"{len(files):,} footers")
    found = dict(zip((file.key for file in files), footers, strict=True))
    plan = build_plan(draft, found, Policy(ForeignKeys.ORDERED))
    clock.say(f"plan of {len(plan.tables):,} tables, {sum(len(table.parts) for table in plan.tables):,} parts")
    clock.say_all(f"in all, with {len(plan.problems)} problems")
    print(f"{_peak_bytes() / GIBIBYTE:8.2f} GiB at the peak, {before / GIBIBYTE:.2f} before")


class _Clock:
    def __init__(self) -> None:
        self._first = self._last = _now()

    def say(self, what: str) -> None:
        self._print(self._last, what)
        self._last = _now()

    def say_all(self, what: str) -> None:
        self._print(self._first, what)

    def _print(self, start: tuple[float, float], what: str) -> None:
        seconds, cpu_seconds = (now - then for now, then in zip(_now(), start, strict=True))
        print(f"{seconds:8.2f} s, {cpu_seconds:7.2f} s of CPU  {what}", flush=True)


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


def main() -> None:
    """Measure one scale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=100_000)
    parser.add_argument("--parts", type=int, default=10, help="of each table")
    parser.add_argument("--families", type=int, default=0)
    parser.add_argument("--partitions", type=int, default=0, help="of each family")
    options = parser.parse_args()
    asyncio.run(measure_plan(Scale(**vars(options))))


if __name__ == "__main__":
    main()
