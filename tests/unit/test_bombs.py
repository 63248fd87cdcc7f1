"""Small files that would be large in memory. Each is tried in a process of its own, whose memory is looked at."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dbrestore.export.manifest import MOST_VALUES
from dbrestore.export.parquet import MAX_FOOTER_BYTES, MOST_STRUCTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MIB = 1024**2
MOST_MIB = 1024
TRY = """
import asyncio, sys
from pathlib import Path
from dbrestore.errors import ExportError
from dbrestore.export.local import LocalStorage
from dbrestore.export.manifest import parse_tables_info
from dbrestore.export.parquet import read_footer
from dbrestore.export.rows import read_batches
from dbrestore.testing.memory import peak_memory

async def read(path):
    storage = LocalStorage(path.parent)
    [file] = [file async for file in storage.list_files()]
    return await read_footer(storage, file)

path, before = Path(sys.argv[1]), peak_memory()
try:
    if path.suffix == ".json":
        parse_tables_info(path.read_bytes(), "the manifest")
    else:
        footer = asyncio.run(read(path))
        rows = sum(batch.num_rows for batch in read_batches(path, "the part", footer.schema.names))
    print("read")
except ExportError as error:
    print(type(error).__name__, error)
print((peak_memory() - before) // 1024**2)
"""

# Fields of FileMetaData and below by Thrift's compact protocol: a byte of step and kind, then the value.
VERSION = b"\x15\x02"
COLUMN = b"\x15\x02\x25\x02\x18\x01c\0"
SCHEMA_OF_ONE = b"\x19\x2c\x48\x01s\x15\x02\0" + COLUMN
NO_ROWS = b"\x16\0"
END = b"\0"


def number(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def structs(item: bytes, count: int) -> bytes:
    return b"\x19\xfc" + number(count) + item * count


def columns(count: int) -> bytes:
    root = b"\x48\x01s\x15" + number(count << 1) + END
    return VERSION + b"\x19\xfc" + number(count + 1) + root + COLUMN * count + NO_ROWS + b"\x19\x0c" + END


def row_groups(count: int) -> bytes:
    return VERSION + SCHEMA_OF_ONE + NO_ROWS + structs(b"\x19\x0c" + NO_ROWS + NO_ROWS + END, count) + END


def chunks(count: int) -> bytes:
    group = structs(b"\x26\x08\0", count) + NO_ROWS + NO_ROWS + END
    return VERSION + SCHEMA_OF_ONE + NO_ROWS + structs(group, 1) + END


def with_footer(footer: bytes) -> bytes:
    return b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def with_rows(rows: int) -> bytes:
    """A part of one row whose footer tells of more."""
    told = number(rows << 1)
    return with_footer(
        VERSION + SCHEMA_OF_ONE + b"\x16" + told + structs(b"\x19\x0c" + NO_ROWS + b"\x16" + told + END, 1) + END
    )


def written(table: pa.Table, **options: object) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="gzip", **options)
    return stream.getvalue()


def of_many_nulls() -> bytes:
    """Ten million rows in a few kilobytes."""
    return written(pa.table({"c": pa.nulls(10_000_000, pa.string())}), row_group_size=10_000_000)


def of_long_repetitions() -> bytes:
    """A value of a mebibyte, 5,000 times."""
    value = pa.array(["x" * MIB])
    indices = pa.array([0] * 5000, pa.int32())
    return written(pa.table({"c": pa.DictionaryArray.from_arrays(indices, value)}))


def of_a_page_that_inflates() -> bytes:
    """Values of 40 MiB in all, on pages of 40 kB in all."""
    return written(pa.table({"c": ["x" * MIB] * 40}), use_dictionary=False)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("part.parquet", lambda: with_footer(columns(100_000)), "PartError part.parquet has 100000 columns"),
        ("part.parquet", lambda: with_footer(columns(1_000_000)), "PartError part.parquet is damaged"),
        ("part.parquet", lambda: with_footer(row_groups(100_000)), "PartError"),
        ("part.parquet", lambda: with_footer(chunks(MOST_STRUCTS)), "PartError part.parquet is damaged"),
        ("part.parquet", lambda: with_footer(chunks(MOST_STRUCTS - 10)), "read"),
        ("part.parquet", lambda: with_footer(bytes([1]) * MAX_FOOTER_BYTES + END), "PartError part.parquet is damaged"),
        ("part.parquet", lambda: with_rows(3_000_000_000), "PartError"),
        ("part.parquet", of_many_nulls, "read"),
        ("part.parquet", of_long_repetitions, "read"),
        ("part.parquet", of_a_page_that_inflates, "read"),
        ("tables.json", lambda: b'{"x": [' + b"[]," * MOST_VALUES, "ManifestError the manifest holds more"),
        ("tables.json", lambda: b'{"x": [' + b"1," * (MIB * 8) + b"1]}", "ManifestError"),
        ("tables.json", lambda: b"[" * MIB, "ManifestError the manifest is not valid JSON"),
    ],
    ids=[
        "columns", "more columns", "row groups", "too many chunks", "chunks", "a large footer", "rows", "nulls",
        "repetitions", "a page", "too many values", "values", "nesting",
    ],
)  # fmt: skip
@pytest.mark.timeout(600)
def test_what_is_small_does_not_fill_the_memory(
    tmp_path: Path, name: str, content: Callable[[], bytes], said: str
) -> None:
    (tmp_path / name).write_bytes(content())
    command = [sys.executable, "-c", TRY, str(tmp_path / name)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    told, _, peak = answer.stdout.rstrip("\n").rpartition("\n")
    assert told.startswith(said)
    assert int(peak) < MOST_MIB
