"""Both sides of a plan, looked at together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, UsageError, raise_problems
from dbrestore.export.parquet import Footer, read_footers
from dbrestore.planning.draft import draft_plan
from dbrestore.target.sessions import one_session
from dbrestore.target.survey import survey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import TypeVar

    import asyncpg

    from dbrestore.databases import Databases
    from dbrestore.errors import PartError
    from dbrestore.export.layout import Export
    from dbrestore.export.storage import Storage
    from dbrestore.planning.choices import Choices
    from dbrestore.planning.draft import Draft
    from dbrestore.target.connect import ConnectionSettings

    Made = TypeVar("Made")

FOOTER_READS = 32
"""Calls that read footers at a time."""


async def survey_both(
    export: Export,
    storage: Storage,
    pool: asyncpg.Pool,
    database: str,
    choices: Choices,
    *,
    with_rows: bool = True,
    known: dict[str, Footer | PartError] | None = None,
) -> tuple[Draft, dict[str, Footer | PartError]]:
    """One database of an export and its target joined by name, and the footers that a plan needs, by key.

    Without ``with_rows`` only one footer is read of each table whose rows need not be known. ``known`` footers are
    not read again, and take in those that are. Raises ExportError, TargetError.
    """
    async with one_session(pool) as connection:
        target = await survey(connection)
    draft = draft_plan(export, database, target, choices)
    footers = {} if known is None else known
    files = [file for file in draft.files(with_rows=with_rows) if file.key not in footers]
    footers.update(zip((file.key for file in files), await read_footers(storage, files, FOOTER_READS), strict=True))
    return draft, footers


def choose_databases(export: Export, connection: ConnectionSettings, databases: Databases) -> tuple[str, ...]:
    """The names of the databases of the export that are wanted. Raises ExportError, UsageError."""
    names = databases.of(export)
    if len(names) > 1 and not connection.has_placeholder:
        raise UsageError(
            f"{len(names)} databases of the export would go into one database: {', '.join(names)}",
            hint="Write {database} for the name in --dsn or --db-name, or choose one with --source-db.",
        )
    return names


async def for_each(names: Sequence[str], make: Callable[[str], Awaitable[Made]]) -> list[Made]:
    """What is made of each database. Raises what was in the way of any of them, together."""
    made, failures = [], []
    for name in names:
        try:
            made.append(await make(name))
        except DbrestoreError as error:
            failures.append(error if len(names) == 1 else error.within(name))
    raise_problems(failures)
    return made
