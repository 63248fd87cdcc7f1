"""What a loader is told, and how it shares the parts of an export among its connections."""

from __future__ import annotations

import argparse
import heapq
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Part:
    """A Parquet file, and the table of the schema ``public`` that it goes into."""

    table: str
    path: Path


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be loaded."""

    export: Path
    dsn: str
    jobs: int
    rows: int | None
    """Of the largest part, for a loader that is too slow for all of them."""

    def shares(self) -> list[list[Part]]:
        """All parts, shared among the jobs by their sizes, the largest first."""
        return share(self.parts(), self.jobs)

    def parts(self) -> list[Part]:
        """All parts, the largest first."""
        return find_parts(self.export)


def find_parts(export: Path) -> list[Part]:
    """All parts of an export, the largest first."""
    paths = sorted(export.glob("*/public.*/*/*.parquet"), key=_size, reverse=True)
    return [Part(path.parents[1].name.removeprefix("public."), path) for path in paths]


def read_order() -> Order:
    """The order on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("export", type=Path)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--rows", type=int)
    return Order(**vars(parser.parse_args()))


def share(parts: Sequence[Part], jobs: int) -> list[list[Part]]:
    """``parts``, which come with the largest first, shared among ``jobs`` so that each has about as many bytes."""
    shares: list[list[Part]] = [[] for _ in range(jobs)]
    loads = [(0, number) for number in range(jobs)]
    for part in parts:
        size, number = heapq.heappop(loads)
        shares[number].append(part)
        heapq.heappush(loads, (size + _size(part.path), number))
    return [each for each in shares if each]


def in_threads(order: Order, load: Callable[[Sequence[Part]], None]) -> None:
    """Have each share loaded by a thread of its own. Raises what the first of them raises."""
    with ThreadPoolExecutor(order.jobs) as threads:
        for _ in threads.map(load, order.shares()):
            pass


def _size(path: Path) -> int:
    return path.stat().st_size
