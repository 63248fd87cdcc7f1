"""Rows as numbers: a hash of 128 bits for each, and sums of these, which do not depend on the order of the rows.

A row is what COPY's binary format has of it, and ends in a random mark, so that a stream of rows can be parted without
walking through its fields: both sides make the same bytes of the same row. XXH3 is keyed by a random seed, so that
nobody can prepare rows whose sums are equal.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from dbrestore.wire.binary import HEADER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbrestore.wire.fields import Array

MARK_BYTES = 16
SEED_BITS = 64
LANES = 2
"""Of 64 bits, each of which is summed by itself, modulo 2**64."""
BUCKET_BITS = 14
BUCKETS = 2**BUCKET_BITS


@dataclass(frozen=True, slots=True)
class RowHash:
    """The hash of one run."""

    mark: bytes = field(default_factory=lambda: secrets.token_bytes(MARK_BYTES))
    """The value of the last field of each row."""
    seed: int = field(default_factory=lambda: secrets.randbits(SEED_BITS))

    def rows(self, stream: bytes) -> list[bytes]:
        """The rows in a piece of a COPY stream that has whole ones only, without the mark."""
        start = len(HEADER) if stream.startswith(HEADER) else 0
        rows = stream[start:].split(struct.pack(">i", MARK_BYTES) + self.mark)
        return rows[:-1]  # what follows the last one is nothing, or the trailer

    def digests(self, rows: Sequence[bytes]) -> Array:
        """A row of two numbers for each row."""
        joined = b"".join(map(xxhash.xxh3_128_digest, rows, repeat(self.seed)))
        return np.frombuffer(joined, np.uint64).reshape(-1, LANES)


@dataclass(slots=True)
class RowSum:
    """A multiset of rows, as their number and the sum of their hashes."""

    rows: int = 0
    lanes: Array = field(default_factory=lambda: np.zeros(LANES, np.uint64))

    def add(self, digests: Array) -> None:
        """Put rows in."""
        self.rows += len(digests)
        self.lanes += digests.sum(axis=0, dtype=np.uint64)

    def merge(self, other: RowSum) -> None:
        """Put in the rows of another multiset."""
        self.rows += other.rows
        self.lanes += other.lanes

    def equals(self, other: RowSum) -> bool:
        """Whether it has the same rows, each as often."""
        return self.rows == other.rows and bool((self.lanes == other.lanes).all())


def bucket_of(digests: Array) -> Array:
    """Which of the buckets each row belongs to."""
    buckets: Array = (digests[:, 0] & np.uint64(BUCKETS - 1)).astype(np.intp)
    return buckets


class BucketSums:
    """A multiset of rows, parted into buckets by their hashes, each with its number of rows and their sum."""

    def __init__(self) -> None:
        self.rows = np.zeros(BUCKETS, np.int64)
        self._lanes = [np.zeros(BUCKETS, np.uint64) for _ in range(LANES)]

    def add(self, digests: Array) -> None:
        """Put rows in."""
        buckets = bucket_of(digests)
        np.add.at(self.rows, buckets, 1)
        for lane, sums in enumerate(self._lanes):
            np.add.at(sums, buckets, digests[:, lane])

    def clear(self, buckets: Array) -> None:
        """Take all rows out of the buckets that a mask names."""
        self.rows[buckets] = 0
        for sums in self._lanes:
            sums[buckets] = 0

    def differing(self, other: BucketSums) -> Array:
        """A mask of the buckets that are not the same."""
        different: np.ndarray[Any, Any] = self.rows != other.rows
        for ours, theirs in zip(self._lanes, other._lanes, strict=True):
            different |= ours != theirs
        return different
