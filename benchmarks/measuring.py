"""How long a command takes, and how much memory."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    """Run a command to its end. Raises CalledProcessError."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    seconds = time.perf_counter() - started
    return Measurement(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * KIB)


def medians(measurements: Sequence[Measurement]) -> Measurement:
    """The median of each figure; of the memory the highest."""
    return Measurement(
        median(each.seconds for each in measurements),
        median(each.cpu_seconds for each in measurements),
        max(each.peak_bytes for each in measurements),
    )
