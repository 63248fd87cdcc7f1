"""One server, one run, a table: dbrestore and its alternatives on several data sets, with 1, 2 and 4 jobs.

All databases of a data set are on one server, and the contenders take turns. A time counts only if all rows, keys and
indexes are there in the end.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.page import keep
from benchmarks.suite import datasets
from benchmarks.suite.conditions import condition_lines
from benchmarks.suite.contenders import CONTENDERS
from benchmarks.suite.goals import goal_lines
from benchmarks.suite.preparation import prepare
from benchmarks.suite.requirements import install_contenders
from benchmarks.suite.running import compare
from benchmarks.suite.tables import data_set_lines
from dbrestore.testing.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.suite.contenders import Contender
    from benchmarks.suite.running import Outcomes

SERVER_SETTINGS = {
    "shared_buffers": "256MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",  # its turn would come at random moments
}


def main() -> None:
    """Print the table as Markdown; with --keep put it into docs/performance.md."""
    options = _parser().parse_args()
    contenders = _available(options.contenders, install_contenders())
    settings = SERVER_SETTINGS | dict(setting.split("=", 1) for setting in options.setting)
    with PostgresServer.start(settings) as server:
        lines = [*_conditions(options, condition_lines(server, settings)), ""]
        outcomes: dict[str, Outcomes] = {}
        rows: dict[str, int] = {}
        for data_set in datasets.make(options.scale).values():
            if data_set.name in options.only:
                with tempfile.TemporaryDirectory() as folder:
                    prepared = prepare(server, data_set, Path(folder))
                    found = compare(prepared, contenders, options.jobs, options.runs)
                    prepared.drop()
                outcomes[data_set.name], rows[data_set.name] = found, prepared.rows_in_all
                lines += data_set_lines(prepared, found, contenders, options.jobs)
    others = [contender.name for contender in contenders if not contender.is_slice]
    lines += goal_lines(outcomes, rows, others, options.jobs)
    print("\n".join(lines))
    if options.keep:
        keep("make bench", lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.suite", description=__doc__)
    names = list(datasets.make(1))
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows and tables; 0.05 takes minutes")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="DATA_SET", help=", ".join(names))
    everyone = [contender.name for contender in CONTENDERS]
    parser.add_argument(
        "--contenders", nargs="+", choices=everyone, default=everyone, metavar="NAME", help=", ".join(everyone)
    )
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="of the server")
    parser.add_argument("--keep", action="store_true", help="put the result into docs/performance.md")
    return parser


def _available(names: Sequence[str], not_installed: Sequence[str]) -> list[Contender]:
    """The contenders wanted that are installed; the others are told."""
    for package in not_installed:
        print(f"cannot be installed here: {package}", file=sys.stderr)
    wanted = [contender for contender in CONTENDERS if contender.name in names]
    for contender in wanted:
        if missing := contender.missing():
            print(f"left out: {contender.title}, for want of {', '.join(missing)}", file=sys.stderr)
    return [contender for contender in wanted if not contender.missing()]


def _conditions(options: argparse.Namespace, lines: Iterator[str]) -> Iterator[str]:
    yield f"Medians of {options.runs} runs in turns, at scale {options.scale:g}."
    yield from lines


if __name__ == "__main__":
    main()
