"""What a user may choose to be done with keys and indexes during a load."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ForeignKeys(StrEnum):
    """What happens to foreign keys and, with ``ORDERED``, to indexes as well."""

    REBUILD = "rebuild"
    """Taken down before the load and put back after it."""
    ORDERED = "ordered"
    """All stays in place, and tables wait for those that they reference."""
    UNCHECKED = "unchecked"
    """They stay in place and are not checked: neither during the load nor after it."""


class Indexes(StrEnum):
    """What happens to indexes, and to the constraints that they enforce."""

    REBUILD = "rebuild"
    """Taken down before the load and put back after it."""
    KEEP = "keep"
    """They stay in place."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What happens to what hinders a load."""

    foreign_keys: ForeignKeys = ForeignKeys.REBUILD
    indexes: Indexes = Indexes.REBUILD
