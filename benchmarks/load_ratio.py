"""A restore of one table against ``psql \\copy`` of the same rows as binary: the ratio to the server's limit.

psql reads a file that is already in the form of the wire, so it does no more than feed the server; dbrestore reads
Parquet. Both load the same table of the same server, in turns.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import Measurement, measure, medians
from benchmarks.tables import FILL_TWELVE_COLUMNS, TWELVE_COLUMNS
from dbrestore.testing.databases import Database, create_database
from dbrestore.testing.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Sequence

SERVER_SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "8GB", "checkpoint_timeout": "1h"}
DBRESTORE = str(Path(sys.executable).with_name("dbrestore"))
MEBIBYTE = 1024**2


def main() -> None:
    """Print the medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    with PostgresServer.start(SERVER_SETTINGS) as server, tempfile.TemporaryDirectory() as folder:
        source, target = create_database(server), create_database(server)
        target.execute(TWELVE_COLUMNS)
        wire_file = _prepare(source, Path(folder), options.rows, options.parts)
        copy = f"\\copy events from '{wire_file}' (format binary)"
        psql = [str(server.tool("psql")), "-qX", "-d", target.dsn, "-c", copy]
        restore = [DBRESTORE, "restore", f"{folder}/bench", "--dsn", target.dsn, "--jobs", str(options.jobs)]
        limit, ours = _alternate(target, [psql, restore], options.runs)
    _show(limit, ours, options.rows)


def _prepare(source: Database, folder: Path, rows: int, parts: int) -> Path:
    """Fill the source, and write its table both as an export and as the bytes of the wire.

    By other processes: a child's peak memory is at least that of the process that starts it.
    """
    wire_file = folder / "events.copy"
    source.execute(TWELVE_COLUMNS)
    source.execute(FILL_TWELVE_COLUMNS.format(rows=rows))
    source.execute(f"\\copy events to '{wire_file}' (format binary)")
    arguments = ["simulate", str(folder), "--export-id", "bench", "--rows-per-part", str(-(-rows // parts))]
    subprocess.run([DBRESTORE, *arguments, "--dsn", source.dsn], check=True)
    return wire_file


def _alternate(target: Database, commands: Sequence[Sequence[str]], runs: int) -> list[Measurement]:
    results: list[list[Measurement]] = [[] for _ in commands]
    for _ in range(runs):
        for command, result in zip(commands, results, strict=True):
            target.execute("TRUNCATE events; CHECKPOINT")
            result.append(measure(command))
    return [medians(result) for result in results]


def _show(limit: Measurement, ours: Measurement, rows: int) -> None:
    print(f"{rows:,} rows of 12 columns, medians")
    for name, result in (("psql \\copy binary", limit), ("dbrestore", ours)):
        rate = f"{rows / result.seconds:,.0f} rows/s"
        peak = f"{result.peak_bytes / MEBIBYTE:.0f} MiB"
        print(f"{name:18} {result.seconds:6.2f} s  {rate:>17}  {result.cpu_seconds:6.2f} s of CPU  {peak} at the peak")
    print(f"ratio of the times {ours.seconds / limit.seconds:6.2f}")


if __name__ == "__main__":
    main()
