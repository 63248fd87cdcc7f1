"""Keys and indexes of the target: what pg_dump calls post-data, as it has to come back after a load."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from dbrestore.target.connect import translate_errors
from dbrestore.target.quoting import qualified, quote_identifier
from dbrestore.target.sql import load_queries

if TYPE_CHECKING:
    import asyncpg


class Kind(StrEnum):
    """What a piece of post-data is."""

    FOREIGN_KEY = "foreign key"
    PRIMARY_KEY = "primary key"
    UNIQUE = "unique constraint"
    EXCLUSION = "exclusion constraint"
    INDEX = "index"


_CONSTRAINT_KINDS = {"p": Kind.PRIMARY_KEY, "u": Kind.UNIQUE, "x": Kind.EXCLUSION}


@dataclass(frozen=True, slots=True)
class KeyConstraint:
    """A constraint that an index enforces; both have one name."""

    kind: Kind
    definition: str
    """``pg_get_constraintdef``, which leaves out the storage parameters of keys and every tablespace."""
    timing: str
    """How ``definition`` ends: `` DEFERRABLE INITIALLY DEFERRED``, or a part of that, or nothing."""
    comment: str | None
    """As a literal of SQL."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index, or what a partitioned table has of one."""

    oid: int
    table_oid: int
    parent: int | None
    """The index of the partitioned table that it is a partition of."""
    schema: str
    """Of the index and of its table."""
    table_name: str
    name: str
    is_partitioned: bool
    definition: str
    """``pg_get_indexdef``: with ON ONLY for a partitioned table, without the tablespace."""
    constraint: KeyConstraint | None
    is_plain_btree: bool
    """A constraint can take it over when it is there: ADD CONSTRAINT USING INDEX."""
    is_clustered: bool
    is_replica_identity: bool
    tablespace: str
    """Empty for the database's."""
    storage_parameters: str | None
    """As in WITH (…)."""
    comment: str | None
    """As a literal of SQL."""
    statistics_targets: tuple[tuple[int, int], ...]
    """Number of the column and its target, where that is set."""
    extensions: tuple[str, ...]
    """Those that it is marked as depending on."""
    obstacle: str | None
    """Why it cannot be taken down and put back, by itself."""
    dependents: tuple[str, ...]
    """What else needs it, but for foreign keys."""

    @property
    def sql(self) -> str:
        """``"schema"."name"`` for SQL."""
        return qualified(self.schema, self.name)

    @property
    def table_sql(self) -> str:
        """``"schema"."table"`` for SQL."""
        return qualified(self.schema, self.table_name)

    @property
    def kind(self) -> Kind:
        """What it is to people."""
        return self.constraint.kind if self.constraint else Kind.INDEX

    @property
    def identity(self) -> str:
        """It, as people call it."""
        return f"{self.kind} {self.name} of {self.schema}.{self.table_name}"


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key, or what a partition has of one."""

    oid: int
    table_oid: int
    referenced_oid: int
    index_oid: int
    """The unique index that it needs on the referenced table."""
    parent: int | None
    """The constraint of the partitioned table that it is a part of."""
    schema: str
    table_name: str
    name: str
    referenced: str
    """``schema.name`` of the table."""
    is_partitioned: bool
    references_partitioned: bool
    definition: str
    """``pg_get_constraintdef``."""
    comment: str | None
    """As a literal of SQL."""
    is_validated: bool
    is_enforced: bool
    is_deferrable: bool
    orphans: str | None
    """A query for the keys that have no match, as text in the column ``key``."""
    obstacle: str | None
    """Why it cannot be taken down and put back, by itself."""

    @property
    def table_sql(self) -> str:
        """``"schema"."table"`` for SQL."""
        return qualified(self.schema, self.table_name)

    @property
    def name_sql(self) -> str:
        """Its delimited name."""
        return quote_identifier(self.name)

    @property
    def kind(self) -> Kind:
        """What it is to people."""
        return Kind.FOREIGN_KEY

    @property
    def identity(self) -> str:
        """It, as people call it."""
        return f"{self.kind} {self.name} of {self.schema}.{self.table_name}"


@dataclass(frozen=True, slots=True)
class PostData:
    """All keys and indexes of the users' tables."""

    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    lock_capacity: int = 0
    """About how many locks the server's sessions can hold together."""

    @property
    def declared_keys(self) -> tuple[ForeignKey, ...]:
        """The foreign keys that somebody declared: not what their partitions have of them."""
        return tuple(key for key in self.foreign_keys if key.parent is None)


async def read_post_data(connection: asyncpg.Connection) -> PostData:
    """Read all keys and indexes as of one moment. Raises TargetError."""
    queries = load_queries("post_data.sql")
    with translate_errors("reading keys and indexes of the target"):
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            # Definitions then name the schema of all that is not the system's.
            await connection.execute("SET LOCAL search_path = pg_catalog")
            dependents: dict[int, list[str]] = defaultdict(list)
            for row in await connection.fetch(queries["dependents"]):
                dependents[row["index_oid"]].append(row["dependent"])
            indexes = tuple(
                _index(row, tuple(dependents[row["oid"]])) for row in await connection.fetch(queries["indexes"])
            )
            foreign_keys = _without_actions(
                [ForeignKey(**row) for row in await connection.fetch(queries["foreign_keys"])]
            )
            return PostData(indexes, foreign_keys, await connection.fetchval(queries["lock_capacity"]))


def _index(row: asyncpg.Record, dependents: tuple[str, ...]) -> Index:
    values = dict(row)
    kind = values.pop("constraint_type")
    definition, timing, comment = (values.pop(f"constraint_{part}") for part in ("definition", "timing", "comment"))
    values["constraint"] = KeyConstraint(_CONSTRAINT_KINDS[kind], definition, timing, comment) if kind else None
    values["statistics_targets"] = tuple((number, target) for number, target in values["statistics_targets"])
    values["extensions"] = tuple(values["extensions"])
    return Index(**values, dependents=dependents)


def _without_actions(keys: list[ForeignKey]) -> tuple[ForeignKey, ...]:
    """Leave out the constraints that a foreign key has for each partition of the table that it references."""
    by_oid = {key.oid: key for key in keys}

    def is_of_referencing(key: ForeignKey) -> bool:
        while key.parent is not None:
            parent = by_oid[key.parent]
            if parent.referenced_oid != key.referenced_oid or parent.table_oid == key.table_oid:
                return False
            key = parent
        return True

    return tuple(filter(is_of_referencing, keys))
