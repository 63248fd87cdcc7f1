"""What a user decides about a restore, where there is more than one right way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

TablePairs = tuple[tuple[str, str], ...]


class PartitionFolders(StrEnum):
    """Which of the two folders that hold a partition's rows are loaded."""

    AUTO = "auto"
    """The partitions' own, and the parent's for what they lack, as far as the row counts prove that right."""
    LEAVES = "leaves"
    VIA_PARENT = "via-parent"


class InheritedRows(StrEnum):
    """Whose rows the folder of a table holds that others inherit from."""

    OWN = "own"
    ALL = "all"
    """Also those of the tables that inherit from it."""


class IfNotEmpty(StrEnum):
    """What happens to a table that already has rows."""

    ERROR = "error"
    SKIP = "skip"
    TRUNCATE = "truncate"
    APPEND = "append"


@dataclass(frozen=True, slots=True)
class Choices:
    """The decisions; a plan without any refuses whatever is not plain.

    Patterns are those of ``selection``. Table names are ``schema.name`` without quotes.
    """

    include_tables: tuple[str, ...] = ()
    exclude_tables: tuple[str, ...] = ()
    include_schemas: tuple[str, ...] = ()
    exclude_schemas: tuple[str, ...] = ()
    strict: bool = True
    """A name or pattern that matches nothing is a problem."""
    map_schemas: TablePairs = ()
    """Schema of the export, schema of the target."""
    map_tables: TablePairs = ()
    """Table of the export, table of the target."""
    ignore_missing_tables: tuple[str, ...] = ()
    """Tables of the target that need not be in the export."""
    ignore_extra_tables: tuple[str, ...] = ()
    """Tables of the export that need not be in the target."""
    ignore_extra_columns: tuple[str, ...] = ()
    partitions: PartitionFolders = PartitionFolders.AUTO
    inherited: InheritedRows | None = None
    """None leaves it to the row counts."""
    if_not_empty: IfNotEmpty = IfNotEmpty.ERROR
