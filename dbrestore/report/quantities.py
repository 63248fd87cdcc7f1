"""Numbers as people read them."""

from __future__ import annotations

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
UNIT = 1024
MINUTE = 60
HOUR = 3600
DECIMALS_BELOW = 100.0


def readable_bytes(size: float) -> str:
    """``size`` bytes in the largest unit that leaves a number above 1: ``4.2 MiB``."""
    for unit in UNITS[:-1]:
        if size < UNIT:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= UNIT
    return f"{size:.1f} {UNITS[-1]}"


def readable_seconds(seconds: float) -> str:
    """``3.2 s``, ``4:05`` for minutes, ``2:04:05`` for hours."""
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    return clock(seconds)


def clock(seconds: float) -> str:
    """``4:05``, ``2:04:05``."""
    whole = int(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE}:{whole % MINUTE:02}"
    return f"{whole // HOUR}:{whole % HOUR // MINUTE:02}:{whole % MINUTE:02}"


def counted(number: int, noun: str) -> str:
    """``1 table``, ``2,000 tables``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def readable_rate(rows: float, size: float) -> str:
    """Of rows and bytes a second: ``43,000 rows/s, 1.8 MiB/s``."""
    return f"{rows:,.0f} rows/s, {readable_bytes(size)}/s"
