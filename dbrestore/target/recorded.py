"""A run as the journal has it: what it restores from what, by which settings, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class Phase(StrEnum):
    """What a run is doing; it goes through all of them in this order."""

    TAKING_DOWN = "taking down"
    EMPTYING = "emptying"
    """Tables that have rows and are not to keep them. Nothing is loaded."""
    LOADING = "loading"
    """And putting back what was taken down."""
    FINISHING = "finishing"
    """Sequences, views, statistics, and the verification."""
    DONE = "done"
    """It waits for the other databases of the same export."""

    @property
    def may_have_loaded(self) -> bool:
        """Whether parts of the export may be in the target."""
        return self not in {Phase.TAKING_DOWN, Phase.EMPTYING}


@dataclass(frozen=True, slots=True)
class RecordedPart:
    """A part that is to be loaded."""

    key: str
    size: int
    """Bytes."""
    version: str
    """As ``StoredFile.version``."""
    rows: int
    is_loaded: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class RecordedTable:
    """A table that is to be loaded."""

    oid: int
    name: str
    """``schema.table``."""
    columns: tuple[str, ...]
    """What COPY names, each with the types of both sides."""
    copy_format: str
    parts: tuple[RecordedPart, ...]
    rows_before: int = field(default=0, compare=False)
    """That it had and keeps, in the target."""

    @property
    def has_loaded(self) -> bool:
        """Whether some of its parts are in the target."""
        return any(part.is_loaded for part in self.parts)


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A restore of one database."""

    export_id: str
    source_database: str
    settings: Mapping[str, Any]
    """Those that decide what is loaded and how, as JSON has them."""
    tables: tuple[RecordedTable, ...]
    skipped: frozenset[int] = frozenset()
    """Oids of the tables that are left alone because they have rows."""
    phase: Phase = field(default=Phase.TAKING_DOWN, compare=False)

    @property
    def loaded(self) -> set[str]:
        """Keys of the parts that are in the target."""
        return {part.key for table in self.tables for part in table.parts if part.is_loaded}

    @property
    def rows_before(self) -> dict[int, int]:
        """By oid, the rows that tables had and keep."""
        return {table.oid: table.rows_before for table in self.tables if table.rows_before}


@dataclass(frozen=True, slots=True)
class Summary:
    """How far an unfinished run is, counted in the target."""

    export_id: str
    source_database: str
    phase: Phase
    started_at: datetime
    tables: int
    tables_loaded: int
    """All of their parts are in the target."""
    parts: int
    parts_loaded: int
    rows: int
    rows_loaded: int
    down: tuple[str, ...]
    """The keys, indexes and triggers that are down, as people call them."""
    is_running: bool
    """Its process lives."""
