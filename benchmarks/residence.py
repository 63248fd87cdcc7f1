"""What of a process is in memory, by Linux's /proc: its own pages, and those of files that it has mapped."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

KIB = 1024
SAMPLE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Peaks:
    """Bytes at the peak."""

    whole: int
    """Resident, mapped files included: the system takes their pages back when it needs them."""
    own: int
    """Resident and of no file, as often as it was looked at."""


def watch(command: Sequence[str]) -> Peaks:
    """Run a command to its end. Raises CalledProcessError."""
    whole = own = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            found = _status(process.pid)
            whole, own = max(whole, found.get("VmHWM", 0)), max(own, found.get("RssAnon", 0))
            time.sleep(SAMPLE_SECONDS)
    if process.returncode:
        print(f"failed: {' '.join(command)}", file=sys.stderr)
        raise subprocess.CalledProcessError(process.returncode, command)
    return Peaks(whole * KIB, own * KIB)


def _status(pid: int) -> dict[str, int]:
    """Sizes in KiB (proc_pid_status(5)); none once the process has ended."""
    lines = Path(f"/proc/{pid}/status").read_text()
    return {name: int(size) for name, size in re.findall(r"^(\w+):\s+(\d+) kB$", lines, re.MULTILINE)}
