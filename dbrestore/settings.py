"""What can be set, in one place: flags before environment before a file before defaults.

Every field is an option of the commands that take it, by the same name with hyphens, and has an environment twin,
``DBRESTORE_`` and its name in capitals: DBRESTORE_JOBS. It is a key of ``dbrestore.toml``. Its description is the
option's help.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from dbrestore.cluster.options import ClusterOptions
from dbrestore.configuration import LayeredSource
from dbrestore.databases import Databases
from dbrestore.export.opening import SourceSettings
from dbrestore.planning.choices import Choices, IfNotEmpty, InheritedRows, PartitionFolders
from dbrestore.target.deferral.policy import ForeignKeys, Indexes, Policy
from dbrestore.target.iam import IamOptions
from dbrestore.target.tls import TlsMode, TlsOptions
from dbrestore.verification.verdicts import Verification

if TYPE_CHECKING:
    from dbrestore.archive.archive import ArchiveOptions
    from dbrestore.beside import Making
    from dbrestore.events import Level
    from dbrestore.running import Unfinished
    from dbrestore.target.connect import ConnectionSettings

ENVIRONMENT_PREFIX = "DBRESTORE_"
MOST_JOBS_BY_DEFAULT = 8
REPORT_SUFFIXES = (".json", ".html")
SHORT_FLAGS = {"jobs": ("-j",), "quiet": ("-q",), "verbose": ("-v",)}
ALTERNATIVES = (
    ("if_not_empty", "truncate_all", "skip_not_empty"),
    ("all_databases", "source_db"),
    ("resume", "restart"),
    ("quiet", "verbose", "trace"),
)
"""Settings that exclude each other: what is said nearer goes before what is said further away."""


def default_jobs() -> int:
    """A job for each core, at most MOST_JOBS_BY_DEFAULT."""
    return min(os.cpu_count() or 1, MOST_JOBS_BY_DEFAULT)


def _listed(value: Any) -> Any:
    """The names of comma lists: one in the environment, one for each time that a flag is given, an array in a file."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise ValueError("names are text: one, or a list of them")
    return [name for text in texts for name in map(str.strip, text.split(",")) if name]


def _paired(value: Any) -> Any:
    """Comma lists of ``old=new``, or a table of a file."""
    if isinstance(value, Mapping):
        value = [f"{old}={new}" for old, new in value.items()]
    pairs = [tuple(map(str.strip, text.split("="))) for text in _listed(value)]
    for pair in pairs:
        if len(pair) != 2 or not all(pair):
            raise ValueError(f"{'='.join(pair)} is not old=new")
    if len({old for old, _ in pairs}) < len(pairs):
        raise ValueError("one name is mapped twice")
    return pairs


def _reportable(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    for path in paths:
        if path.suffix not in REPORT_SUFFIXES:
            raise ValueError(f"{path} ends in none of {', '.join(REPORT_SUFFIXES)}")
    return paths


def _without_user(value: Any) -> Any:
    """A URL may have a password."""
    return re.sub(r"//[^/@]*@", "//", value) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_listed), AfterValidator(_reportable)]
Pairs = Annotated[tuple[tuple[str, str], ...], NoDecode, BeforeValidator(_paired)]


# A deprecated method of pydantic's has the name, which nobody calls.
warnings.filterwarnings("ignore", 'Field name "schema" in "Settings" shadows an attribute', UserWarning)


class Settings(BaseSettings):
    """Everything that a command can be told."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    config: Annotated[
        Path | None,
        Field(description="File of settings. Default: dbrestore.toml in the working folder, or else in the user's."),
    ] = None

    dsn: Annotated[
        SecretStr | None,
        Field(description="The target: postgresql://user@host:port/database; or libpq's PG* variables."),
    ] = None
    db_host: Annotated[str | None, Field(description="Host or socket folder of the target.")] = None
    db_port: Annotated[int | None, Field(ge=1, le=65535, description="Port of the target.")] = None
    db_user: Annotated[str | None, Field(description="Role to connect as.")] = None
    db_name: Annotated[str | None, Field(description="Database of the target.")] = None

    db_sslmode: Annotated[
        TlsMode | None,
        Field(
            description="TLS to the target, as libpq's sslmode. Default: prefer; with a root certificate verify-full."
        ),
    ] = None
    db_sslrootcert: Annotated[
        str | None,
        Field(description="File of the certificates that the target's is verified by, or `system`."),
    ] = None
    db_sslcert: Annotated[str | None, Field(description="File of the client's certificate for the target.")] = None
    db_sslkey: Annotated[str | None, Field(description="File of that certificate's key.")] = None
    db_iam_auth: Annotated[
        bool, Field(description="Connect with tokens of AWS IAM, a new one for each connection; needs TLS.")
    ] = False

    aws_profile: Annotated[str | None, Field(description="Profile of the AWS configuration.")] = None
    aws_region: Annotated[
        str | None,
        Field(description="Region of the bucket, and of --db-iam-auth where the host names none. Default: AWS's own."),
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
        float,
        Field(ge=0, description="Seconds to go on trying while S3 or the target cannot be reached. Default: 600."),
    ] = 600.0

    source_db: Annotated[
        Names, Field(description="Database of the export, where that has more than one; repeatable, or a comma list.")
    ] = ()
    all_databases: Annotated[
        bool, Field(description="All databases of the export; {database} in --dsn or --db-name stands for each.")
    ] = False

    include_tables: Annotated[
        Names, Field(description="Only these: globs such as orders, sales.*, *_log; repeatable, or a comma list.")
    ] = ()
    exclude_tables: Annotated[Names, Field(description="All but these.")] = ()
    include_schemas: Annotated[
        Names, Field(description="Only the tables of these schemas, and those of --include-tables.")
    ] = ()
    exclude_schemas: Annotated[Names, Field(description="All but the tables of these schemas.")] = ()
    strict: Annotated[
        bool, Field(description="A name or pattern that matches nothing is an error. Default: strict.")
    ] = True
    map_schema: Annotated[Pairs, Field(description="old=new: the tables of a schema go into another one.")] = ()
    map_table: Annotated[Pairs, Field(description="schema.old=schema.new: a table goes into another one.")] = ()

    ignore_missing_tables: Annotated[
        Names, Field(description="Tables of the target that need not be in the export: globs.")
    ] = ()
    ignore_extra_tables: Annotated[
        Names, Field(description="Tables of the export that the target need not have: globs.")
    ] = ()
    ignore_extra_columns: Annotated[
        Names, Field(description="Columns of the export that the target need not have: note, orders.note, *.")
    ] = ()
    partitions: Annotated[
        PartitionFolders,
        Field(description="Folders that partitions are loaded from. Default: auto, as row counts prove right."),
    ] = PartitionFolders.AUTO
    inherited: Annotated[
        InheritedRows | None,
        Field(description="Whose rows a folder holds whose table has heirs. Default: as row counts tell."),
    ] = None
    if_not_empty: Annotated[
        IfNotEmpty | None, Field(description="What to do with tables that have rows. Default: error.")
    ] = None
    truncate_all: Annotated[bool, Field(description="The same as --if-not-empty truncate.")] = False
    skip_not_empty: Annotated[bool, Field(description="The same as --if-not-empty skip.")] = False

    schema: Annotated[
        Path | None,
        Field(
            description="Archive of pg_dump --schema-only (-Fc or -Fd): the target is empty, and gets its schema from "
            "this; {database} stands for the name of each."
        ),
    ] = None  # type: ignore[assignment]
    create: Annotated[bool, Field(description="Make the database if it is not there; with --schema.")] = False
    swap: Annotated[
        bool,
        Field(
            description="Restore into a new database beside the one in use, and at the end give it the name of that. "
            "Without --schema it gets the schema of that, too."
        ),
    ] = False
    drop_old: Annotated[
        bool, Field(description="With --swap: drop the database that was in use. Default: it is kept as NAME_old_TIME.")
    ] = False
    pg_bindir: Annotated[Path | None, Field(description="Folder of pg_restore and pg_dump. Default: the PATH.")] = None
    keep_owners: Annotated[
        bool, Field(description="Owners, privileges and tablespaces as in the archive. Default: all is the role's.")
    ] = False
    skip_extensions: Annotated[Names, Field(description="Extensions of the archive that are not created.")] = ()

    jobs: Annotated[int, Field(ge=1, description="COPYs at a time. Default: the cores, at most 8.")] = Field(
        default_factory=default_jobs
    )
    workers: Annotated[
        int | None, Field(ge=1, description="Load in as many processes of a Dask cluster on this machine.")
    ] = None
    dask: Annotated[
        str | None, Field(description="Load in a Dask cluster that runs: its scheduler, like tcp://scheduler:8786.")
    ] = None
    foreign_keys: Annotated[
        ForeignKeys,
        Field(
            description="rebuild (default): down before the load, back after it. ordered: all stays, tables wait for "
            "each other. unchecked: they stay and nothing checks them."
        ),
    ] = ForeignKeys.REBUILD
    indexes: Annotated[
        Indexes, Field(description="rebuild (default): down before the load, back after it. keep: they stay.")
    ] = Indexes.REBUILD
    index_jobs: Annotated[
        int | None, Field(ge=1, description="Index builds and key checks at a time. Default: as --jobs.")
    ] = None
    maintenance_work_mem: Annotated[
        str | None,
        Field(
            pattern=r"^\d+ ?(kB|MB|GB|TB)$",
            description="Memory of each index build, like 512MB. Default: half of the server's shared_buffers, shared "
            "among the builds, but at most 1GB each and no less than the server's own setting.",
        ),
    ] = None
    lz4: Annotated[
        bool,
        Field(
            description="Compress wide values by lz4 where the server has it and neither their column nor a setting of "
            "the server, database or role names another method. Default: lz4."
        ),
    ] = True
    refresh: Annotated[bool, Field(description="Fill the materialized views at the end. Default: refresh.")] = True
    analyze: Annotated[bool, Field(description="ANALYZE what was loaded. Default: analyze.")] = True
    vacuum: Annotated[bool, Field(description="VACUUM (FREEZE) what was loaded at the end.")] = False
    resume: Annotated[
        bool, Field(description="Go on with a restore that did not come to its end; without one just begin.")
    ] = False
    restart: Annotated[
        bool, Field(description="Empty what such a restore loaded, put back what it took down, and begin anew.")
    ] = False
    verify: Annotated[
        Verification,
        Field(
            description="counts (default): the rows of each table, with the footers. deep: every row with every row "
            "of the export. none."
        ),
    ] = Verification.COUNTS
    deep: Annotated[bool, Field(description="Compare every row, not only their number.")] = False
    quiet: Annotated[bool, Field(description="Say nothing but what went wrong.")] = False
    verbose: Annotated[bool, Field(description="A line for each part, index and key.")] = False
    trace: Annotated[
        bool, Field(description="Each statement of SQL with its time as well, without values of rows.")
    ] = False
    json_logs: Annotated[bool, Field(description="What is said on stderr as lines of JSON.")] = False
    report: Annotated[
        Paths, Field(description="File to write a report to, also of a failure: *.json or *.html; repeatable.")
    ] = ()
    metrics_file: Annotated[
        Path | None, Field(description="File for the textfile collector of Prometheus' node exporter: *.prom.")
    ] = None
    full: Annotated[
        bool, Field(description="All tables, also on a terminal, where a long plan has the largest only.")
    ] = False
    graph: Annotated[
        str | None,
        Field(
            pattern=r"^(mermaid|svg|.*\.(mmd|svg))$",
            description="Draw the levels of the foreign keys: mermaid or svg on stdout, or into a file *.mmd or *.svg.",
        ),
    ] = None
    no_rows: Annotated[
        bool, Field(description="Read one footer for each table only: faster, but without the rows.")
    ] = False
    rows_per_part: Annotated[int, Field(ge=1, description="Rows of a Parquet file. Default: 100,000.")] = 100_000

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - LayeredSource makes its own
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then what environment and file say."""
        return init_settings, LayeredSource(settings_cls, ALTERNATIVES)

    @property
    def connection(self) -> ConnectionSettings:
        """Where the target is."""
        from dbrestore.target.connect import ConnectionSettings

        return ConnectionSettings(
            self.dsn,
            self.db_host,
            self.db_port,
            self.db_user,
            self.db_name,
            TlsOptions(self.db_sslmode, self.db_sslrootcert, self.db_sslcert, self.db_sslkey),
            IamOptions(self.aws_profile, self.aws_region) if self.db_iam_auth else None,
        )

    @property
    def archive(self) -> ArchiveOptions | None:
        """What makes the schema of the target."""
        from dbrestore.archive.archive import ArchiveOptions

        if self.schema is None:
            return None
        return ArchiveOptions(self.schema, self.pg_bindir, self.keep_owners, self.skip_extensions)

    @property
    def making(self) -> Making | None:
        """What is made of databases; None if they are there and stay in their place."""
        from dbrestore.beside import Making

        if not (self.create or self.swap):
            return None
        return Making(self.create, self.swap, self.drop_old, self.pg_bindir)

    @property
    def shown(self) -> dict[str, Any]:
        """Those that were set, without secrets, as JSON has them."""
        found = self.model_dump(mode="json", include=self.model_fields_set - {"dsn"})
        return {name: _without_user(value) for name, value in sorted(found.items())}

    @property
    def level(self) -> Level:
        """How much is said."""
        from dbrestore.events import Level

        if self.quiet:
            return Level.QUIET
        if self.trace:
            return Level.TRACE
        return Level.VERBOSE if self.verbose else Level.NORMAL

    @property
    def policy(self) -> Policy:
        """What happens to keys and indexes."""
        return Policy(self.foreign_keys, self.indexes)

    @property
    def unfinished(self) -> Unfinished:
        """What is done where an earlier run did not come to its end."""
        from dbrestore.running import Unfinished

        if self.resume:
            return Unfinished.RESUME
        return Unfinished.RESTART if self.restart else Unfinished.REFUSE

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

    @property
    def cluster(self) -> ClusterOptions | None:
        """The Dask cluster that loads."""
        if not self.workers and not self.dask:
            return None
        return ClusterOptions(self.workers or 0, self.dask, self.source, "jobs" not in self.model_fields_set)

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
        if self.drop_old and not self.swap:
            raise ValueError("drop_old makes sense with swap only")
        if self.quiet and (self.verbose or self.trace):
            raise ValueError("quiet contradicts verbose and trace")
        if self.workers and self.dask:
            raise ValueError("workers and dask contradict each other")
        if self.resume and self.restart:
            raise ValueError("resume and restart contradict each other")
        return self

    def _for_filled(self) -> list[IfNotEmpty]:
        """What is wanted for tables with rows, by any of the three names that it has."""
        wanted = [self.if_not_empty] if self.if_not_empty else []
        wanted += [IfNotEmpty.TRUNCATE] if self.truncate_all else []
        return wanted + ([IfNotEmpty.SKIP] if self.skip_not_empty else [])
