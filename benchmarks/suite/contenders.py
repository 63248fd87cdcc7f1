"""Who is measured, where each one starts from, and the commands that it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from benchmarks.suite.preparation import DBRESTORE
from benchmarks.suite.requirements import PYTHON, installed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.suite.preparation import Prepared
    from dbrestore.testing.databases import Database

Stages: TypeAlias = "list[list[list[str]]]"
"""Commands: those of one stage run at once, one stage after the other."""


class Start(StrEnum):
    """What is in the database before."""

    NOTHING = "nothing"
    TABLES = "tables"
    TABLES_AND_KEYS = "tables and keys"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One restore by one contender."""

    prepared: Prepared
    target: Database
    jobs: int
    folder: Path
    """Empty, to write in."""

    @property
    def report(self) -> Path:
        """Where dbrestore says where its time went."""
        return self.folder / "report.json"


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to restore a data set."""

    name: str
    title: str
    start: Start
    stages: Callable[[Attempt], Stages]
    packages: Sequence[str] = ()
    """What has to be installed for it."""
    is_slice: bool = False
    """It loads rows of the largest part only, by one connection, and no keys: it would take too long for all."""

    def missing(self) -> list[str]:
        """Packages that are not installed."""
        return [name for name in self.packages if name not in installed()]


def _dbrestore(attempt: Attempt) -> Stages:
    return [[_dbrestore_command(attempt)]]


def _dbrestore_as_others(attempt: Attempt) -> Stages:
    """What the others do, and no more."""
    return [[_dbrestore_command(attempt, "--no-analyze", "--verify", "none")]]


def _dbrestore_command(attempt: Attempt, *options: str) -> list[str]:
    export, dsn = str(attempt.prepared.export), attempt.target.dsn
    report = ["--report", str(attempt.report)]
    return [DBRESTORE, "restore", export, "--dsn", dsn, "--jobs", str(attempt.jobs), *report, *options]


def _pg_restore(attempt: Attempt) -> Stages:
    return [[_pg_restore_command(attempt)]]


def _pg_restore_data(attempt: Attempt) -> Stages:
    return [[_pg_restore_command(attempt, "--section=data", "--section=post-data")]]


def _put_keys(attempt: Attempt) -> Stages:
    """For those that load rows alone."""
    if not attempt.prepared.data_set.keys:
        return []
    return [[_pg_restore_command(attempt, "--section=post-data")]]


def _pg_restore_command(attempt: Attempt, *options: str) -> list[str]:
    program = str(attempt.target.server.tool("pg_restore"))
    return [
        program, "-Fd", "-j", str(attempt.jobs), *options, "-d", attempt.target.dsn, str(attempt.prepared.dump)
    ]  # fmt: skip


def _psql(attempt: Attempt) -> Stages:
    program = str(attempt.target.server.tool("psql"))
    shares: list[list[str]] = [[] for _ in range(attempt.jobs)]
    for number, file in enumerate(attempt.prepared.wire):
        shares[number % attempt.jobs].append(f"\\copy {file.table} from '{file.path}' (format binary)")
    commands = []
    for number, lines in enumerate(filter(None, shares)):
        script = attempt.folder / f"{number}.sql"
        script.write_text("\n".join(lines))
        commands.append([program, "-qX", "-v", "ON_ERROR_STOP=1", "-d", attempt.target.dsn, "-f", str(script)])
    return [commands, *_put_keys(attempt)]


def _by_loader(module: str) -> Callable[[Attempt], Stages]:
    def stages(attempt: Attempt) -> Stages:
        return [[_loader(module, attempt, "--jobs", str(attempt.jobs))], *_put_keys(attempt)]

    return stages


def _slice_by_loader(module: str) -> Callable[[Attempt], Stages]:
    def stages(attempt: Attempt) -> Stages:
        return [[_loader(module, attempt, "--rows", str(attempt.prepared.slice_rows))]]

    return stages


def _loader(module: str, attempt: Attempt, *options: str) -> list[str]:
    program = [PYTHON, "-m", f"benchmarks.suite.loaders.{module}"]
    return [*program, str(attempt.prepared.export), "--dsn", attempt.target.dsn, *options]


CONTENDERS = (
    Contender("dbrestore", "dbrestore", Start.TABLES_AND_KEYS, _dbrestore),
    Contender(
        "dbrestore_as_others",
        "dbrestore without `ANALYZE` and verification",
        Start.TABLES_AND_KEYS,
        _dbrestore_as_others,
    ),
    Contender("pg_restore", "pg_restore", Start.NOTHING, _pg_restore),
    Contender("pg_restore_data", "pg_restore into tables that are there", Start.TABLES, _pg_restore_data),
    Contender("psql", "psql `\\copy`, binary", Start.TABLES, _psql),
    Contender(
        "duckdb",
        "DuckDB's postgres extension",
        Start.TABLES,
        _by_loader("duckdb_insert"),
        ("duckdb", "duckdb-extension-postgres-scanner"),
    ),
    Contender("adbc", "ADBC ingest", Start.TABLES, _by_loader("adbc_ingest"), ("adbc-driver-postgresql",)),
    Contender(
        "asyncpg",
        "asyncpg, row by row",
        Start.TABLES,
        _slice_by_loader("asyncpg_records"),
        ("asyncpg", "pyarrow"),
        is_slice=True,
    ),
    Contender(
        "pandas",
        "pandas `to_sql`",
        Start.TABLES,
        _slice_by_loader("pandas_to_sql"),
        ("pandas", "sqlalchemy", "psycopg2-binary"),
        is_slice=True,
    ),
)
