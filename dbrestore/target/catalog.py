"""What the target database is made of, as far as a restore has to know.

Read in a handful of queries, however many tables there are. System catalogues: PostgreSQL documentation, chapter
"System Catalogs"; pg_class, pg_attribute, pg_type and pg_inherits.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from dbrestore.target.connect import translate_errors
from dbrestore.target.quoting import qualified
from dbrestore.target.sql import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    import asyncpg

NO_TYPMOD = -1
EMPTINESS_CHUNK = 500
"""Tables looked into by one query, and so locked at a time: a server has room for 6,400 locks by default."""

OWN_NAMES_ONLY = "SET LOCAL search_path = pg_catalog"
"""Nobody else's function may stand in for one of the system's (CVE-2018-1058)."""


class TableKind(Enum):
    """pg_class.relkind, of the kinds that rows can be in or go through."""

    TABLE = "r"
    PARTITIONED = "p"
    FOREIGN = "f"


ARRAY_RECEIVE = "array_recv"


@dataclass(frozen=True, slots=True)
class Type:
    """A type, with domains replaced by what they are over."""

    oid: int
    receive: str
    """Its receive function; ``extension.function`` if an extension owns that, empty if neither that nor the system."""
    typmod: int
    """Of the column or, where that has none, of the innermost domain that has one; -1 for none."""
    element: Type | None
    """Of an array; None also if the elements are of a domain, or not parted by commas in its text."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is not dropped."""

    name: str
    type: Type
    type_name: str
    """As declared: ``format_type``."""
    is_not_null: bool
    """By itself or by its domain."""
    has_default: bool
    is_generated: bool
    """GENERATED ALWAYS AS (expression): the server computes it and COPY may not name it."""
    is_identity: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table, partitioned table or foreign table."""

    oid: int
    schema: str
    name: str
    kind: TableKind
    parent: int | None
    """The oid of the partitioned table that this is a partition of."""
    inherits: tuple[int, ...]
    """The oids of the tables that it inherits from (INHERITS, not partitions)."""
    is_unlogged: bool
    is_of_extension: bool
    """CREATE EXTENSION made it."""
    is_writable: bool
    """The role may read it and insert into it."""
    is_truncatable: bool
    """The role may truncate it."""
    filters_rows: bool
    """Row security is active for the role: the server refuses COPY FROM, and shows some rows or none."""
    columns: tuple[Column, ...]

    @property
    def dotted(self) -> str:
        """``schema.name`` as people write it, without quotes."""
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        """``"schema"."name"`` for SQL."""
        return qualified(self.schema, self.name)


@dataclass(frozen=True, slots=True)
class Catalog:
    """A database."""

    database: str
    server_version: int
    """As server_version_num: 170010."""
    tables: tuple[Table, ...]
    """By schema and name."""
    filled: frozenset[int]
    """The oids of the tables that have rows, of those that the role may look into."""

    @property
    def roots(self) -> dict[int, Table]:
        """By oid of each table, the one that it is a partition of at the highest; itself if it is none."""
        tables = {table.oid: table for table in self.tables}
        roots: dict[int, Table] = {}
        for table in self.tables:
            root = table
            while root.parent in tables:
                root = tables[root.parent]
            roots[table.oid] = root
        return roots


async def read_catalog(connection: asyncpg.Connection) -> Catalog:
    """Read the catalogue as of one moment, and then which tables have rows. Raises TargetError."""
    queries = load_queries("catalog.sql")
    async with catalog_snapshot(connection):
        database = await connection.fetchrow(queries["database"])
        columns = await _read_columns(connection, queries)
        tables = tuple(
            Table(
                oid=row["oid"],
                schema=row["schema"],
                name=row["name"],
                kind=TableKind(row["kind"]),
                parent=row["parent"],
                inherits=tuple(row["inherits"]),
                is_unlogged=row["is_unlogged"],
                is_of_extension=row["is_of_extension"],
                is_writable=row["is_writable"],
                is_truncatable=row["is_truncatable"],
                filters_rows=row["filters_rows"],
                columns=tuple(columns[row["oid"]]),
            )
            for row in await connection.fetch(queries["tables"])
        )
    with translate_errors("reading the catalogue of the target"):
        filled = await _find_filled(connection, queries, tables)
    return Catalog(database["name"], database["version"], tables, filled)


@asynccontextmanager
async def catalog_snapshot(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """All queries of the block see the system catalogues as of one moment. Raises TargetError."""
    with translate_errors("reading the catalogue of the target"):
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(OWN_NAMES_ONLY)
            yield


async def _read_columns(connection: asyncpg.Connection, queries: dict[str, str]) -> dict[int, list[Column]]:
    types = {row["oid"]: row for row in await connection.fetch(queries["types"])}
    known: dict[tuple[int, int], Type] = {}
    shared: dict[Column, Column] = {}  # thousands of partitions have the same
    columns: dict[int, list[Column]] = defaultdict(list)
    for row in await connection.fetch(queries["columns"]):
        key = row["type_oid"], row["typmod"]
        if key not in known:
            known[key] = _resolve(types, *key)
        column = Column(
            name=row["name"],
            type=known[key],
            type_name=row["type_name"],
            is_not_null=row["is_not_null"],
            has_default=row["has_default"],
            is_generated=row["is_generated"],
            is_identity=row["is_identity"],
        )
        columns[row["table_oid"]].append(shared.setdefault(column, column))
    return columns


def _resolve(types: Mapping[int, asyncpg.Record], oid: int, typmod: int) -> Type:
    while types[oid]["is_domain"]:
        oid, typmod = types[oid]["base_oid"], types[oid]["typmod"] if typmod == NO_TYPMOD else typmod
    record = types[oid]
    element = None
    if record["receive"] == ARRAY_RECEIVE:
        of_element = types[record["element_oid"]]
        if not of_element["is_domain"] and of_element["delimiter"] == ",":
            element = _resolve(types, record["element_oid"], typmod)
    return Type(oid, record["receive"], typmod, element)


async def _find_filled(
    connection: asyncpg.Connection, queries: dict[str, str], tables: Iterable[Table]
) -> frozenset[int]:
    readable = {
        table.oid: table
        for table in tables
        if table.is_writable and not table.filters_rows and table.kind is TableKind.TABLE
    }
    rows = await connection.fetch(queries["tables_with_storage"], list(readable))
    candidates = [readable[row["oid"]] for row in rows]
    filled: set[int] = set()
    for start in range(0, len(candidates), EMPTINESS_CHUNK):
        probes = " UNION ALL ".join(
            f"SELECT {table.oid} AS oid WHERE EXISTS (SELECT FROM ONLY {table.sql})"
            for table in candidates[start : start + EMPTINESS_CHUNK]
        )
        async with connection.transaction(readonly=True):
            await connection.execute(OWN_NAMES_ONLY)
            filled.update(row["oid"] for row in await connection.fetch(probes))
    return frozenset(filled)
