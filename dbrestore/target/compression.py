"""How wide values are compressed on their way into a table.

The server compresses what makes a row wider than 2 kB, in the method of its column, or in that of
default_toast_compression where the column names none (PostgreSQL documentation, "TOAST"). pglz, the built-in default,
takes several times as long as lz4 for about the same size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbrestore.target.connect import translate_errors
from dbrestore.target.sql import load_queries

if TYPE_CHECKING:
    import asyncpg

_QUERIES = load_queries("compression.sql")

COMPRESS_BY_LZ4 = "SET LOCAL default_toast_compression = lz4"
"""For columns that name no method."""


async def may_choose_lz4(connection: asyncpg.Connection) -> bool:
    """Whether the server has lz4, and nobody has chosen a method. Raises TargetError."""
    with translate_errors("reading the target's default_toast_compression"):
        may_choose: bool = await connection.fetchval(_QUERIES["may_choose_lz4"])
    return may_choose
