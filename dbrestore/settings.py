"""What can be set, in one place: flags before environment before defaults.

Every field has an environment twin, ``DBRESTORE_`` and its name in capitals: DBRESTORE_JOBS.
"""

from __future__ import annotations

import os
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dbrestore.databases import Databases
from dbrestore.planning.choices import Choices, IfNotEmpty, InheritedRows, PartitionFolders
from dbrestore.target.connect import ConnectionSettings

ENVIRONMENT_PREFIX = "DBRESTORE_"
MOST_JOBS_BY_DEFAULT = 8


def default_jobs() -> int:
    """A job for each core, at most MOST_JOBS_BY_DEFAULT."""
    return min(os.cpu_count() or 1, MOST_JOBS_BY_DEFAULT)


def _listed(value: Any) -> Any:
    """The names of comma lists: one in the environment, one for each time that a flag is given."""
    texts = [value] if isinstance(value, str) else value
    return [name for text in texts for name in map(str.strip, text.split(",")) if name]


def _paired(value: Any) -> Any:
    """Comma lists of ``old=new``."""
    pairs = [tuple(map(str.strip, text.split("="))) for text in _listed(value)]
    for pair in pairs:
        if len(pair) != 2 or not all(pair):
            raise ValueError(f"{'='.join(pair)} is not old=new")
    if len({old for old, _ in pairs}) < len(pairs):
        raise ValueError("one name is mapped twice")
    return pairs


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
Pairs = Annotated[tuple[tuple[str, str], ...], NoDecode, BeforeValidator(_paired)]


class Settings(BaseSettings):
    """Everything that a command can be told."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, extra="forbid", frozen=True)

    dsn: SecretStr | None = None
    db_host: str | None = None
    db_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    db_user: str | None = None
    db_name: str | None = None
    source_db: Names = ()
    all_databases: bool = False
    include_tables: Names = ()
    exclude_tables: Names = ()
    include_schemas: Names = ()
    exclude_schemas: Names = ()
    strict: bool = True
    map_schema: Pairs = ()
    map_table: Pairs = ()
    ignore_missing_tables: Names = ()
    ignore_extra_tables: Names = ()
    ignore_extra_columns: Names = ()
    partitions: PartitionFolders = PartitionFolders.AUTO
    inherited: InheritedRows | None = None
    if_not_empty: IfNotEmpty | None = None
    truncate_all: bool = False
    skip_not_empty: bool = False
    jobs: Annotated[int, Field(ge=1)] = Field(default_factory=default_jobs)
    verbose: bool = False
    rows_per_part: Annotated[int, Field(ge=1)] = 100_000

    @property
    def connection(self) -> ConnectionSettings:
        """Where the target is."""
        return ConnectionSettings(self.dsn, self.db_host, self.db_port, self.db_user, self.db_name)

    @property
    def databases(self) -> Databases:
        """Which databases of the export are wanted."""
        return Databases(self.source_db, self.all_databases)

    @property
    def choices(self) -> Choices:
        """What a plan may do where there is more than one way."""
        return Choices(
            include_tables=self.include_tables,
            exclude_tables=self.exclude_tables,
            include_schemas=self.include_schemas,
            exclude_schemas=self.exclude_schemas,
            strict=self.strict,
            map_schemas=self.map_schema,
            map_tables=self.map_table,
            ignore_missing_tables=self.ignore_missing_tables,
            ignore_extra_tables=self.ignore_extra_tables,
            ignore_extra_columns=self.ignore_extra_columns,
            partitions=self.partitions,
            inherited=self.inherited,
            if_not_empty=next(iter(self._for_filled()), IfNotEmpty.ERROR),
        )

    @model_validator(mode="after")
    def _say_one_thing(self) -> Self:
        if len(set(self._for_filled())) > 1:
            raise ValueError("if_not_empty, truncate_all and skip_not_empty contradict each other")
        if self.all_databases and self.source_db:
            raise ValueError("all_databases and source_db contradict each other")
        return self

    def _for_filled(self) -> list[IfNotEmpty]:
        """What is wanted for tables with rows, by any of the three names that it has."""
        wanted = [self.if_not_empty] if self.if_not_empty else []
        wanted += [IfNotEmpty.TRUNCATE] if self.truncate_all else []
        return wanted + ([IfNotEmpty.SKIP] if self.skip_not_empty else [])
