from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dbrestore import streams
from dbrestore.errors import ExportError, PartError
from dbrestore.export.local import LocalStorage
from dbrestore.plan import PlannedPart, PlannedTable
from dbrestore.streams import Streams
from dbrestore.timing import CopyClock
from dbrestore.wire.registry import CopyFormat, PgType, WireColumn, stream_encoder
from tests.unit.plans import table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from dbrestore.export.storage import StoredFile

ROWS = 3
COLUMNS = (WireColumn("n", pa.int64(), PgType("bigint", "int8recv", 20)),)
NUMBERS = table(1, "numbers")


@dataclass
class Parts(LocalStorage):
    """Parts in a folder, which tells what was asked for."""

    folder: Path
    away: set[str] = field(default_factory=set)
    """What has to be brought first."""
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.folder)

    def find(self, file: StoredFile) -> Any:
        if file.key in self.away:
            return None
        self.asked.append(f"find {file.key}")
        return super().find(file)

    @asynccontextmanager
    async def fetch(self, file: StoredFile) -> AsyncIterator[Path]:
        self.asked.append(f"fetch {file.key}")
        async with super().fetch(file) as path:
            yield path


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    for number in range(3):
        rows = pa.table({"n": range(number * ROWS, (number + 1) * ROWS)})
        pq.write_table(rows, tmp_path / str(number), compression="gzip")
    return Parts(tmp_path)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


async def numbers(parts: Parts) -> PlannedTable:
    found = sorted([file async for file in parts.list_files()], key=lambda file: file.key)
    planned = tuple(PlannedPart(file, ROWS, row_bytes=8) for file in found)
    return PlannedTable(NUMBERS, "db/public.numbers", planned, COLUMNS, ())


async def sent(stream: Streams, planned: PlannedTable, *places: int) -> bytes:
    wanted = [planned.parts[place] for place in places]
    async with aclosing(stream.send(planned, wanted, CopyClock())) as chunks:
        return b"".join([bytes(chunk) async for chunk in chunks])


def expected(*places: int) -> bytes:
    encoder = stream_encoder(COLUMNS, CopyFormat.BINARY)
    rows = [n for place in places for n in range(place * ROWS, (place + 1) * ROWS)]
    return b"".join([encoder.header, *map(bytes, encoder.encode(pa.record_batch({"n": rows}))), encoder.trailer])


async def test_the_parts_of_a_copy_are_one_stream_and_each_is_begun_when_the_last_one_is_decoded(
    parts: Parts, threads: ThreadPoolExecutor
) -> None:
    planned = await numbers(parts)
    async with aclosing(Streams(parts, threads)) as stream:
        assert await sent(stream, planned, 0, 1, 2) == expected(0, 1, 2)
    assert parts.asked == ["fetch 0", "find 1", "fetch 1", "find 2", "fetch 2"]


async def test_one_of_the_expected_is_begun_at_a_time(parts: Parts, threads: ThreadPoolExecutor) -> None:
    planned = await numbers(parts)
    async with aclosing(Streams(parts, threads)) as stream:
        for part in planned.parts:
            stream.expect(planned, [part])
        assert parts.asked == ["find 0"]
        assert [await sent(stream, planned, place) for place in range(3)] == [expected(place) for place in range(3)]
    assert parts.asked == ["find 0", "fetch 0", "find 1", "fetch 1", "find 2", "fetch 2"]


async def test_what_is_not_here_yet_is_not_begun_but_what_comes_after_it(
    parts: Parts, threads: ThreadPoolExecutor
) -> None:
    planned = await numbers(parts)
    parts.away.add("0")
    async with aclosing(Streams(parts, threads)) as stream:
        for part in planned.parts:
            stream.expect(planned, [part])
        assert parts.asked == ["find 1"]
        assert await sent(stream, planned, 0) == expected(0)


async def test_large_rows_are_not_made_ahead_of_need(
    parts: Parts, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LARGE_ROW_BYTES", 8)
    planned = await numbers(parts)
    async with aclosing(Streams(parts, threads)) as stream:
        stream.expect(planned, planned.parts)
        assert await sent(stream, planned, 0, 1) == expected(0, 1)
    assert parts.asked == ["fetch 0", "fetch 1"]


async def test_what_is_wrong_with_a_part_that_was_begun_is_raised_when_it_is_sent(
    parts: Parts, threads: ThreadPoolExecutor
) -> None:
    (parts.folder / "1").write_bytes(b"PAR1 and nothing else PAR1")
    planned = await numbers(parts)
    async with aclosing(Streams(parts, threads)) as stream:
        stream.expect(planned, planned.parts[:1])
        stream.expect(planned, planned.parts[1:])
        assert await sent(stream, planned, 0) == expected(0)
        with pytest.raises(PartError, match="1 cannot be read"):
            await sent(stream, planned, 1)
        assert await sent(stream, planned, 2) == expected(2)


async def test_a_part_that_changed_after_it_was_begun_is_not_sent(parts: Parts, threads: ThreadPoolExecutor) -> None:
    planned = await numbers(parts)
    async with aclosing(Streams(parts, threads)) as stream:
        stream.expect(planned, planned.parts)
        (parts.folder / "0").write_bytes(b"something else")
        with pytest.raises(ExportError, match="has changed since the export was listed"):
            await sent(stream, planned, 0)


async def test_what_is_forgotten_makes_room_and_can_be_sent_nevertheless(
    parts: Parts, threads: ThreadPoolExecutor
) -> None:
    planned = await numbers(parts)
    async with aclosing(Streams(parts, threads)) as stream:
        stream.expect(planned, planned.parts[:1])
        await stream.forget(planned.parts)
        stream.expect(planned, planned.parts[1:])
        assert parts.asked == ["find 0", "find 1"]
        assert await sent(stream, planned, 0) == expected(0)


async def test_nothing_is_left_begun_by_a_copy_that_fails(parts: Parts, threads: ThreadPoolExecutor) -> None:
    planned = await numbers(parts)
    async with aclosing(Streams(parts, threads)) as stream:
        async with aclosing(stream.send(planned, planned.parts, CopyClock())) as chunks:
            async for _ in chunks:
                await asyncio.sleep(0.05)
                if parts.asked[-1:] == ["find 1"]:
                    break
        stream.expect(planned, planned.parts[2:])
        assert parts.asked == ["fetch 0", "find 1", "find 2"]
        assert await sent(stream, planned, 1) == expected(1)
