"""Arrays encoded by dbrestore, beside what a server sends and takes."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pyarrow as pa

from dbrestore.planning.columns import match_columns
from dbrestore.target.catalog import read_catalog
from dbrestore.wire.binary import BinaryColumn, BinaryEncoder
from dbrestore.wire.fields import UnencodableError
from dbrestore.wire.registry import find_encoder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    import asyncpg

    from dbrestore.wire.fields import Field
    from dbrestore.wire.registry import WireColumn

    Encode = Callable[[pa.Array], Field]

TRY_CAST = """
CREATE FUNCTION pg_temp.try_cast(value text, kind regtype) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
    EXECUTE format('SELECT $1::%s::text', kind) INTO result USING value;
    RETURN result;
EXCEPTION WHEN data_exception OR invalid_text_representation OR syntax_error OR datetime_field_overflow THEN
    RETURN NULL;
END $$
"""


async def find_column(connection: asyncpg.Connection, kind: str, source: pa.DataType) -> WireColumn:
    """A column ``value`` of a type, as a restore knows it."""
    await connection.execute(f"CREATE TABLE public.probe (value {kind})")
    try:
        catalog = await read_catalog(connection)
        # In a transaction around it, the search path of reading would stay.
        await connection.execute("SET LOCAL search_path = DEFAULT")
    finally:
        await connection.execute("DROP TABLE public.probe")
    [table] = [table for table in catalog.tables if table.name == "probe"]
    [column] = match_columns(table, pa.schema([("value", source)])).columns
    return column


async def find_encoder_of(connection: asyncpg.Connection, kind: str, source: pa.DataType) -> Encode | None:
    """The encoder that a restore would choose for a column of a type."""
    return find_encoder(source, (await find_column(connection, kind, source)).target)


def stream(array: pa.Array, encode: Encode) -> bytes:
    encoder = BinaryEncoder([BinaryColumn("v", encode)])
    rows = b"".join(map(bytes, encoder.encode(pa.record_batch([array], ["v"]))))
    return encoder.header + rows + encoder.trailer


async def sent(connection: asyncpg.Connection, query: str, *arguments: object) -> bytes:
    """What COPY TO sends in binary."""
    received = bytearray()

    async def receive(data: bytes) -> None:
        received.extend(data)

    await connection.copy_from_query(query, *arguments, output=receive, format="binary")
    return bytes(received)


async def sent_by_server(connection: asyncpg.Connection, kind: str, texts: Sequence[str | None]) -> bytes:
    """What COPY TO sends for these texts as values of a type."""
    query = f"SELECT value::{kind} FROM unnest($1::text[]) WITH ORDINALITY AS t (value, row) ORDER BY row"
    return await sent(connection, query, list(texts))


@asynccontextmanager
async def _table_of(connection: asyncpg.Connection, kind: str, array: pa.Array, encode: Encode) -> AsyncIterator[None]:
    """A table ``loaded`` with a column of a type that took the array."""

    async def source() -> AsyncIterator[bytes]:
        yield stream(array, encode)

    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"CREATE TEMP TABLE loaded (row serial, value {kind})")
        await connection.copy_to_table("loaded", columns=["value"], source=source(), format="binary")
        yield
    finally:
        await transaction.rollback()


async def loaded(connection: asyncpg.Connection, kind: str, array: pa.Array, encode: Encode) -> list[str | None]:
    """The texts of what a column of a type holds after it took the array."""
    async with _table_of(connection, kind, array, encode):
        return [row["value"] for row in await connection.fetch("SELECT value::text FROM loaded ORDER BY row")]


async def sent_again(connection: asyncpg.Connection, kind: str, array: pa.Array, encode: Encode) -> bytes:
    """What COPY TO sends of a column of a type after it took the array."""
    async with _table_of(connection, kind, array, encode):
        return await sent(connection, "SELECT value FROM loaded ORDER BY row")


async def printed(connection: asyncpg.Connection, kind: str, texts: Sequence[str | None]) -> list[str | None]:
    """The texts of values as an export holds them."""
    query = f"SELECT value::{kind}::text FROM unnest($1::text[]) WITH ORDINALITY AS t (value, row) ORDER BY row"
    return [row[0] for row in await connection.fetch(query, list(texts))]


def damaged(text: str, alphabet: str) -> Iterator[str]:
    """Every text that has one character more or less than this one, or another in one place."""
    for place in range(len(text) + 1):
        for character in ["", *alphabet]:
            yield text[:place] + character + text[place:]
            yield text[:place] + character + text[place + 1 :]


def is_taken(text: str, encode: Encode) -> bool:
    try:
        encode(pa.array([text]))
    except UnencodableError:
        return False
    return True
