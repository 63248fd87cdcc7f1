"""Rows of a query as Arrow tables, through COPY TO in CSV form: no value becomes a Python object."""

from __future__ import annotations

import asyncio
import binascii
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

BLOCK_BYTES = 4 * 1024**2
"""CSV text that is parsed at once."""


async def copy_rows(
    connection: asyncpg.Connection, query: str, schema: pa.Schema, take: Callable[[pa.Table], None]
) -> None:
    """Run ``query`` and hand its rows to ``take``, in tables of the given schema, from a thread.

    The query's columns must be those of the schema, in its order, with hex digits for the binary ones. Values
    come as their type's output function writes them, so that char(n) keeps its padding, which a cast to text
    would strip.

    Raises what asyncpg and ``take`` raise.
    """
    blocks = _BlockWorker(lambda block: take(parse_rows(block, schema)))
    try:
        await connection.copy_from_query(query, output=blocks.add, format="csv", force_quote=True)
        await blocks.finish()
    finally:
        await blocks.rest()


class _BlockWorker:
    """Gathers COPY's data into blocks and works on one of them in a thread while the next one fills."""

    def __init__(self, work: Callable[[bytearray], None]) -> None:
        self._work = work
        self._block = bytearray()
        self._working: asyncio.Future[None] | None = None

    async def add(self, data: bytes) -> None:
        # COPY sends one message for each row and asyncpg passes whole messages on: a block ends with a row.
        self._block += data
        if len(self._block) >= BLOCK_BYTES:
            await self._start()

    async def finish(self) -> None:
        """Work on what is left, and wait for its end."""
        if self._block:
            await self._start()
        await self._wait()

    async def rest(self) -> None:
        """Wait until no thread works any more, whatever became of it: a thread cannot be cancelled."""
        if self._working is not None:
            await asyncio.wait([self._working])

    async def _start(self) -> None:
        await self._wait()
        block, self._block = self._block, bytearray()
        self._working = asyncio.ensure_future(asyncio.to_thread(self._work, block))

    async def _wait(self) -> None:
        await self.rest()
        if self._working is not None:
            self._working.result()


def parse_rows(block: bytes | bytearray, schema: pa.Schema) -> pa.Table:
    """The rows of a block of ``COPY … (FORMAT csv, FORCE_QUOTE *)`` output, where only NULL is unquoted."""
    table = csv.read_csv(
        pa.BufferReader(pa.py_buffer(block)),
        read_options=csv.ReadOptions(column_names=schema.names, block_size=max(len(block), 1)),
        parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
    for index, field in enumerate(schema):
        if pa.types.is_binary(field.type):
            chunks = [_decode_hex(chunk) for chunk in table.column(index).chunks]
            table = table.set_column(index, field, pa.chunked_array(chunks, type=field.type))
    return table.cast(schema)


def _decode_hex(array: pa.BinaryArray) -> pa.BinaryArray:
    """The bytes that hex digits stand for."""
    validity, offsets, digits = array.buffers()
    ends = pa.Array.from_buffers(pa.int32(), len(array) + 1, [None, offsets])
    decoded = binascii.unhexlify(memoryview(digits or b"")[: ends[-1].as_py()])
    halved = pc.divide(ends, pa.scalar(2, pa.int32())).buffers()[1]
    return pa.Array.from_buffers(pa.binary(), len(array), [validity, halved, pa.py_buffer(decoded)])
