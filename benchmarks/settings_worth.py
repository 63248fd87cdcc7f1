"""What each setting of `dbrestore tune` is worth: a restore of TPC-H with it and without it, in turns.

The server is set up as it is by default, fsync on, and then with one of the settings, and with all of them. Each
restore has a cluster of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import tpch
from benchmarks.backend import server_seconds
from benchmarks.measuring import measure
from benchmarks.page import keep
from dbrestore.testing.databases import create_database
from dbrestore.testing.postgres import PostgresServer
from dbrestore.tune import WORTH_FILE, Setting, choose_settings, this_machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DBRESTORE = str(Path(sys.executable).with_name("dbrestore"))
DEFAULTS = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
"""What a server has that is not made to be thrown away."""
TOGETHER = {"wal_level": ("max_wal_senders", "archive_mode")}
"""Settings that one cannot be without."""
NOTHING = "the server's defaults"
SAFE = "all of them but the last two"
EVERYTHING = "all of them"
WAL = "SELECT (pg_current_wal_insert_lsn() - '0/0')::int8"
MEBIBYTE = 1024**2


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one restore."""

    seconds: float
    cpu_seconds: float
    """Of the server's processes."""
    wal: int
    """Bytes."""


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.5, help="of TPC-H")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help="put it into docs/performance.md and dbrestore/worth.json")
    options = parser.parse_args()
    settings = choose_settings(this_machine())
    cases = make_cases(settings)
    costs: dict[str, list[Cost]] = {name: [] for name in cases}
    with tempfile.TemporaryDirectory() as folder:
        _export(Path(folder), options.scale)
        for _ in range(options.runs):
            for name, chosen in cases.items():
                costs[name].append(asyncio.run(_restore(Path(folder) / "bench", chosen, options.jobs)))
                print(f"{name}: {costs[name][-1]}", file=sys.stderr, flush=True)
    found = {name: _median(each) for name, each in costs.items()}
    lines = list(_lines(found))
    print("\n".join(lines))
    if options.keep:
        keep("benchmarks.settings_worth", lines)
        _keep_worth(found, settings)


def make_cases(settings: tuple[Setting, ...]) -> dict[str, dict[str, str]]:
    """What is compared, by name: nothing set, each setting by itself, and all."""
    values = {setting.name: setting.value for setting in settings}
    needed = {other for others in TOGETHER.values() for other in others}
    cases: dict[str, dict[str, str]] = {NOTHING: {}}
    for name in values:
        if name not in needed:
            cases[name] = {each: values[each] for each in (name, *TOGETHER.get(name, ()))}
    cases[SAFE] = {setting.name: setting.value for setting in settings if not setting.endangers}
    cases[EVERYTHING] = values
    return cases


def _export(folder: Path, scale: float) -> None:
    with PostgresServer.start({"max_wal_size": "8GB"}) as server:
        source = create_database(server)
        source.execute(tpch.TABLES + tpch.fill(scale))
        arguments = ["--export-id", "bench", "--rows-per-part", "250000", "--dsn", source.dsn]
        subprocess.run([DBRESTORE, "simulate", str(folder), *arguments], check=True, stderr=subprocess.DEVNULL)


async def _restore(export: Path, settings: Mapping[str, str], jobs: int) -> Cost:
    with PostgresServer.start({**DEFAULTS, **settings}) as server:
        target = create_database(server)
        target.execute(tpch.TABLES + tpch.KEYS + "CHECKPOINT")
        async with target.connect() as connection:
            backend = connection.get_server_pid()
            cpu, wal = server_seconds(backend), await connection.fetchval(WAL)
            seconds = measure([DBRESTORE, "restore", str(export), "--dsn", target.dsn, "--jobs", str(jobs)]).seconds
            return Cost(seconds, server_seconds(backend) - cpu, await connection.fetchval(WAL) - wal)


def _lines(costs: Mapping[str, Cost]) -> Iterator[str]:
    yield from ("| | seconds | of the defaults' | CPU of the server | WAL |", "|---|---|---|---|---|")
    for name, cost in costs.items():
        share = cost.seconds / costs[NOTHING].seconds
        yield (
            f"| {name} | {cost.seconds:.2f} | {share:.2f} | {cost.cpu_seconds:.2f} s | {cost.wal / MEBIBYTE:,.0f} MiB |"
        )


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        median(cost.seconds for cost in costs),
        median(cost.cpu_seconds for cost in costs),
        round(median(cost.wal for cost in costs)),
    )


def _keep_worth(costs: Mapping[str, Cost], settings: Sequence[Setting]) -> None:
    """For the comments that `dbrestore tune` prints."""
    base = costs[NOTHING]
    worth = {
        setting.name: f"{costs[setting.name].seconds / base.seconds:.2f} of the time, "
        f"{costs[setting.name].wal / base.wal:.2f} of the WAL"
        for setting in settings
        if setting.name in costs
    }
    WORTH_FILE.write_text(json.dumps(worth, indent=4) + "\n")


if __name__ == "__main__":
    main()
