"""How much memory a restore takes at its peak: of exports of different sizes, of one huge row group, of huge rows.

The large exports are hard links to the parts of a small one, and their table is unlogged, so that the disk has to hold
little more than the table: 25 GB for 10 GB of export.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.exports import multiply_parts, parquet_bytes
from benchmarks.page import keep
from benchmarks.residence import Peaks, watch
from benchmarks.tables import FILL_TWELVE_COLUMNS, TWELVE_COLUMNS
from dbrestore.testing.databases import create_database
from dbrestore.testing.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DBRESTORE = str(Path(sys.executable).with_name("dbrestore"))
SERVER_SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "4GB", "checkpoint_timeout": "1h", "autovacuum": "off"}
MEBIBYTE = 1024**2
GIGABYTE = 10**9
PART_ROWS = 100_000
ROW_GROUP_BYTES = 500 * MEBIBYTE
ROW_BYTES = 50 * MEBIBYTE
EVENTS = "public.events"
HUGE_ROWS = "CREATE TABLE documents (id integer, body text)"
FILL_HUGE_ROWS = (
    f"INSERT INTO documents SELECT i, repeat(md5(i::text), {ROW_BYTES // 32}) FROM generate_series(1, 16) AS i"
)


@dataclass(frozen=True, slots=True)
class Bench:
    """A server, and a folder for exports."""

    server: PostgresServer
    folder: Path
    jobs: int

    def export(self, name: str, schema: str, fill: str, rows_per_part: int = PART_ROWS) -> Path:
        """An export of one table."""
        source = create_database(self.server)
        source.execute(schema)
        source.execute(fill)
        arguments = ["--export-id", name, "--rows-per-part", str(rows_per_part), "--dsn", source.dsn]
        subprocess.run([DBRESTORE, "simulate", str(self.folder), *arguments], check=True, stderr=subprocess.DEVNULL)
        source.drop()
        return self.folder / name

    def restore(self, what: str, export: Path, schema: str) -> str:
        """Restore into a new database; return a line about what it took."""
        target = create_database(self.server)
        target.execute(schema.replace("CREATE TABLE", "CREATE UNLOGGED TABLE"))
        command = [DBRESTORE, "restore", str(export), "--dsn", target.dsn, "--jobs", str(self.jobs)]
        started = time.perf_counter()
        peaks = watch(command)
        seconds = time.perf_counter() - started
        target.drop()
        return _line(what, parquet_bytes(export), seconds, peaks)


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, nargs="*", default=[1, 10], help="of Parquet, for each large export")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--keep", action="store_true", help="put the result into docs/performance.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, PostgresServer.start(SERVER_SETTINGS) as server:
        bench = Bench(server, Path(folder), options.jobs)
        found = [*measure_sizes(bench, options.gigabytes), measure_row_group(bench), measure_rows(bench)]
    lines = ["| | Parquet | seconds | peak memory | without pages of files |", "|---|---|---|---|---|", *found]
    print("\n".join(lines))
    if options.keep:
        keep("benchmarks.memory", lines)


def measure_sizes(bench: Bench, gigabytes: Sequence[float]) -> Iterator[str]:
    """The same parts, again and again."""
    for number in gigabytes:
        export = _events(bench, f"size-{number:g}".replace(".", "-"))
        multiply_parts(export, EVENTS, round(number * GIGABYTE / parquet_bytes(export)))
        yield bench.restore(f"{number:g} GB of twelve columns, parts of {PART_ROWS:,} rows", export, TWELVE_COLUMNS)


def measure_row_group(bench: Bench) -> str:
    """One part for each job, in one row group of 500 MB as pyarrow reads it."""
    export = _events(bench, "row-group")
    [part] = export.glob(f"*/{EVENTS}/*/*.parquet")
    program = [sys.executable, "-c", f"from benchmarks.memory import merge; merge({str(part)!r}, {ROW_GROUP_BYTES})"]
    subprocess.run(program, check=True)  # its memory is not to be that of this process, which the next ones inherit
    multiply_parts(export, EVENTS, bench.jobs)
    return bench.restore("one row group of 500 MiB in each part", export, TWELVE_COLUMNS)


def merge(path: str, size: int) -> None:
    """Make the part one row group of ``size`` bytes: its rows, again and again."""
    part = pq.read_table(path)
    times = -(-size // sum(_row_group_sizes(path)))
    pq.write_table(pa.concat_tables([part] * times), path, compression="gzip", row_group_size=times * part.num_rows)


def measure_rows(bench: Bench) -> str:
    """Rows of 50 MB, two in each part."""
    return bench.restore(
        "rows of 50 MiB, two in each part", bench.export("rows", HUGE_ROWS, FILL_HUGE_ROWS, 2), HUGE_ROWS
    )


def _events(bench: Bench, name: str) -> Path:
    return bench.export(name, TWELVE_COLUMNS, FILL_TWELVE_COLUMNS.format(rows=PART_ROWS))


def _row_group_sizes(path: str) -> list[int]:
    metadata = pq.read_metadata(path)
    return [metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)]


def _line(what: str, size: int, seconds: float, peaks: Peaks) -> str:
    parquet, whole, own = (f"{each / MEBIBYTE:,.0f} MiB" for each in (size, peaks.whole, peaks.own))
    line = f"| {what} | {parquet} | {seconds:.1f} | {whole} | {own} |"
    print(line, file=sys.stderr, flush=True)
    return line


if __name__ == "__main__":
    main()
