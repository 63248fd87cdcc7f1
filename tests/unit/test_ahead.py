from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dbrestore.errors import ExportError
from dbrestore.export.s3.ahead import Arrivals
from dbrestore.export.storage import StoredFile
from dbrestore.room import Room

FILE = StoredFile("part.parquet", 3, "1")


class Downloader:
    """Brings what it is asked for at once, and counts."""

    def __init__(self) -> None:
        self.brought: list[str] = []
        self.error: Exception | None = None

    async def read(self, file: StoredFile, write: Any) -> None:
        if self.error:
            raise self.error
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


async def test_a_part_is_found_when_it_has_been_brought() -> None:
    downloader: Any = Downloader()
    arrivals = Arrivals(downloader, None, Room(100))
    assert arrivals.find(FILE) is None
    arrivals.expect(FILE)
    assert arrivals.find(FILE) is None
    await asyncio.sleep(0.01)
    found = arrivals.find(FILE)
    assert found is not None
    assert found.to_pybytes() == b"abc"
    assert (arrivals.memory.taken, downloader.brought) == (FILE.size, [FILE.key])
    await arrivals.close()
    assert arrivals.find(FILE) is None


@pytest.mark.parametrize("error", [ExportError("gone"), OSError("no more mappings")], ids=repr)
async def test_a_part_that_failed_is_not_found_and_says_why_when_it_is_fetched(error: Exception) -> None:
    downloader: Any = Downloader()
    downloader.error = error
    arrivals = Arrivals(downloader, None, Room(100))
    arrivals.expect(FILE)
    await asyncio.sleep(0.01)
    assert arrivals.find(FILE) is None
    with pytest.raises(type(error)):
        async with arrivals.fetch(FILE):
            pass
