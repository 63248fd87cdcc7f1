"""Exports that ``simulate`` writes, and their way into another database."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from dbrestore.errors import SeveralProblemsError
from dbrestore.events import Level
from dbrestore.export.local import LocalStorage
from dbrestore.export.opening import SourceSettings
from dbrestore.planning.choices import Choices
from dbrestore.progress import Progress
from dbrestore.recovery import abort
from dbrestore.restore import make_plans, restore
from dbrestore.running import RestoreOptions, Unfinished
from dbrestore.simulate import open_destination, simulate
from dbrestore.target.connect import ConnectionSettings
from dbrestore.target.deferral.policy import Policy
from dbrestore.testing.compare import differences
from dbrestore.views.lines import Lines

if TYPE_CHECKING:
    from dbrestore.archive.archive import ArchiveOptions
    from dbrestore.cluster.options import ClusterOptions
    from dbrestore.errors import DbrestoreError
    from dbrestore.plan import Plan
    from dbrestore.testing.databases import Database

DEFAULT_POLICY = Policy()
CLUSTER: ClusterOptions | None = None
"""What loads where a test does not say it; see the fixture ``engine``."""

on_both_engines = pytest.mark.usefixtures("engine")
"""For tests of restores: they run in this process, and again in a cluster.

It is not for what the coordinator does alone, before the first load and after the last: plans and their problems,
taking down and putting back, sequences, views, verification. Nor for what one encoder or the reader of Parquet says
of many values, since both engines load by the same ``Loader``; nor for roles without a journal, which a cluster needs.
"""


async def export_database(database: Database, folder: Path, *, rows_per_part: int = 100_000) -> Path:
    """The folder of an export of ``database``."""
    async with database.connect() as connection, open_destination(str(folder), "friday", SourceSettings()) as files:
        made = await simulate(connection, files, export_id="friday", rows_per_part=rows_per_part)
    return Path(made.url)


def problems_of(error: DbrestoreError) -> tuple[DbrestoreError, ...]:
    """What went wrong: whichever of several jobs fail in the same moment, all are told of."""
    return error.problems if isinstance(error, SeveralProblemsError) else (error,)


async def restore_export(
    folder: Path,
    database: Database,
    *,
    jobs: int = 2,
    user: str | None = None,
    level: Level = Level.NORMAL,
    policy: Policy = DEFAULT_POLICY,
    unfinished: Unfinished = Unfinished.REFUSE,
    retry_for: float = 60.0,
    schema: ArchiveOptions | None = None,
    cluster: ClusterOptions | None = None,
    lz4: bool = True,
    **choices: Any,
) -> tuple[Plan, str]:
    """What was done, and what was said."""
    said = io.StringIO()
    [plan] = await restore(
        LocalStorage(folder),
        ConnectionSettings(SecretStr(database.dsn), user=user),
        RestoreOptions(
            choices=Choices(**choices),
            policy=policy,
            unfinished=unfinished,
            retry_for=retry_for,
            jobs=jobs,
            schema=schema,
            cluster=cluster or CLUSTER,
            lz4=lz4,
        ),
        Progress([Lines(said, level)]),
    )
    return plan, said.getvalue()


async def abort_restore(database: Database, *, jobs: int = 2, user: str | None = None) -> str:
    """What was said."""
    said = io.StringIO()
    connection = ConnectionSettings(SecretStr(database.dsn), user=user)
    await abort(connection, RestoreOptions(jobs=jobs), Progress([Lines(said)]))
    return said.getvalue()


async def plan_restore(
    folder: Path, database: Database, *, user: str | None = None, policy: Policy = DEFAULT_POLICY, **choices: Any
) -> Plan:
    connection = ConnectionSettings(SecretStr(database.dsn), user=user)
    options = RestoreOptions(choices=Choices(**choices), policy=policy)
    [plan] = await make_plans(LocalStorage(folder), connection, options)
    return plan


async def find_differences(source: Database, target: Database) -> list[str]:
    async with source.connect() as ours, target.connect() as theirs:
        return await differences(ours, theirs)


async def fetch(database: Database, sql: str) -> list[tuple[Any, ...]]:
    async with database.connect() as connection:
        return [tuple(row) for row in await connection.fetch(sql)]


async def wait_for_sessions(database: Database, number: int, *, copying: bool = False) -> list[int]:
    """Wait until as many sessions of a restore are in ``database``, or in the middle of a COPY; their pids."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'dbrestore%' AND datname = current_database()"
    if copying:
        query += " AND state = 'active' AND query LIKE 'COPY%'"
    async with database.connect() as connection:
        while len(found := await connection.fetch(query)) != number:
            await connection.execute("SELECT pg_sleep(0.01)")
    return [row["pid"] for row in found]
