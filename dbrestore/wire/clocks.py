"""Times of day in arrays: ``HH:MM:SS`` with up to six decimals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dbrestore.wire.fields import Array

ZERO, COLON, DOT = b"0:."
WHOLE_LENGTH = len("HH:MM:SS")
LONGEST = len("HH:MM:SS.ffffff")
MICROSECONDS = 10**6


def read_clocks(data: Array, starts: Array, ends: Array) -> Array | None:
    """Microseconds of each ``data[start:end]``; None if one of them is anything else, or has no two digits of hours.

    The hours may be any; minutes and seconds are below 60.
    """
    if len(starts) == 0:
        return np.zeros(0, np.int64)
    lengths = ends - starts
    if lengths.min() < WHOLE_LENGTH or lengths.max() > LONGEST or (lengths == WHOLE_LENGTH + 1).any():
        return None
    hours, minutes, seconds = (_two_digits(data, starts + place) for place in (0, 3, 6))
    if max(hours.max(), minutes.max() + 40, seconds.max() + 40) > 99:
        return None
    if ((data[starts + 2] != COLON) | (data[starts + 5] != COLON)).any():
        return None
    microseconds = _fraction(data, starts + WHOLE_LENGTH, ends)
    if microseconds is None:
        return None
    clocks: Array = ((hours * 60 + minutes) * 60 + seconds) * MICROSECONDS + microseconds
    return clocks


def _two_digits(data: Array, places: Array) -> Array:
    """Two digits as a number; above 99 if they are no digits."""
    tens, ones = data[places] - ZERO, data[places + 1] - ZERO
    numbers: Array = tens.astype(np.int64) * 10 + ones
    return np.where((tens > 9) | (ones > 9), 100, numbers)


def _fraction(data: Array, starts: Array, ends: Array) -> Array | None:
    """Microseconds of ``.f`` to ``.ffffff``, 0 of nothing; None of anything else."""
    rows = np.flatnonzero(ends > starts)
    total = np.zeros(len(starts), np.int64)
    if len(rows) == 0:
        return total
    starts, ends = starts[rows], ends[rows]
    if (data[starts] != DOT).any():
        return None
    fractions = np.zeros(len(rows), np.int64)
    for place in range(1, LONGEST - WHOLE_LENGTH):
        is_written = starts + place < ends
        digits = np.where(is_written, data[np.minimum(starts + place, len(data) - 1)] - ZERO, 0)
        if digits.max() > 9:
            return None
        fractions = fractions * 10 + digits
    total[rows] = fractions
    return total
