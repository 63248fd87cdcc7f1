"""A restore from S3 against a restore of the same export from a folder, in turns: the ratio of their times.

The S3 server runs on this machine, beside PostgreSQL and dbrestore, and takes its share of the cores.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.backend import backend_seconds
from benchmarks.exports import multiply_table, parquet_bytes
from benchmarks.measuring import Measurement, measure, medians
from benchmarks.rclone import ACCESS_KEY, SECRET_KEY, serve_s3
from benchmarks.tables import FILL_TWELVE_COLUMNS, TWELVE_COLUMNS
from dbrestore.testing.databases import Database, create_database
from dbrestore.testing.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Sequence

SERVER_SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "8GB", "checkpoint_timeout": "1h"}
DBRESTORE = str(Path(sys.executable).with_name("dbrestore"))
BUCKET = "exports"
EXPORT_ID = "bench"
DISK_PER_ROW = 1500
"""Bytes that a row takes at most: in the export, in the table and in the log of the server that loads it."""
MEBIBYTE = 1024**2
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
}


def main() -> None:
    """Print the medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000, help="of each table")
    parser.add_argument("--tables", type=int, default=8)
    parser.add_argument("--rows-per-part", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=4)
    options = parser.parse_args()
    os.environ |= CREDENTIALS
    names = [f"events_{number}" for number in range(1, options.tables + 1)]
    with tempfile.TemporaryDirectory() as folder, PostgresServer.start(SERVER_SETTINGS) as server:
        _require_space(Path(folder), options.rows * options.tables * DISK_PER_ROW)
        bucket = Path(folder) / BUCKET
        _export(create_database(server), bucket, options.rows, options.rows_per_part)
        multiply_table(bucket / EXPORT_ID, "public.events", [f"public.{name}" for name in names])
        target = create_database(server)
        for name in names:
            target.execute(TWELVE_COLUMNS.replace("events", name))
        print(
            f"{options.rows * options.tables:,} rows, {parquet_bytes(bucket) / MEBIBYTE:,.0f} MiB of Parquet",
            flush=True,
        )
        with serve_s3(Path(folder)) as s3:
            settings = ["--dsn", target.dsn, "--jobs", str(options.jobs)]
            local = [DBRESTORE, "restore", str(bucket / EXPORT_ID), *settings]
            remote = [DBRESTORE, "restore", f"s3://{BUCKET}/{EXPORT_ID}", "--aws-endpoint-url", s3.url, *settings]
            from_folder, from_s3 = _compare(target, [local, remote], options.runs, names, options.rows)
            _show(from_folder, from_s3, backend_seconds(s3.pid) / options.runs)


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SystemExit(f"{folder} has {free / MEBIBYTE:,.0f} MiB free, and {needed / MEBIBYTE:,.0f} may be needed")


def _export(source: Database, destination: Path, rows: int, rows_per_part: int) -> None:
    """By another process: a child's peak memory is at least that of the process that starts it."""
    source.execute(TWELVE_COLUMNS)
    source.execute(FILL_TWELVE_COLUMNS.format(rows=rows))
    arguments = ["simulate", str(destination), "--export-id", EXPORT_ID, "--rows-per-part", str(rows_per_part)]
    subprocess.run([DBRESTORE, *arguments, "--dsn", source.dsn], check=True, stdout=subprocess.DEVNULL)
    source.drop()


def _compare(
    target: Database, commands: Sequence[Sequence[str]], runs: int, names: Sequence[str], rows: int
) -> list[Measurement]:
    results: list[list[Measurement]] = [[] for _ in commands]
    for _ in range(runs):
        for command, result in zip(commands, results, strict=True):
            target.execute(f"TRUNCATE {', '.join(names)}; CHECKPOINT")
            result.append(measure(command))
            _require_rows(target, names, rows)
    return [medians(result) for result in results]


def _require_rows(target: Database, names: Sequence[str], rows: int) -> None:
    counts = {int(target.execute(f"SELECT count(*) FROM {name}")) for name in names}
    if counts != {rows}:
        raise SystemExit(f"a restore left tables of {counts} rows instead of {rows}")


def _show(from_folder: Measurement, from_s3: Measurement, server_seconds: float) -> None:
    for name, result in (("folder", from_folder), ("S3", from_s3)):
        peak = f"{result.peak_bytes / MEBIBYTE:.0f} MiB"
        print(f"{name:8} {result.seconds:6.2f} s  {result.cpu_seconds:6.2f} s of CPU  {peak} at the peak")
    print(f"ratio of the times {from_s3.seconds / from_folder.seconds:.2f}")
    print(f"the S3 server took {server_seconds:.2f} s of CPU for each restore")


if __name__ == "__main__":
    main()
