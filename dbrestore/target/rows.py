"""Taking the rows out of tables, and counting those that are in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbrestore.errors import TargetError
from dbrestore.target.catalog import TableKind
from dbrestore.target.connect import transaction, translate_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from dbrestore.target.catalog import Table


def relation(table: Table) -> str:
    """The table in SQL that means its own rows: without heirs, but with the partitions of a partitioned table."""
    return table.sql if table.kind is TableKind.PARTITIONED else f"ONLY {table.sql}"


async def truncate(connection: asyncpg.Connection, tables: Sequence[Table]) -> None:
    """Empty ``tables`` by one statement, so that foreign keys between them do not matter, in one transaction.

    Raises TargetError; then none of them is empty.
    """
    with translate_errors(f"emptying {len(tables)} tables"):
        async with transaction(connection):
            await connection.execute(f"TRUNCATE {', '.join(map(relation, tables))}")


async def count_rows(connection: asyncpg.Connection, tables: Sequence[Table]) -> list[int]:
    """The number of rows of each of ``tables``, by one statement. Raises TargetError, which names one table."""
    counts = ", ".join(f"(SELECT count(*) FROM {relation(table)})" for table in tables)
    try:
        with translate_errors(f"counting the rows of {tables[0].dotted}"):
            found: list[int] = await connection.fetchval(f"SELECT ARRAY[{counts}]")
    except TargetError:
        if len(tables) == 1:
            raise
        return [count for table in tables for count in await count_rows(connection, [table])]
    return found
