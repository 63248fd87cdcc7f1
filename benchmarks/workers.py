"""Workers against threads: a restore by one process, by a worker and by two; and what a task costs the coordinator.

All of them have the same cores, so this shows what the processes cost, not what many machines gain. The seconds are
those of the whole command; of these, a cluster takes its start and its end.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from pydantic import SecretStr

from benchmarks.measuring import Measurement, measure, medians
from benchmarks.tables import FILL_TWELVE_COLUMNS, TWELVE_COLUMNS
from dbrestore.cluster.options import ClusterOptions
from dbrestore.export.local import LocalStorage
from dbrestore.finishing import FinishingOptions
from dbrestore.progress import Progress
from dbrestore.restore import make_plans, restore
from dbrestore.running import RestoreOptions
from dbrestore.target.connect import ConnectionSettings
from dbrestore.testing.dask import DaskCluster
from dbrestore.testing.databases import Database, create_database
from dbrestore.testing.postgres import PostgresServer
from dbrestore.views.lines import Lines

SERVER_SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "8GB", "checkpoint_timeout": "1h"}
DBRESTORE = str(Path(sys.executable).with_name("dbrestore"))
MEBIBYTE = 1024**2
ENGINES = {"threads": (), "1 worker": ("--workers", "1"), "2 workers": ("--workers", "2")}
FEW, MANY = 100, 1100
"""Parts of a few rows, whose difference is what a task costs."""


def main() -> None:
    """Print the medians, the ratios, and the cost of a task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--parts", type=int, default=20)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    with PostgresServer.start(SERVER_SETTINGS) as server, tempfile.TemporaryDirectory() as folder:
        source, target = create_database(server), create_database(server)
        source.execute(TWELVE_COLUMNS)
        source.execute(FILL_TWELVE_COLUMNS.format(rows=options.rows))
        target.execute(TWELVE_COLUMNS)
        if options.runs:
            export = _export(source, folder, "bench", -(-options.rows // options.parts))
            _compare(export, target, options.jobs, options.runs)
        source.execute(f"DELETE FROM events WHERE id > {MANY}")
        many = _export(source, folder, "many", 1)
        source.execute(f"DELETE FROM events WHERE id > {FEW}")
        few = _export(source, folder, "few", 1)
        asyncio.run(_show_cost(few, many, target))


def _export(source: Database, folder: str, name: str, rows_per_part: int) -> str:
    arguments = ["simulate", folder, "--export-id", name, "--rows-per-part", str(rows_per_part), "--dsn", source.dsn]
    subprocess.run([DBRESTORE, *arguments], check=True, stderr=subprocess.DEVNULL)
    return f"{folder}/{name}"


def _compare(export: str, target: Database, jobs: int, runs: int) -> None:
    results: dict[str, list[Measurement]] = {name: [] for name in ENGINES}
    for _ in range(runs):
        for name, arguments in ENGINES.items():
            target.execute("TRUNCATE events; CHECKPOINT")
            command = [DBRESTORE, "restore", export, "--dsn", target.dsn, "--jobs", str(jobs), *arguments]
            results[name].append(measure(command))
    found = {name: medians(measured) for name, measured in results.items()}
    for name, result in found.items():
        ratio = result.seconds / found["threads"].seconds
        print(f"{name:10} {result.seconds:6.2f} s  {result.cpu_seconds:6.2f} s of CPU  "
              f"{result.peak_bytes / MEBIBYTE:.0f} MiB at the peak of one process  ratio {ratio:.2f}")  # fmt: skip


async def _show_cost(few: str, many: str, target: Database) -> None:
    with DaskCluster() as cluster:
        assert cluster.scheduler is not None
        scheduler = psutil.Process(cluster.scheduler.pid)
        options = RestoreOptions(
            jobs=2, finishing=FinishingOptions(analyze=False), cluster=ClusterOptions(scheduler=cluster.address)
        )
        costs = [await _cost(export, target, options, scheduler) for export in (few, many)]
    ours, theirs, wall = ((more - less) / (MANY - FEW) * 1000 for less, more in zip(*costs, strict=True))
    print(f"a task takes {ours:.2f} ms of the coordinator's CPU, {theirs:.2f} ms of the scheduler's, "
          f"and {wall:.1f} ms with 2 connections")  # fmt: skip


async def _cost(
    export: str, target: Database, options: RestoreOptions, scheduler: psutil.Process
) -> tuple[float, float, float]:
    """Seconds of CPU of this process and of the scheduler, and seconds, of a restore but for its plan."""
    storage, connection = LocalStorage(Path(export)), ConnectionSettings(SecretStr(target.dsn))
    target.execute("TRUNCATE events")

    def clocks() -> tuple[float, float, float]:
        return time.process_time(), sum(scheduler.cpu_times()[:2]), time.perf_counter()

    began = clocks()
    await make_plans(storage, connection, options)
    planned = clocks()
    await restore(storage, connection, options, Progress([Lines(io.StringIO())]))
    ended = clocks()
    ours, theirs, wall = (
        end - middle - (middle - start) for start, middle, end in zip(began, planned, ended, strict=True)
    )
    return ours, theirs, wall


if __name__ == "__main__":
    main()
