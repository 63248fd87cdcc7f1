"""What of a database a snapshot export holds: its tables and columns, and those that AWS passes over."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

FORBIDDEN_IN_COLUMN_NAMES = frozenset(",;{}()\n\t= ")
"""AWS does not export a table with one of these in a column's name (Amazon RDS User Guide, "Limitations")."""


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column; the last five fields are what information_schema.columns says, 0 for its NULLs."""

    name: str
    quoted: str
    type_oid: int
    data_type: str
    max_length: int
    numeric_precision: int
    datetime_precision: int
    position: int


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table, with the relations (quoted names) that its rows are stored in: itself, or its leaves."""

    schema: str
    name: str
    partitioned: bool
    permanent: bool
    relations: tuple[str, ...]
    bytes: int
    pages: int
    columns: tuple[SourceColumn, ...]

    @property
    def full_name(self) -> str:
        """``schema.table``, unescaped, as the manifest and the folders have it."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A table that an export leaves out, and why."""

    table: str
    reason: str


async def read_tables(connection: asyncpg.Connection) -> tuple[SourceTable, ...]:
    """All tables of the database that are not the system's own, by name."""
    columns: defaultdict[int, list[SourceColumn]] = defaultdict(list)
    for record in await connection.fetch(_query("columns")):
        table_oid, *fields = record.values()
        columns[table_oid].append(SourceColumn(*fields))
    return tuple(
        SourceTable(
            schema=record["schema"],
            name=record["name"],
            partitioned=record["partitioned"],
            permanent=record["permanent"],
            relations=tuple(record["relations"]),
            bytes=record["bytes"],
            pages=record["pages"],
            columns=tuple(columns[record["oid"]]),
        )
        for record in await connection.fetch(_query("tables"))
    )


def skip_reason(table: SourceTable) -> str | None:
    """Why AWS leaves the table out of an export, or None when it is in.

    The rules are from the Amazon RDS User Guide, "Exporting DB snapshot data to Amazon S3", "Limitations".
    """
    if not table.permanent:
        return "it is unlogged or temporary"
    if "/" in table.full_name:
        return "its name holds a slash"
    for column in table.columns:
        if FORBIDDEN_IN_COLUMN_NAMES.intersection(column.name):
            return f"the column name {column.name!r} holds an unsupported character"
    return None


def _query(name: str) -> str:
    return files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
