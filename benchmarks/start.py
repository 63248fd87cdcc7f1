"""How long `dbrestore --help` takes: the fastest and the median of several, beside an interpreter that does nothing."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median

from benchmarks.measuring import measure

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "dbrestore --help": [str(Path(sys.executable).with_name("dbrestore")), "--help"],
    "dbrestore restore --help": [str(Path(sys.executable).with_name("dbrestore")), "restore", "--help"],
}
MILLISECONDS = 1000


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    for name, command in COMMANDS.items():
        found = [measure(command) for _ in range(runs)]
        seconds = [each.seconds for each in found]
        cpu = median(each.cpu_seconds for each in found)
        figures = (min(seconds), median(seconds), cpu)
        fastest, middle, busy = (f"{each * MILLISECONDS:.0f} ms" for each in figures)
        print(f"{name:25} fastest {fastest}, median {middle}, CPU {busy}")


if __name__ == "__main__":
    main()
