"""The export as a whole: one snapshot of one database, table by table."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg
import pyarrow as pa

from dbrestore.errors import ExportError, LayoutError, PrivilegeError, TargetError, UsageError
from dbrestore.simulate.catalog import Skipped, SourceTable, read_tables, skip_reason
from dbrestore.simulate.destination import WRITE_HINT
from dbrestore.simulate.manifest import ExportedTable, export_info, tables_info
from dbrestore.simulate.parquet_types import arrow_schema
from dbrestore.simulate.parts import BatchFolder
from dbrestore.simulate.rows import copy_rows
from dbrestore.target.hints import hint_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dbrestore.simulate.destination import Destination

ROWS_PER_PART = 100_000

_SESSION_SETTINGS = {
    "timezone": "UTC",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "search_path": "",
    "row_security": "off",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "synchronize_seqscans": "off",
}

_REPLACED_IN_PATHS = str.maketrans(dict.fromkeys('\\`" ', "_"))


@dataclass(frozen=True, slots=True)
class Simulation:
    """What ``simulate`` wrote."""

    url: str
    """What holds export_info, and a restore takes as its source."""
    database: str
    tables: tuple[ExportedTable, ...]
    skipped: tuple[Skipped, ...]


async def simulate(
    connection: asyncpg.Connection, destination: Destination, *, export_id: str, rows_per_part: int = ROWS_PER_PART
) -> Simulation:
    """Write the connection's database to ``destination`` in the form of an RDS snapshot export.

    The rows are those of one snapshot; the database is only read. The connection must not be in a
    transaction. ``rows_per_part`` is the number of rows in every part but a batch folder's last.

    Raises ``UsageError`` for a part size below one row; ``LayoutError`` for names that cannot be folders, or that would
    share one; ``PrivilegeError`` and ``TargetError`` for a table that cannot be read, such as one of a SQL_ASCII
    database with text that is not UTF-8; ``ExportError`` for a file that cannot be written.
    """
    if rows_per_part < 1:
        raise UsageError(f"rows per part must be at least 1, not {rows_per_part}", hint="Look at --rows-per-part.")
    started = datetime.now(UTC)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.fetch(
            "SELECT set_config(name, value, true) FROM unnest($1::text[], $2::text[]) AS s (name, value)",
            list(_SESSION_SETTINGS),
            list(_SESSION_SETTINGS.values()),
        )
        database, snapshot = await connection.fetchrow("SELECT current_database()::text, now()")
        sources, skipped = _choose(await read_tables(connection))
        folders = _table_folders(destination.folder / database_folder_name(database), sources)
        tables = [
            await _export_table(connection, destination, source, table_folder, rows_per_part)
            for source, table_folder in zip(sources, folders, strict=True)
        ]
    documents = dict(tables_info(export_id, database, tables))
    documents[f"export_info_{export_id}.json"] = export_info(
        export_id,
        snapshot=snapshot,
        started=started,
        ended=datetime.now(UTC),
        size_bytes=sum(source.bytes for source in sources),
    )
    await asyncio.to_thread(_write_documents, destination, documents)
    return Simulation(destination.url, database, tuple(tables), skipped)


def path_name(name: str) -> str:
    r"""``name`` as a part of an export's paths: AWS writes ``_`` for ``\``, `````, ``"`` and space."""
    return name.translate(_REPLACED_IN_PATHS)


def database_folder_name(database: str) -> str:
    """The folder of a database. Raises ``LayoutError`` for a name that would lead out of the export's folder."""
    if "/" in database or database in (".", ".."):
        hint = "AWS has no folder for it either: rename the database, or a copy of it."
        raise LayoutError(f"the database's name {database!r} cannot be a folder's name", hint=hint)
    return path_name(database)


def _choose(tables: Sequence[SourceTable]) -> tuple[list[SourceTable], tuple[Skipped, ...]]:
    reasons = [(table, skip_reason(table)) for table in tables]
    kept = [table for table, reason in reasons if reason is None]
    return kept, tuple(Skipped(table.full_name, reason) for table, reason in reasons if reason is not None)


def _table_folders(database_folder: Path, tables: Sequence[SourceTable]) -> list[Path]:
    folders = [database_folder / path_name(table.full_name) for table in tables]
    for folder, count in Counter(folders).items():
        if count > 1:
            names = [table.full_name for table, taken in zip(tables, folders, strict=True) if taken == folder]
            raise LayoutError(
                f"these tables would share the folder {folder.name}: {', '.join(names)}",
                hint="A space, a backslash, a backtick and a double quote become _ in paths: rename a table.",
            )
    return folders


async def _export_table(
    connection: asyncpg.Connection, destination: Destination, table: SourceTable, folder: Path, rows_per_part: int
) -> ExportedTable:
    """Write one table; a partitioned one gets a batch folder for each of its leaves."""
    started = datetime.now(UTC)
    parts = rows = 0
    for number, relation in enumerate(table.relations or (None,), start=1):
        batch = BatchFolder(folder / str(number), arrow_schema(table.columns), rows_per_part, destination.store)
        with batch, _translated_errors(table.full_name):
            if relation is not None and table.columns:
                await _copy_relation(connection, table, relation, batch)
            await asyncio.to_thread(batch.finish)
        parts += batch.parts
        rows += batch.rows
    return ExportedTable(table, started=started, ended=datetime.now(UTC), parts=parts, rows=rows)


async def _copy_relation(connection: asyncpg.Connection, table: SourceTable, relation: str, batch: BatchFolder) -> None:
    values = [
        f"encode({column.quoted}, 'hex')" if pa.types.is_binary(field.type) else column.quoted
        for column, field in zip(table.columns, batch.schema, strict=True)
    ]
    await copy_rows(connection, f"SELECT {', '.join(values)} FROM ONLY {relation}", batch.schema, batch.write)


@contextmanager
def _translated_errors(table: str) -> Iterator[None]:
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        hint = "GRANT SELECT on all tables and USAGE on their schemas, or use the role that owns them."
        raise PrivilegeError(f"cannot read {table}: {error}", hint=hint) from error
    except (asyncpg.PostgresError, ConnectionError) as error:
        raise TargetError(f"cannot read {table}: {error}", hint=hint_of(error)) from error
    except OSError as error:
        raise ExportError(f"cannot write {table}: {error}", hint=WRITE_HINT) from error


def _write_documents(destination: Destination, documents: dict[str, dict[str, object]]) -> None:
    for name, document in documents.items():
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        path = destination.folder / name
        path.write_text(text, encoding="utf-8")
        destination.store(path)
