"""A restore of very many partitions with a few rows each: what a table costs beyond its data."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import Measurement, measure
from dbrestore.testing.databases import create_database
from dbrestore.testing.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable

DBRESTORE = str(Path(sys.executable).with_name("dbrestore"))
MANY_LOCKS = {"max_locks_per_transaction": "2048"}
"""For the simulation, which reads all tables in one transaction. The target has the default."""

MEBIBYTE = 1024**2
MILLISECONDS = 1000
FAMILY = """
    CREATE TABLE events_{family} (id int, day date NOT NULL, note text, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
    DO $$ BEGIN
        FOR n IN 0..{partitions} - 1 LOOP
            EXECUTE format(
                'CREATE TABLE events_{family}_%s PARTITION OF events_{family} FOR VALUES FROM (%L) TO (%L)',
                to_char(n, 'FM000000'), date '2000-01-01' + n, date '2000-01-01' + n + 1
            );
        END LOOP;
    END $$;
"""
FILL = """
    INSERT INTO events_{family}
    SELECT id, date '2000-01-01' + n, 'note ' || id
    FROM generate_series(0, {partitions} - 1) AS n, generate_series(1, 10) AS id;
"""


def main() -> None:
    """Print the times of plan and restore."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", type=int, default=7)
    parser.add_argument("--partitions", type=int, default=2000, help="of each family")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, PostgresServer.start() as server:
        _export(Path(folder), options.families, options.partitions)
        target = create_database(server)
        _make(target.execute, FAMILY, options.families, options.partitions)
        source = [f"{folder}/bench", "--dsn", target.dsn]
        tables = options.families * options.partitions
        _show("plan", measure([DBRESTORE, "plan", *source]), tables)
        restore = [DBRESTORE, "restore", *source, "--jobs", str(options.jobs)]
        _show("restore", measure(restore), tables)
        _show("restore once more", measure([*restore, "--truncate-all"]), tables)


def _export(folder: Path, families: int, partitions: int) -> None:
    with PostgresServer.start(MANY_LOCKS) as server:
        source = create_database(server)
        _make(source.execute, FAMILY + FILL, families, partitions)
        subprocess.run([DBRESTORE, "simulate", str(folder), "--export-id", "bench", "--dsn", source.dsn], check=True)


def _make(execute: Callable[[str], str], script: str, families: int, partitions: int) -> None:
    for family in range(families):
        execute(script.format(family=family, partitions=partitions))


def _show(what: str, measured: Measurement, tables: int) -> None:
    each = measured.seconds / tables * MILLISECONDS
    peak = f"{measured.peak_bytes / MEBIBYTE:.0f} MiB"
    print(f"{what:22} {measured.seconds:7.1f} s, {measured.cpu_seconds:.1f} s of CPU, {each:.1f} ms a table, {peak}")


if __name__ == "__main__":
    main()
