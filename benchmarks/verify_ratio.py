"""A deep verification against the restore that it looks at: how their speeds compare, for two tables, in turns."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import Measurement, measure, medians
from benchmarks.tables import FILL_LINEITEM, FILL_TWELVE_COLUMNS, LINEITEM, TWELVE_COLUMNS
from dbrestore.testing.databases import create_database
from dbrestore.testing.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Sequence

SERVER_SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "8GB", "checkpoint_timeout": "1h"}
DBRESTORE = str(Path(sys.executable).with_name("dbrestore"))
TABLES = {"12 columns": (TWELVE_COLUMNS, FILL_TWELVE_COLUMNS), "lineitem": (LINEITEM, FILL_LINEITEM)}
MEBIBYTE = 1024**2


def main() -> None:
    """Print for each table the medians and the ratio of the speeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    with PostgresServer.start(SERVER_SETTINGS) as server:
        for name, scripts in TABLES.items():
            with tempfile.TemporaryDirectory() as folder:
                _compare(server, name, scripts, Path(folder), options)


def _compare(
    server: PostgresServer, name: str, scripts: tuple[str, str], folder: Path, options: argparse.Namespace
) -> None:
    schema, fill = scripts
    source, target = create_database(server), create_database(server)
    source.execute(schema + ";" + fill.format(rows=options.rows))
    per_part = str(-(-options.rows // options.parts))
    arguments = ["simulate", str(folder), "--export-id", "bench", "--rows-per-part", per_part]
    subprocess.run([DBRESTORE, *arguments, "--dsn", source.dsn], check=True)
    common = [f"{folder}/bench", "--dsn", target.dsn, "--jobs", str(options.jobs)]
    restore = [DBRESTORE, "restore", *common, "--verify", "none", "--truncate-all"]
    verify = [DBRESTORE, "verify", *common, "--deep"]
    target.execute(schema)
    results: list[list[Measurement]] = [[], []]
    for _ in range(options.runs):
        for command, result in zip((restore, verify), results, strict=True):
            server.execute("CHECKPOINT")
            result.append(measure(command))
    _show(name, options.rows, [medians(result) for result in results])
    for database in (source, target):
        database.drop()


def _show(name: str, rows: int, results: Sequence[Measurement]) -> None:
    print(f"{name}, {rows:,} rows, medians")
    for what, result in zip(("restore", "verify --deep"), results, strict=True):
        rate = f"{rows / result.seconds:,.0f} rows/s"
        peak = f"{result.peak_bytes / MEBIBYTE:.0f} MiB"
        print(f"{what:14} {result.seconds:6.2f} s  {rate:>17}  {result.cpu_seconds:6.2f} s of CPU  {peak} at the peak")
    restore, verify = results
    print(f"speed of the verification against the restore {restore.seconds / verify.seconds:6.2f}")


if __name__ == "__main__":
    main()
