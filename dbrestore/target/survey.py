"""All that a plan has to know of the target."""

from __future__ import annotations

from dataclasses import dataclass, field

import asyncpg

from dbrestore.target.catalog import Catalog, read_catalog
from dbrestore.target.connect import translate_errors
from dbrestore.target.journal import Journal, find_journal
from dbrestore.target.post_data import PostData, read_post_data
from dbrestore.target.triggers import Triggers, read_triggers

IGNORE_FOREIGN_KEYS = "SET LOCAL session_replication_role = replica"
"""Neither foreign keys nor other triggers of origin fire in such a transaction."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What the target is made of, and what the role may do there."""

    catalog: Catalog
    post_data: PostData = field(default_factory=PostData)
    triggers: Triggers = field(default_factory=lambda: Triggers((), ()))
    journal: Journal = field(default_factory=Journal)
    may_uncheck: bool = False
    """The role may load without foreign keys being checked."""


async def survey(connection: asyncpg.Connection) -> Survey:
    """Look at the target, changing nothing. Raises TargetError."""
    catalog = await read_catalog(connection)
    return Survey(
        catalog,
        await read_post_data(connection),
        await read_triggers(connection, [table.oid for table in catalog.tables]),
        await find_journal(connection),
        await _may_uncheck(connection),
    )


async def _may_uncheck(connection: asyncpg.Connection) -> bool:
    with translate_errors("asking what the role may set"):
        try:
            async with connection.transaction(readonly=True):
                await connection.execute(IGNORE_FOREIGN_KEYS)
        except asyncpg.InsufficientPrivilegeError:
            return False
    return True
