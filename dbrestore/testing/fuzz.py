"""Tries damaged exports for as long as it is told: nothing of them may end the process, or fill the memory.

Each is tried in a process that may die of it. ``SEED`` is the number of the first one, ``SECONDS`` how long it goes on;
a number that is reported is tried alone by ``CASE=number``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from random import SystemRandom
from threading import Thread

from dbrestore.testing.hostile import try_case
from dbrestore.testing.memory import peak_memory

MOST_BYTES = 1024**3
"""That a process may take."""
SLOW_SECONDS = 20.0
BATCH = 200
"""Cases between two words of a worker."""
FAILURES_SHOWN = 20
SAID_SHOWN = 3000
"""Characters of the last words of a process."""
MODULE = "dbrestore.testing.fuzz"
DIES_AT = "DBRESTORE_FUZZ_DIES_AT"
"""Environment variable for a case that kills its process, to see that this is told."""


@dataclass(slots=True)
class Fuzz:
    """Tries cases, and keeps account of what came of them."""

    first: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def run(self, seconds: float, workers: int) -> None:
        """Try the cases from the first one on for ``seconds``, with as many processes as ``workers`` at a time."""
        deadline = time.monotonic() + seconds
        batches = count(self.first, BATCH)

        def work_on() -> None:
            while time.monotonic() < deadline and len(self.failures) < FAILURES_SHOWN:
                start = next(batches)
                self.try_cases(start, start + BATCH)

        threads = [Thread(target=work_on) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def try_cases(self, start: int, end: int) -> None:
        """Try the cases from ``start`` to before ``end``, whatever becomes of the processes that do."""
        while start < end:
            start = self._try(start, end)

    def _try(self, number: int, end: int) -> int:
        """Try from ``number`` on in one process; return the number to go on with."""
        command = [sys.executable, "-m", MODULE, str(number), str(end)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            for line in process.stdout:
                tried, _, outcome = line.rstrip("\n").partition(" ")
                number = int(tried) + 1
                self.outcomes[outcome] += 1
            said = process.stderr.read()
        if process.returncode == 0:
            return end
        ending = f"ended by signal {-process.returncode}" if process.returncode < 0 else "an error escaped"
        self.failures.append(f"case {number}: {ending}\n{said[-SAID_SHOWN:]}")
        return number + 1


def work(start: int, end: int) -> None:
    """Try the cases from ``start`` to before ``end``, and say of each how it ended."""
    for number in range(start, end):
        if os.environ.get(DIES_AT) == str(number):
            os.kill(os.getpid(), signal.SIGKILL)
        began = time.process_time()
        outcome = try_case(number)
        if time.process_time() - began > SLOW_SECONDS:
            raise TimeoutError(f"case {number} took {time.process_time() - began:.0f} s of the processor")
        if peak_memory() > MOST_BYTES:
            raise MemoryError(f"case {number} took more than {MOST_BYTES} bytes")
        print(number, outcome, flush=True)


def main() -> int:
    """Return the exit code: 0 if nothing was found."""
    if len(sys.argv) == 3:
        work(int(sys.argv[1]), int(sys.argv[2]))
        return 0
    if case := os.environ.get("CASE"):
        print(try_case(int(case)))
        return 0
    seed = int(os.environ.get("SEED", "0")) or SystemRandom().randrange(1, 10**9) * BATCH
    seconds = float(os.environ.get("SECONDS", "300"))
    print(f"SEED={seed} SECONDS={seconds:.0f}", flush=True)
    fuzz = Fuzz(seed)
    fuzz.run(seconds, os.cpu_count() or 1)
    print("\n".join(f"{number:8,} {outcome}" for outcome, number in fuzz.outcomes.most_common()))
    print("\n".join(fuzz.failures) or "nothing was found")
    return 1 if fuzz.failures else 0


if __name__ == "__main__":
    sys.exit(main())
