"""Rows of the export in the target's own form: the server reads them as it does in a restore, and sends them back.

It compares values that mean the same though they are written in another way: ``{"a":1}`` and ``{"a": 1}`` as jsonb, an
amount of money in the style of another country.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dbrestore.target.connect import transaction
from dbrestore.target.quoting import quote_identifier
from dbrestore.target.rows import relation
from dbrestore.verification.stored import EXACT_TEXT
from dbrestore.wire.registry import stream_encoder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg
    import pyarrow as pa

    from dbrestore.plan import PlannedTable
    from dbrestore.verification.columns import RowForm
    from dbrestore.verification.hashing import RowHash
    from dbrestore.wire.fields import Array

NAME = "dbrestore_compared"
RELATION = f"pg_temp.{NAME}"


async def may_use_own_form(connection: asyncpg.Connection) -> bool:
    """Whether the role may make temporary tables, on a server that is not a standby."""
    allowed: bool = await connection.fetchval(
        "SELECT has_database_privilege(current_database(), 'TEMPORARY') AND NOT pg_is_in_recovery()"
    )
    return allowed


@dataclass(frozen=True, slots=True)
class OwnForm:
    """A temporary table with the columns of a table, through which rows go."""

    connection: asyncpg.Connection
    table: PlannedTable
    form: RowForm
    row_hash: RowHash

    async def hash(self, batch: pa.RecordBatch) -> Array:
        """The hashes of the rows of a batch of the export, in their order. Raises what asyncpg does."""
        encoder = stream_encoder(self.table.columns, self.table.copy_format)
        pieces = await asyncio.to_thread(lambda: [bytes(piece) for piece in encoder.encode(batch)])
        await self.connection.copy_to_table(
            NAME,
            schema_name="pg_temp",
            columns=[column.name for column in self.table.columns],
            format=self.table.copy_format.value,
            source=_stream([encoder.header, *pieces, encoder.trailer]),
        )
        rows: list[bytes] = []

        async def take(piece: bytes) -> None:
            rows.extend(self.row_hash.rows(piece))

        # A scan of a temporary table, which no other session can have begun, gives the rows in the order they came.
        await self.connection.copy_from_query(self.form.query(RELATION), output=take, format="binary")
        await self.connection.execute(f"TRUNCATE {RELATION}")
        return await asyncio.to_thread(self.row_hash.digests, rows) if rows else np.empty((0, 2), np.uint64)


async def _stream(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        if piece:
            yield piece


@asynccontextmanager
async def own_form(
    connection: asyncpg.Connection, table: PlannedTable, form: RowForm, row_hash: RowHash
) -> AsyncIterator[OwnForm]:
    """The form for the time of the block, which is one transaction."""
    columns = ", ".join(quote_identifier(column.name) for column in table.columns)
    async with transaction(connection):
        await connection.execute(EXACT_TEXT)
        await connection.execute(
            f"CREATE TEMPORARY TABLE {NAME} ON COMMIT DROP"
            f" AS SELECT {columns} FROM {relation(table.table)} WITH NO DATA"
        )
        yield OwnForm(connection, table, form, row_hash)
