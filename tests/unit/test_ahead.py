from __future__ import annotations

import asyncio
from typing import Any

from dbrestore.export.s3.ahead import Arrivals
from dbrestore.export.storage import StoredFile
from dbrestore.room import Room

FILE = StoredFile("part.parquet", 3, "1")


class Downloader:
    """Brings what it is asked for at once, and counts."""

    def __init__(self) -> None:
        self.brought: list[str] = []

    async def read(self, file: StoredFile, write: Any) -> None:
        self.brought.append(file.key)
        await write(0, b"abc")


async def test_a_part_that_is_expected_again_after_a_fault_is_brought_once() -> None:
    downloader: Any = Downloader()
    arrivals = Arrivals(downloader, None, Room(100))
    arrivals.expect(FILE)
    await asyncio.sleep(0)
    arrivals.expect(FILE)
    async with arrivals.fetch(FILE) as content:
        assert content.to_pybytes() == b"abc"
    assert downloader.brought == [FILE.key]
    assert (arrivals.memory.taken, arrivals.spool.taken) == (0, 0)
