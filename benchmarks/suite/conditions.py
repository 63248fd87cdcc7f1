"""Under which a run was made: machine, versions, settings."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dbrestore.testing.postgres import PostgresServer

PACKAGES = (
    "pyarrow", "asyncpg", "uvloop", "duckdb", "adbc-driver-postgresql", "pandas", "SQLAlchemy", "psycopg2-binary"
)  # fmt: skip
GIBIBYTE = 1024**3


def condition_lines(server: PostgresServer, settings: Mapping[str, str]) -> Iterator[str]:
    """Conditions for people, a line for each kind."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores that client and server share, "
        f"{pages / GIBIBYTE:.0f} GiB; {_load()} at the start."
    )
    found = ((name, _version(name)) for name in PACKAGES)
    packages = ", ".join(f"{name} {number}" for name, number in found if number)
    yield f"PostgreSQL {server.execute('SHOW server_version')}, Python {platform.python_version()}, {packages}."
    chosen = {name: server.execute(f"SHOW {name}") for name in (*settings, "fsync", "wal_level", "wal_compression")}
    yield f"The server: {', '.join(f'{name} = {value}' for name, value in chosen.items())}."


def _load() -> str:
    return f"load average {os.getloadavg()[0]:.1f}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
