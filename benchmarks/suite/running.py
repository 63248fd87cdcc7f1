"""Runs the contenders in turns, and takes no time whose result is wrong."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import Measurement, load_seconds, measure_stages, medians
from benchmarks.suite.contenders import Attempt, Contender, Start
from benchmarks.suite.preparation import count_keys, count_rows
from dbrestore.testing.databases import create_database

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.suite.preparation import Prepared
    from dbrestore.testing.databases import Database

MESSAGE_SHOWN = 300


@dataclass(slots=True)
class Outcomes:
    """What was measured on one data set."""

    times: dict[tuple[str, int], list[Measurement]] = field(default_factory=lambda: defaultdict(list))
    """By contender and jobs."""
    loads: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds of dbrestore's loading alone, in the same way."""
    failures: dict[tuple[str, int], str] = field(default_factory=dict)
    """Why a contender has no times."""

    def median(self, contender: str, jobs: int) -> Measurement | None:
        """Of all runs; None where one of them failed."""
        key = contender, jobs
        return None if key in self.failures or not self.times.get(key) else medians(self.times[key])


class WrongResultError(Exception):
    """A contender left other rows or keys than it should have."""


def compare(prepared: Prepared, contenders: Sequence[Contender], jobs: Sequence[int], runs: int) -> Outcomes:
    """Measure each contender ``runs`` times with each number of jobs, all in turns."""
    outcomes = Outcomes()
    for run in range(runs):
        for number in jobs:
            for contender in _runnable(contenders, outcomes, number, first=number == jobs[0]):
                _say(f"{prepared.data_set.name}: run {run + 1}, {number} jobs, {contender.name}")
                _measure(prepared, contender, number, outcomes)
    return outcomes


def _runnable(contenders: Iterable[Contender], outcomes: Outcomes, jobs: int, *, first: bool) -> list[Contender]:
    return [
        contender
        for contender in contenders
        if (first or not contender.is_slice) and (contender.name, jobs) not in outcomes.failures
    ]


def _measure(prepared: Prepared, contender: Contender, jobs: int, outcomes: Outcomes) -> None:
    key = contender.name, jobs
    target = _target(prepared, contender.start)
    try:
        with tempfile.TemporaryDirectory() as folder:
            attempt = Attempt(prepared, target, jobs, Path(folder))
            stages = contender.stages(attempt)
            target.execute("CHECKPOINT")
            measured = measure_stages(stages)
            if attempt.report.exists():
                outcomes.loads[key].append(load_seconds(attempt.report))
        _check(prepared, contender, target)
        outcomes.times[key].append(measured)
    except subprocess.CalledProcessError as error:
        outcomes.failures[key] = error.stderr.decode(errors="replace").strip()[-MESSAGE_SHOWN:]
    except WrongResultError as error:
        outcomes.failures[key] = str(error)
    finally:
        target.drop()
    if key in outcomes.failures:
        _say(f"{contender.name} failed: {outcomes.failures[key]}")


def _target(prepared: Prepared, start: Start) -> Database:
    server = prepared.bare.server
    templates = {Start.NOTHING: None, Start.TABLES: prepared.bare.name, Start.TABLES_AND_KEYS: prepared.complete.name}
    return create_database(server, templates[start])


def _check(prepared: Prepared, contender: Contender, target: Database) -> None:
    found = count_rows(target)
    if contender.is_slice:
        if sum(found.values()) != prepared.slice_rows:
            raise WrongResultError(f"{sum(found.values()):,} rows instead of {prepared.slice_rows:,}")
        return
    wrong = [name for name in {**found, **prepared.rows} if found.get(name) != prepared.rows.get(name)]
    if wrong:
        raise WrongResultError(f"other numbers of rows in {len(wrong)} tables, {wrong[0]} among them")
    if (keys := count_keys(target)) != prepared.keys:
        raise WrongResultError(f"valid indexes and constraints {keys} instead of {prepared.keys}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
