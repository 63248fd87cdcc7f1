"""What is so small that several are done at a time, for the statements that it saves."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Item = TypeVar("Item")

SMALL_BYTES = 64 * 1024
"""Of a table's parts, up to which it is small."""
MOST_IN_CROWD = 32
CROWDS_PER_JOB = 4


def form_crowds(small: Sequence[Item], jobs: int) -> list[Sequence[Item]]:
    """So many to a crowd that there are several crowds for each job; none where there are too few for that."""
    number = min(MOST_IN_CROWD, len(small) // (CROWDS_PER_JOB * jobs))
    if number <= 1:
        return []
    return [small[start : start + number] for start in range(0, len(small), number)]


def group(items: Iterable[Item], size: Callable[[Item], int], jobs: int) -> list[Sequence[Item]]:
    """The small ones in crowds, if there are any, and the others each by itself."""
    small: list[Item] = []
    others: list[Item] = []
    for item in items:
        (small if size(item) <= SMALL_BYTES else others).append(item)
    crowds = form_crowds(small, jobs)
    return [[item] for item in (others if crowds else (*others, *small))] + [*crowds]
