"""How long a command takes, and how much memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KIB = 1024


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of a command, or the medians of several."""

    seconds: float
    cpu_seconds: float
    """Of the command, not of the server."""
    peak_bytes: int
    """Resident."""


def measure(command: Sequence[str]) -> Measurement:
    """Run a command to its end. Raises CalledProcessError, with what the command said on stderr."""
    return measure_stages([[command]])


def measure_stages(stages: Sequence[Sequence[Sequence[str]]]) -> Measurement:
    """Run the commands of each stage at once, and one stage after the other. Raises CalledProcessError."""
    started = time.perf_counter()
    costs = [_run_at_once(commands) for commands in stages]
    seconds = time.perf_counter() - started
    return Measurement(seconds, sum(cost.cpu_seconds for cost in costs), max(cost.peak_bytes for cost in costs))


def _run_at_once(commands: Sequence[Sequence[str]]) -> Measurement:
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for command in commands]
    with ThreadPoolExecutor(len(processes)) as threads:
        costs = list(threads.map(_wait, processes))
    return Measurement(0.0, sum(cost.cpu_seconds for cost in costs), sum(cost.peak_bytes for cost in costs))


def _wait(process: subprocess.Popen[bytes]) -> Measurement:
    assert process.stderr is not None
    with process.stderr as stderr:
        said = stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.stderr.buffer.write(said)
        raise subprocess.CalledProcessError(process.returncode, process.args, stderr=said)
    return Measurement(0.0, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * KIB)


def load_seconds(report: Path) -> float:
    """Of the loading alone, by the report of a restore of one database."""
    [database] = json.loads(report.read_text())["databases"]
    seconds: float = database["stages"]["load"]
    return seconds


def medians(measurements: Sequence[Measurement]) -> Measurement:
    """The median of each figure; of the memory the highest."""
    return Measurement(
        median(each.seconds for each in measurements),
        median(each.cpu_seconds for each in measurements),
        max(each.peak_bytes for each in measurements),
    )
