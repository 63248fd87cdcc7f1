"""How the cost of a restore grows with rows, with tables and with jobs: figures, and a plot of them.

`make bench-scale` prints the figures as Markdown; with --keep they go into docs/performance.md, and the plot into
docs/scale.svg.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.backend import server_seconds
from benchmarks.exports import multiply_parts, multiply_table
from benchmarks.growth_plot import Curve, Point, draw
from benchmarks.measuring import measure
from benchmarks.page import keep
from benchmarks.suite.requirements import install_plots
from benchmarks.tables import FILL_TWELVE_COLUMNS, TWELVE_COLUMNS
from dbrestore.testing.databases import Database, create_database
from dbrestore.testing.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DBRESTORE = str(Path(sys.executable).with_name("dbrestore"))
SERVER_SETTINGS = {
    "shared_buffers": "256MB", "max_wal_size": "8GB", "checkpoint_timeout": "1h", "autovacuum": "off"
}  # fmt: skip
PLOT = Path(__file__).parents[1] / "docs" / "scale.svg"
MICROSECONDS = 10**6
ROWS_PER_PART = 100_000
ROWS = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
TABLES = (10, 100, 1_000, 5_000, 20_000)
JOBS = (1, 2, 4, 8)
ROWS_FOR_JOBS = 2_000_000
SMALL = "CREATE TABLE small (id integer PRIMARY KEY, name text NOT NULL, amount numeric(10,2), created timestamptz);"
FILL_SMALL = """
    INSERT INTO small SELECT i, 'name ' || i, i / 7.0, timestamptz '2024-01-01' + i * interval '1 hour'
    FROM generate_series(1, 100) AS i
"""
CREATE_MANY = """
    DO $$ BEGIN
        FOR n IN 1..{tables} LOOP
            EXECUTE format('CREATE TABLE small_%s (LIKE small INCLUDING ALL)', n);
            IF n % 500 = 0 THEN COMMIT; END IF;
        END LOOP;
    END $$;
    DROP TABLE small;
"""
"""In several transactions: one would lock them all."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A server, and what is asked of each point."""

    server: PostgresServer
    runs: int
    most: float
    """Share of the largest size that is still measured."""
    folder: Path

    def restore(self, size: int, what: str, export: Path, make_tables: Callable[[Database], None], jobs: int) -> Point:
        """What a restore takes, the median of several."""
        found = [asyncio.run(self._restore(size, export, make_tables, jobs)) for _ in range(self.runs)]
        seconds, client, server = (
            median(getattr(point, name) for point in found) for name in ("seconds", "client", "server")
        )
        print(f"{size:,} {what}: {seconds:.2f} s, CPU {client:.2f} s + {server:.2f} s", file=sys.stderr, flush=True)
        return Point(size, seconds, client, server)

    async def _restore(self, size: int, export: Path, make_tables: Callable[[Database], None], jobs: int) -> Point:
        target = create_database(self.server)
        make_tables(target)
        target.execute("CHECKPOINT")
        async with target.connect() as connection:
            backend = connection.get_server_pid()
            before = server_seconds(backend)
            measured = measure([DBRESTORE, "restore", str(export), "--dsn", target.dsn, "--jobs", str(jobs)])
            server = server_seconds(backend) - before
        target.drop()
        return Point(size, measured.seconds, measured.cpu_seconds, server)

    def export(self, name: str, schema: str, fill: str) -> Path:
        """An export of one table."""
        source = create_database(self.server)
        source.execute(schema)
        source.execute(fill)
        arguments = ["--export-id", name, "--rows-per-part", str(ROWS_PER_PART), "--dsn", source.dsn]
        subprocess.run([DBRESTORE, "simulate", str(self.folder), *arguments], check=True, stderr=subprocess.DEVNULL)
        source.drop()
        return self.folder / name

    def sizes(self, sizes: Sequence[int]) -> list[int]:
        """Those that are wanted."""
        return [size for size in sizes if size <= self.most * sizes[-1]]


def main() -> None:
    """Measure, print and plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1, help="of each point; the median counts")
    parser.add_argument(
        "--most", type=float, default=1.0, help="leave out what is larger than this share of the largest"
    )
    parser.add_argument("--keep", action="store_true", help="put figures and plot into docs/")
    options = parser.parse_args()
    for package in install_plots():
        print(f"cannot be installed here: {package}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder, PostgresServer.start(SERVER_SETTINGS) as server:
        bench = Bench(server, options.runs, options.most, Path(folder))
        curves = [measure_rows(bench), measure_tables(bench), measure_jobs(bench)]
    lines = [line for curve in curves for line in _lines(curve)]
    print("\n".join(lines))
    if options.keep:
        keep("make bench-scale", lines)
        draw(curves, PLOT)


def measure_rows(bench: Bench) -> Curve:
    """Seconds against rows of the twelve columns, in parts of ROWS_PER_PART."""
    points = []
    for rows in bench.sizes(ROWS):
        export = _events(bench, f"rows-{rows}", rows)
        points.append(bench.restore(rows, "rows", export, _make_events, 2))
    return Curve("rows, 2 jobs", tuple(points))


def measure_tables(bench: Bench) -> Curve:
    """Seconds against tables of 100 rows with a primary key."""
    points = []
    for tables in bench.sizes(TABLES):
        export = bench.export(f"tables-{tables}", SMALL, FILL_SMALL)
        multiply_table(export, "public.small", [f"public.small_{number}" for number in range(1, tables + 1)])
        points.append(bench.restore(tables, "tables", export, _maker_of(tables), 2))
    return Curve("tables of 100 rows, 2 jobs", tuple(points))


def measure_jobs(bench: Bench) -> Curve:
    """Seconds against jobs."""
    rows = int(ROWS_FOR_JOBS * min(1.0, bench.most))
    export = _events(bench, "jobs", rows)
    points = [bench.restore(jobs, "jobs", export, _make_events, jobs) for jobs in JOBS]
    return Curve(f"jobs, {rows:,} rows", tuple(points), is_proportional=False)


def _events(bench: Bench, name: str, rows: int) -> Path:
    export = bench.export(name, TWELVE_COLUMNS, FILL_TWELVE_COLUMNS.format(rows=ROWS_PER_PART))
    multiply_parts(export, "public.events", max(1, rows // ROWS_PER_PART))
    return export


def _make_events(target: Database) -> None:
    target.execute(TWELVE_COLUMNS)


def _maker_of(tables: int) -> Callable[[Database], None]:
    def make(target: Database) -> None:
        target.execute(SMALL + CREATE_MANY.format(tables=tables))

    return make


def _lines(curve: Curve) -> Iterator[str]:
    heads = ["seconds", "CPU of dbrestore", "CPU of the server"]
    if curve.is_proportional:
        heads += [f"{head}, µs for each" for head in heads]
    yield f"| {curve.title} | {' | '.join(heads)} |"
    yield "|---" * (len(heads) + 1) + "|"
    for point in curve.points:
        costs = (point.seconds, point.client, point.server)
        cells = [f"{point.size:,}", *(f"{each:.2f}" for each in costs)]
        if curve.is_proportional:
            cells += [f"{each / point.size * MICROSECONDS:,.1f}" for each in costs]
        yield f"| {' | '.join(cells)} |"
    yield ""


if __name__ == "__main__":
    main()
