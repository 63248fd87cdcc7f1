"""`make demo`: export a sample database as RDS would, restore the export, and compare the two databases."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from dbrestore.testing.compare import differences, read_contents
from dbrestore.testing.databases import Database
from dbrestore.testing.postgres import PostgresServer
from dbrestore.testing.sample import create_schema, fill

EXPORT_ID = "shop-2026-10-06"
ROWS_PER_PART = 10_000


def main() -> int:
    """Show the whole way round; return the exit code: 0 if both databases are equal."""
    with PostgresServer.start() as server, tempfile.TemporaryDirectory(prefix="dbrestore-demo-") as folder:
        print(f"PostgreSQL {server.major_version} is running on port {server.port}, until the demo ends.")
        source, target = Database(server, "shop"), Database(server, "shop_restored")
        for database in (source, target):
            server.execute(f"CREATE DATABASE {database.name}")
        asyncio.run(_make(source, target))
        export = Path(folder) / EXPORT_ID
        _run("simulate", folder, "--export-id", EXPORT_ID, "--dsn", source.dsn, "--rows-per-part", str(ROWS_PER_PART))
        _run("list", str(export))
        _run("plan", str(export), "--dsn", target.dsn)
        _run("restore", str(export), "--dsn", target.dsn)
        return asyncio.run(_compare(source, target))


async def _make(source: Database, target: Database) -> None:
    for database in (source, target):
        async with database.connect() as connection:
            await create_schema(connection)
    async with source.connect() as connection:
        await fill(connection)
    print("Two databases have the same schema: shop has rows, shop_restored has none.")


def _run(*arguments: str) -> None:
    print(f"\n$ dbrestore {shlex.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", "dbrestore", *arguments], check=True, stderr=subprocess.STDOUT)


async def _compare(source: Database, target: Database) -> int:
    async with source.connect() as ours, target.connect() as theirs:
        contents = await read_contents(theirs)
        differing = await differences(ours, theirs)
    print("\nWhat is in shop_restored now:")
    for name, content in contents.items():
        print(f"  {content.rows:>7,} rows  content {content.checksum[:12]}  {name}")
    if differing:
        print("\nshop and shop_restored differ:", *differing, sep="\n  ")
        return 1
    rows = sum(content.rows for content in contents.values())
    print(f"\nshop and shop_restored are equal, row by row: {len(contents)} tables, {rows:,} rows.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
