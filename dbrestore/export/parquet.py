"""The footers of an export's Parquet files: how many rows there are, and of which types.

A footer is read from the last bytes of a file, so that a table's rows can be counted without fetching its parts.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from dbrestore.concurrency import run_all
from dbrestore.errors import PartError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbrestore.export.storage import Storage, StoredFile

TAIL_BYTES = 64 * 1024
"""What is read of a file at first: nearly all footers are smaller."""

MAX_FOOTER_BYTES = 16 * 1024**2
"""A larger one is taken for a damaged length: 1600 columns, each with the longest statistics that parquet-mr writes,
come to half of it."""

MOST_STRUCTS = 500_000
"""In a footer: pyarrow holds up to 700 bytes of memory for each, of which three bytes of the file may make one."""

MOST_COLUMNS = 1600
"""Of a table (PostgreSQL's access/htup_details.h, MaxHeapAttributeNumber)."""

SMALL_FOOTER_BYTES = 16 * 1024
"""Parsed in less time than a thread takes to be told of it."""

MAGIC = b"PAR1"
ENCRYPTED_MAGIC = b"PARE"
_TRAILER_BYTES = 8
_SMALLEST_FILE_BYTES = len(MAGIC) + _TRAILER_BYTES
_COPY_AGAIN = "Copy the file from the export's bucket again."


@dataclass(frozen=True, slots=True)
class Footer:
    """What a part's footer says of its rows."""

    rows: int
    row_bytes: int
    """Of the average row, encoded but not compressed, in the row group that has the largest."""
    schema: pa.Schema
    """Of the file, without Spark's key-value metadata."""


class SharedSchemas:
    """Makes one object of equal schemas: a million parts have few different ones."""

    def __init__(self) -> None:
        self._known: dict[pa.Schema, pa.Schema] = {}
        self._last: tuple[pq.ParquetSchema, pa.Schema] | None = None

    def of(self, parquet: pq.ParquetSchema) -> pa.Schema:
        """The Arrow schema, without metadata. Raises what pyarrow or a name that is not UTF-8 does."""
        if self._last is None or not parquet.equals(self._last[0]):
            schema = parquet.to_arrow_schema().remove_metadata()
            self._last = parquet, self._known.setdefault(schema, schema)  # hashing decodes all names
        return self._last[1]


async def read_footer(storage: Storage, file: StoredFile) -> Footer:
    """The footer of a part, from one ranged read, or two where it is larger than 64 KiB.

    Raises:
        PartError: the file is empty, cut off, damaged, encrypted, or not Parquet.
        ExportError: the storage cannot read it.
    """
    (tail,) = await storage.read_tails([file], TAIL_BYTES)
    return await _read_footer(storage, file, tail, SharedSchemas())


async def read_footers(storage: Storage, files: Sequence[StoredFile], concurrency: int) -> list[Footer | PartError]:
    """The footer of each of ``files``, in their order, or what is wrong with that part.

    At most ``concurrency`` calls of the storage run at a time. Equal schemas are one object: a million footers fit.

    Raises:
        ExportError: the storage cannot read a file.
    """
    found: list[Any] = [None] * len(files)
    schemas = SharedSchemas()

    async def read(start: int) -> None:
        few = files[start : start + storage.tails_at_once]
        for place, tail in enumerate(await storage.read_tails(few, TAIL_BYTES), start):
            try:
                found[place] = await _read_footer(storage, files[place], tail, schemas)
            except PartError as error:
                found[place] = error

    await run_all(map(read, range(0, len(files), storage.tails_at_once)), concurrency)
    return found


async def _read_footer(storage: Storage, file: StoredFile, tail: bytes, schemas: SharedSchemas) -> Footer:
    """By the last bytes of a file, and more of it if they are too few.

    The form of the last eight bytes is https://parquet.apache.org/docs/file-format/: the footer's length, then the
    magic bytes.
    """
    if file.size < _SMALLEST_FILE_BYTES:
        what = f"has {file.size} bytes, too few for a Parquet file" if file.size else "is empty"
        raise PartError(f"{file.key} {what}", hint=_COPY_AGAIN)
    _check_length(file, tail, min(TAIL_BYTES, file.size))
    needed = _footer_length(file, tail) + _TRAILER_BYTES
    if needed > len(tail):
        tail = await storage.read_range(file, file.size - needed, needed)
        _check_length(file, tail, needed)
    if needed <= SMALL_FOOTER_BYTES:
        return _parsed(file, tail[-needed:], schemas)
    return await asyncio.to_thread(_parsed, file, tail[-needed:], schemas)


def _check_length(file: StoredFile, tail: bytes, length: int) -> None:
    if len(tail) < length:
        raise PartError(f"{file.key} is shorter than the {file.size} bytes that it was listed with", hint=_COPY_AGAIN)


def _footer_length(file: StoredFile, tail: bytes) -> int:
    magic = tail[-len(MAGIC) :]
    if magic == ENCRYPTED_MAGIC:
        hint = "RDS exports are encrypted by S3, not inside of Parquet: this file is no part of one."
        raise PartError(f"{file.key} has an encrypted Parquet footer", hint=hint)
    if magic != MAGIC:
        raise PartError(f"{file.key} is cut off or not a Parquet file: it does not end in PAR1", hint=_COPY_AGAIN)
    length = int.from_bytes(tail[-_TRAILER_BYTES : -len(MAGIC)], "little")
    if length > min(file.size - _SMALLEST_FILE_BYTES, MAX_FOOTER_BYTES):
        raise PartError(
            f"{file.key} is damaged: {file.size} bytes cannot hold a footer of {length} bytes", hint=_COPY_AGAIN
        )
    return length


def _parsed(file: StoredFile, footer: bytes, schemas: SharedSchemas) -> Footer:
    """pyarrow looks no further than the footer, so it takes the tail for a whole file."""
    if footer.count(0) > MOST_STRUCTS:  # the byte that each struct ends with
        raise PartError(f"{file.key} is damaged: its footer holds more than any table has", hint=_COPY_AGAIN)
    try:
        metadata = pq.read_metadata(pa.BufferReader(footer))
        if metadata.num_columns > MOST_COLUMNS:
            message = f"{file.key} has {metadata.num_columns} columns, and no table has more than {MOST_COLUMNS}"
            raise PartError(message, hint="It is none of RDS's files: remove it from the table's folder.")
        schema = schemas.of(metadata.schema)
        groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise PartError(f"{file.key} has a damaged footer: {error}", hint=_COPY_AGAIN) from error
    counts = [group.num_rows for group in groups]
    if sum(counts) != metadata.num_rows or min(counts, default=0) < 0:
        raise PartError(
            f"{file.key} has a damaged footer: {metadata.num_rows} rows, but {sum(counts)} in its row groups",
            hint=_COPY_AGAIN,
        )
    row_bytes = max((group.total_byte_size // group.num_rows for group in groups if group.num_rows), default=0)
    return Footer(metadata.num_rows, row_bytes, schema)
