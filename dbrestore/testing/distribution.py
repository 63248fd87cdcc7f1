"""`make dist-check`: build sdist and wheel, install the wheel in a fresh environment, and restore with it from S3."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from dbrestore.testing.databases import Database
from dbrestore.testing.postgres import PostgresServer
from dbrestore.testing.s3 import CLIENT_ENVIRONMENT, S3Server
from dbrestore.testing.sample import create_schema

BUCKET = "exports"
EXPORT_ID = "shop"


def build(project: Path, folder: Path) -> tuple[Path, Path]:
    """Build the sdist, and from it the wheel, into ``folder``; return both. What builds them has to be installed."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(project)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        raise RuntimeError(built.stdout + built.stderr)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def main() -> int:
    """Show that the wheel alone can do it; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="dbrestore-dist-") as name:
        folder = Path(name)
        _, wheel = build(Path.cwd(), folder)
        command = _install(wheel, folder / "venv")
        _run(command, "--help")
        with PostgresServer.start() as server, S3Server() as s3:
            s3.make_bucket(BUCKET)
            _try(command, server, s3)
    return 0


def _install(wheel: Path, folder: Path) -> Path:
    """Install the wheel without extras in an environment of its own; return its command."""
    venv.create(folder, with_pip=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", wheel], check=True)
    return programs / "dbrestore"


def _try(command: Path, server: PostgresServer, s3: S3Server) -> None:
    databases = [Database(server, name) for name in ("source", "target")]
    for database in databases:
        server.execute(f"CREATE DATABASE {database.name}")
        asyncio.run(_make_schema(database))
    at = {**CLIENT_ENVIRONMENT, "DBRESTORE_AWS_ENDPOINT_URL": s3.url}
    source, target = ({**at, "DBRESTORE_DSN": database.dsn} for database in databases)
    _run(command, "simulate", f"s3://{BUCKET}", "--export-id", EXPORT_ID, **source)
    _run(command, "list", f"s3://{BUCKET}/{EXPORT_ID}", **at)
    _run(command, "restore", f"s3://{BUCKET}/{EXPORT_ID}", **target)


async def _make_schema(database: Database) -> None:
    async with database.connect() as connection:
        await create_schema(connection)


def _run(command: Path, *arguments: str, **environment: str) -> None:
    print("$ dbrestore", *arguments, flush=True)
    subprocess.run([command, *arguments], check=True, env=os.environ | environment)


if __name__ == "__main__":
    sys.exit(main())
