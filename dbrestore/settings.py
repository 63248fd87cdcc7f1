"""What can be set, in one place: flags before environment before defaults.

Every field is an option of the commands that take it, by the same name with hyphens, and has an environment twin,
``DBRESTORE_`` and its name in capitals: DBRESTORE_JOBS. Its description is the option's help.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import ByteSize, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from dbrestore.export.opening import SourceSettings
from dbrestore.target.connect import ConnectionSettings

ENVIRONMENT_PREFIX = "DBRESTORE_"
MOST_JOBS_BY_DEFAULT = 8
SHORT_FLAGS = {"jobs": "-j", "verbose": "-v"}


def default_jobs() -> int:
    """A job for each core, at most MOST_JOBS_BY_DEFAULT."""
    return min(os.cpu_count() or 1, MOST_JOBS_BY_DEFAULT)


class Settings(BaseSettings):
    """Everything that a command can be told."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, extra="forbid", frozen=True)

    dsn: Annotated[
        SecretStr | None,
        Field(description="The target: postgresql://user@host:port/database; or libpq's PG* variables."),
    ] = None
    db_host: Annotated[str | None, Field(description="Host or socket folder of the target.")] = None
    db_port: Annotated[int | None, Field(ge=1, le=65535, description="Port of the target.")] = None
    db_user: Annotated[str | None, Field(description="Role to connect as.")] = None
    db_name: Annotated[str | None, Field(description="Database to restore into.")] = None

    aws_profile: Annotated[str | None, Field(description="Profile of the AWS configuration for S3.")] = None
    aws_region: Annotated[
        str | None, Field(description="Region of the bucket. Default: AWS's own settings; S3 corrects a wrong one.")
    ] = None
    aws_endpoint_url: Annotated[
        str | None, Field(description="URL of an S3 server that is not AWS: MinIO, LocalStack.")
    ] = None
    aws_anonymous: Annotated[bool, Field(description="Read a public bucket, without credentials.")] = False
    aws_requester_pays: Annotated[bool, Field(description="Pay for the requests to a bucket that asks for it.")] = False
    latest: Annotated[
        bool, Field(description="The source holds exports: take the newest of them that is complete.")
    ] = False
    spool_dir: Annotated[
        Path | None, Field(description="Folder for parts of S3 on their way. Default: the system's temporary folder.")
    ] = None
    spool_limit: Annotated[
        ByteSize, Field(ge=0, description="What those parts may take there at a time: 500MB, 2GiB. Default: 2GiB.")
    ] = ByteSize(2 * 1024**3)
    retry_for: Annotated[
        float, Field(ge=0, description="Seconds to go on trying while S3 does not answer. Default: 600.")
    ] = 600.0

    source_db: Annotated[str | None, Field(description="Database of the export, where that has more than one.")] = None
    jobs: Annotated[int, Field(ge=1, description="COPYs at a time. Default: the cores, at most 8.")] = Field(
        default_factory=default_jobs
    )
    verbose: Annotated[bool, Field(description="A line for each part.")] = False
    no_rows: Annotated[
        bool, Field(description="Read one footer for each table only: faster, but without the rows.")
    ] = False
    rows_per_part: Annotated[int, Field(ge=1, description="Rows of a Parquet file. Default: 100,000.")] = 100_000

    @property
    def connection(self) -> ConnectionSettings:
        """Where the target is."""
        return ConnectionSettings(self.dsn, self.db_host, self.db_port, self.db_user, self.db_name)

    @property
    def source(self) -> SourceSettings:
        """How the export is reached."""
        return SourceSettings(
            aws_profile=self.aws_profile,
            aws_region=self.aws_region,
            aws_endpoint_url=self.aws_endpoint_url,
            aws_anonymous=self.aws_anonymous,
            aws_requester_pays=self.aws_requester_pays,
            spool_dir=self.spool_dir,
            spool_limit=self.spool_limit,
            retry_for=self.retry_for,
        )
