from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbrestore.errors import ExportError, PartError
from dbrestore.export.local import TAILS_AT_ONCE, LocalStorage
from dbrestore.export.parquet import TAIL_BYTES, Footer, read_footer, read_footers
from dbrestore.export.storage import StoredFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class CountingStorage(LocalStorage):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read: list[int] = []
        self.running = self.most = 0

    async def read_tails(self, files: Sequence[StoredFile], length: int) -> list[bytes]:
        self.read += [length] * len(files)
        self.running += len(files)
        self.most = max(self.most, self.running)
        try:
            return await super().read_tails(files, length)
        finally:
            self.running -= len(files)

    async def read_range(self, file: StoredFile, start: int, length: int) -> bytes:
        self.read.append(length)
        return await super().read_range(file, start, length)


async def listed(storage: LocalStorage) -> list[StoredFile]:
    return sorted([file async for file in storage.list_files()], key=lambda file: file.key)


async def footer_of(root: Path) -> Footer:
    storage = LocalStorage(root)
    (file,) = await listed(storage)
    return await read_footer(storage, file)


def write_part(path: Path, rows: int = 10, **options: object) -> bytes:
    pq.write_table(pa.table({"id": pa.array(range(rows), pa.int32()), "name": ["x"] * rows}), path, **options)
    return path.read_bytes()


async def test_a_footer_tells_rows_size_and_schema(tmp_path: Path) -> None:
    write_part(tmp_path / "part.gz.parquet", 10, compression="gzip", row_group_size=4)
    footer = await footer_of(tmp_path)
    assert footer.rows == 10
    assert footer.row_bytes > 0
    assert footer.schema == pa.schema({"id": pa.int32(), "name": pa.string()})
    assert footer.schema.metadata is None


async def test_a_part_without_rows_has_a_footer(tmp_path: Path) -> None:
    write_part(tmp_path / "part.parquet", 0)
    assert (await footer_of(tmp_path)).rows == 0


async def test_only_the_tail_of_a_large_part_is_read(tmp_path: Path) -> None:
    write_part(tmp_path / "part.parquet", 200_000, compression="none", use_dictionary=False)
    storage = CountingStorage(tmp_path)
    (file,) = await listed(storage)
    assert file.size > 2 * TAIL_BYTES
    assert (await read_footer(storage, file)).rows == 200_000
    assert storage.read == [TAIL_BYTES]


async def test_a_footer_larger_than_the_tail_is_read_whole(tmp_path: Path) -> None:
    names = [f"column_{number}_{'x' * 100}" for number in range(1000)]
    pq.write_table(pa.table({name: [1, 2] for name in names}), tmp_path / "part.parquet")
    storage = CountingStorage(tmp_path)
    (file,) = await listed(storage)
    footer = await read_footer(storage, file)
    assert footer.schema.names == names
    assert len(storage.read) == 2
    assert TAIL_BYTES < storage.read[1] < file.size


@pytest.mark.parametrize(
    ("size", "message"), [(0, "part.parquet is empty"), (11, "part.parquet has 11 bytes, too few")]
)
async def test_a_part_without_room_for_a_footer_is_named(tmp_path: Path, size: int, message: str) -> None:
    (tmp_path / "part.parquet").write_bytes(b"PAR1" + b"x" * (size - 4) if size else b"")
    with pytest.raises(PartError, match=message):
        await footer_of(tmp_path)


@pytest.mark.parametrize("kept", [0.99, 0.5, 0.1])
async def test_a_part_that_was_cut_off_is_named(tmp_path: Path, kept: float) -> None:
    data = write_part(tmp_path / "part.parquet", 1000)
    (tmp_path / "part.parquet").write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(PartError, match=r"part.parquet is cut off or not a Parquet file"):
        await footer_of(tmp_path)


async def test_a_part_that_is_shorter_than_it_was_listed_is_named(tmp_path: Path) -> None:
    write_part(tmp_path / "part.parquet")
    (file,) = await listed(LocalStorage(tmp_path))
    longer = StoredFile(file.key, file.size + 1, file.version)
    with pytest.raises(PartError, match=r"part.parquet is shorter than the \d+ bytes"):
        await read_footer(LocalStorage(tmp_path), longer)


async def test_an_encrypted_footer_is_named(tmp_path: Path) -> None:
    data = write_part(tmp_path / "part.parquet")
    (tmp_path / "part.parquet").write_bytes(data[:-4] + b"PARE")
    with pytest.raises(PartError, match=r"part.parquet has an encrypted Parquet footer"):
        await footer_of(tmp_path)


@pytest.mark.parametrize("length", [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x10\x00\x00"])
async def test_a_length_that_the_file_cannot_hold_is_named(tmp_path: Path, length: bytes) -> None:
    data = write_part(tmp_path / "part.parquet")
    (tmp_path / "part.parquet").write_bytes(data[:-8] + length + b"PAR1")
    with pytest.raises(PartError, match=r"part.parquet is damaged: \d+ bytes cannot hold a footer"):
        await footer_of(tmp_path)


@pytest.mark.parametrize("length", [0, 1, 100])
async def test_a_wrong_but_possible_length_is_named(tmp_path: Path, length: int) -> None:
    data = write_part(tmp_path / "part.parquet")
    (tmp_path / "part.parquet").write_bytes(data[:-8] + length.to_bytes(4, "little") + b"PAR1")
    with pytest.raises(PartError, match=r"part.parquet has a damaged footer"):
        await footer_of(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(place=st.integers(1, 10_000), bit=st.integers(0, 7))
async def test_a_flipped_bit_of_the_footer_gives_a_footer_or_a_part_error(tmp_path: Path, place: int, bit: int) -> None:
    data = bytearray(write_part(tmp_path / "part.parquet"))
    data[-1 - place % (int.from_bytes(data[-8:-4], "little") + 8)] ^= 1 << bit
    (tmp_path / "part.parquet").write_bytes(data)
    storage = LocalStorage(tmp_path)
    (footer,) = await read_footers(storage, await listed(storage), 1)
    if isinstance(footer, PartError):
        assert footer.message.startswith("part.parquet ")
    else:
        assert footer.rows >= 0


async def test_row_counts_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    data = write_part(tmp_path / "part.parquet", 77)
    rows_then_groups = b"\x16\x9a\x01\x19\x1c"  # 77 as a zigzag i64, then a list of one: Thrift's compact protocol
    assert data.count(rows_then_groups) == 1
    (tmp_path / "part.parquet").write_bytes(data.replace(rows_then_groups, b"\x16\x9c\x01\x19\x1c"))
    with pytest.raises(PartError, match=r"damaged footer: 78 rows, but 77 in its row groups"):
        await footer_of(tmp_path)


async def test_many_footers_come_in_the_order_of_their_files(tmp_path: Path) -> None:
    for number in range(70):
        write_part(tmp_path / f"part-{number:05}.parquet", number)
    storage = CountingStorage(tmp_path)
    footers = await read_footers(storage, await listed(storage), 3)
    assert [footer.rows for footer in footers if isinstance(footer, Footer)] == list(range(70))
    assert TAILS_AT_ONCE < storage.most <= 3 * TAILS_AT_ONCE


async def test_equal_schemas_are_one_object(tmp_path: Path) -> None:
    for number in range(3):
        write_part(tmp_path / f"{number}.parquet")
    pq.write_table(pa.table({"other": [1]}), tmp_path / "3.parquet")
    storage = LocalStorage(tmp_path)
    footers = await read_footers(storage, await listed(storage), 2)
    schemas = {id(footer.schema) for footer in footers if isinstance(footer, Footer)}
    assert len(schemas) == 2


async def test_each_damaged_part_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    write_part(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").touch()
    write_part(tmp_path / "c.parquet")
    (tmp_path / "d.parquet").write_bytes(b"no Parquet at all")
    storage = LocalStorage(tmp_path)
    footers = await read_footers(storage, await listed(storage), 3)
    messages = [footer.message[:12] for footer in footers if isinstance(footer, PartError)]
    assert messages == ["b.parquet is", "d.parquet is"]
    assert isinstance(footers[0], Footer)
    assert isinstance(footers[2], Footer)


async def test_a_storage_that_cannot_read_ends_all_with_its_own_error(tmp_path: Path) -> None:
    write_part(tmp_path / "a.parquet")
    files = await listed(LocalStorage(tmp_path))
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(ExportError, match=r"a.parquet does not exist"):
        await read_footers(LocalStorage(tmp_path), files * 5, 3)
    assert len(asyncio.all_tasks()) == 1


async def test_no_files_have_no_footers(tmp_path: Path) -> None:
    assert await read_footers(LocalStorage(tmp_path), [], 4) == []


async def test_every_footer_of_a_real_export_is_read(samples: Path) -> None:
    storage = LocalStorage(samples / "aurora-mysql-tpcc")
    parts = [file for file in await listed(storage) if file.key.endswith(".parquet")]
    footers = await read_footers(storage, parts, 4)
    rows = {
        file.key.split("/")[1].removeprefix("test."): footer.rows
        for file, footer in zip(parts, footers, strict=True)
        if isinstance(footer, Footer)
    }
    assert rows == {
        "customer": 20,
        "district": 10,
        "history": 100,
        "item": 100,
        "new_order": 100,
        "order_line": 100,
        "orders": 100,
        "stock": 50,
        "warehouse": 1,
    }
