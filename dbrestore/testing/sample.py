"""Databases to restore: a web shop, and one with every type that an export can hold."""

from __future__ import annotations

from enum import StrEnum
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg


class Sample(StrEnum):
    """A database made by two scripts of this package: ``<value>.sql`` and, for its rows, ``<value>_data.sql``."""

    SHOP = "sample"
    """A web shop: fourteen tables in two schemas, about 100,000 rows."""
    TORTURE = "torture"
    """What comes to the web shop for the torture: a cycle, partitions, triggers."""
    EVERY_TYPE = "every_type"
    """A table for each family of built-in types, with extreme values."""
    CONTRIB_TYPES = "contrib_types"
    """Types of contrib modules, as far as the server has these; its role must be allowed to create extensions."""


def schema_sql(sample: Sample = Sample.SHOP) -> str:
    """The script that makes the sample's tables, empty."""
    return _script(sample.value)


def data_sql(sample: Sample = Sample.SHOP) -> str:
    """The script that fills them, with the same rows every time."""
    return _script(f"{sample.value}_data")


async def create_schema(connection: asyncpg.Connection, sample: Sample = Sample.SHOP) -> None:
    """Make the sample's tables in a database that has none of its schemas and types."""
    await connection.execute(schema_sql(sample))


async def fill(connection: asyncpg.Connection, sample: Sample = Sample.SHOP) -> None:
    """Insert the sample's rows, in one transaction."""
    await connection.execute(data_sql(sample))


def _script(name: str) -> str:
    return files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
