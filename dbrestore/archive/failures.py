"""What pg_restore could not make, tried again by ourselves: for the server's own words, and for what can be saved."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbrestore.archive.archive import POST_DATA
from dbrestore.archive.entries import FOREIGN_KEY
from dbrestore.errors import DataError, DbrestoreError
from dbrestore.target.connect import FOREIGN_ERRORS, transaction, translated
from dbrestore.target.deferral.execution import count_orphans
from dbrestore.target.deferral.foreign_keys import NOT_VALID, validation
from dbrestore.target.post_data import read_post_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from dbrestore.archive.archive import Archive
    from dbrestore.archive.entries import Entry

SESSION = """
    SET LOCAL search_path = '';
    SET LOCAL check_function_bodies = false;
    SET LOCAL xmloption = content;
    SET LOCAL client_min_messages = warning;
"""
"""As pg_dump begins its scripts (_doSetFixedOutputState, src/bin/pg_dump/pg_backup_archiver.c)."""
_COMMENT = re.compile(r"^--.*$", re.MULTILINE)


async def run_script(connection: asyncpg.Connection, script: str) -> None:
    """Run what pg_restore would, in the transaction that is open. Raises what asyncpg does."""
    await connection.execute(SESSION)
    await connection.execute(script)


async def explain_failures(
    connection: asyncpg.Connection, archive: Archive, entries: Sequence[Entry]
) -> list[DbrestoreError]:
    """Try each of ``entries`` again; return why it cannot be made. A foreign key that rows break is left NOT VALID."""
    failures = []
    for entry in entries:
        script = await archive.script(POST_DATA, [entry])
        if error := await _try(connection, script):
            failures.append(await _give_way(connection, entry, script, translated(error, f"making {entry.shown}")))
    return failures


async def _try(connection: asyncpg.Connection, script: str) -> Exception | None:
    try:
        async with transaction(connection):
            await run_script(connection, script)
    except FOREIGN_ERRORS as error:
        return error
    return None


async def _give_way(
    connection: asyncpg.Connection, entry: Entry, script: str, problem: DbrestoreError
) -> DbrestoreError:
    statement = _COMMENT.sub("", script).strip()
    if isinstance(problem, DataError) and entry.is_of(FOREIGN_KEY):
        before = {key.oid for key in (await read_post_data(connection)).declared_keys}
        if await _try(connection, statement.removesuffix(";") + NOT_VALID) is None:
            added = [key for key in (await read_post_data(connection)).declared_keys if key.oid not in before]
            for key in added:
                orphans = f"; {await count_orphans(connection, key.identity, key.orphans)}" if key.orphans else ""
                return type(problem)(
                    f"{problem.message}{orphans}; it is there, but NOT VALID",
                    hint=f"Repair the rows, then {validation(key)}.",
                )
    return type(problem)(f"{problem.message}; it is not made", hint=problem.hint or f"Repair it, then {statement}")
