"""Whether two databases hold the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

_TABLES = """
    SELECT
        format('%I.%I', n.nspname, c.relname) AS name,
        CASE c.relkind WHEN 'r' THEN 'ONLY ' ELSE '' END AS only,
        ARRAY(
            SELECT quote_ident(a.attname)
            FROM pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            ORDER BY a.attname COLLATE "C"
        ) AS columns
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"
"""

_SESSION = """
    SET LOCAL search_path = '';
    SET LOCAL timezone = 'UTC';
    SET LOCAL datestyle = 'ISO, MDY';
    SET LOCAL intervalstyle = 'postgres';
    SET LOCAL extra_float_digits = 1;
    SET LOCAL bytea_output = 'hex';
    SET LOCAL row_security = off;
"""


@dataclass(frozen=True, slots=True)
class TableContent:
    """A table's rows, as a number of them and a checksum that does not depend on their order."""

    columns: tuple[str, ...]
    rows: int
    checksum: str


async def read_contents(connection: asyncpg.Connection) -> dict[str, TableContent]:
    """The content of every table, by its quoted name, as of one snapshot.

    All rows of all columns (generated ones too, in the order of their names) count, as COPY TO prints them with
    the same session settings whatever the connection's are: NULL differs from the empty string, and floats have
    all their digits. A partitioned table counts with the rows of its partitions, each of which counts as a
    table as well; a parent by inheritance counts without its children. Views, sequences and the physical order
    of rows and columns do not count.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(_SESSION)
        return {
            record["name"]: await _read_content(connection, record["only"] + record["name"], record["columns"])
            for record in await connection.fetch(_TABLES)
        }


async def differences(source: asyncpg.Connection, target: asyncpg.Connection) -> list[str]:
    """What sets the target's tables apart from the source's, a line for each table; empty if they are equal.

    Each line begins with the table's name. See ``read_contents`` for what is compared.
    """
    ours, theirs = await read_contents(source), await read_contents(target)
    return [
        f"{name}: {_difference(ours.get(name), theirs.get(name))}"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]


def _difference(ours: TableContent | None, theirs: TableContent | None) -> str:
    if theirs is None:
        return "missing in the target"
    if ours is None:
        return "missing in the source"
    if ours.columns != theirs.columns:
        return f"columns {', '.join(ours.columns)} in the source, {', '.join(theirs.columns)} in the target"
    if ours.rows != theirs.rows:
        return f"{ours.rows} rows in the source, {theirs.rows} in the target"
    return f"{ours.rows} rows on both sides, with other values"


async def _read_content(connection: asyncpg.Connection, relation: str, columns: list[str]) -> TableContent:
    rows = _RowSet()
    query = f"SELECT {', '.join(columns)} FROM {relation}"
    await connection.copy_from_query(query, output=rows.add, format="text")
    return TableContent(tuple(columns), rows.count, f"{rows.total:032x}")


class _RowSet:
    """A multiset of rows of COPY text: the sum of their hashes."""

    def __init__(self) -> None:
        self.count = 0
        self.total = 0

    async def add(self, lines: bytes) -> None:
        # COPY's text form escapes newlines in values, so a line is a row; asyncpg passes on whole rows only.
        for line in lines.split(b"\n")[:-1]:
            self.count += 1
            self.total += int.from_bytes(blake2b(line, digest_size=16).digest())
        self.total %= 1 << 128
