"""What can be set, in one place: flags before environment before defaults.

Every field has an environment twin, ``DBRESTORE_`` and its name in capitals: DBRESTORE_JOBS.
"""

from __future__ import annotations

import os
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from dbrestore.target.connect import ConnectionSettings
from dbrestore.target.deferral.policy import ForeignKeys, Indexes, Policy

ENVIRONMENT_PREFIX = "DBRESTORE_"
MOST_JOBS_BY_DEFAULT = 8


def default_jobs() -> int:
    """A job for each core, at most MOST_JOBS_BY_DEFAULT."""
    return min(os.cpu_count() or 1, MOST_JOBS_BY_DEFAULT)


class Settings(BaseSettings):
    """Everything that a command can be told."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, extra="forbid", frozen=True)

    dsn: SecretStr | None = None
    db_host: str | None = None
    db_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    db_user: str | None = None
    db_name: str | None = None
    source_db: str | None = None
    jobs: Annotated[int, Field(ge=1)] = Field(default_factory=default_jobs)
    verbose: bool = False
    foreign_keys: ForeignKeys = ForeignKeys.REBUILD
    indexes: Indexes = Indexes.REBUILD
    index_jobs: Annotated[int, Field(ge=1)] | None = None
    maintenance_work_mem: Annotated[str, Field(pattern=r"^\d+ ?(kB|MB|GB|TB)$")] | None = None
    refresh: bool = True
    analyze: bool = True
    vacuum: bool = False
    rows_per_part: Annotated[int, Field(ge=1)] = 100_000

    @property
    def connection(self) -> ConnectionSettings:
        """Where the target is."""
        return ConnectionSettings(self.dsn, self.db_host, self.db_port, self.db_user, self.db_name)

    @property
    def policy(self) -> Policy:
        """What happens to keys and indexes."""
        return Policy(self.foreign_keys, self.indexes)
