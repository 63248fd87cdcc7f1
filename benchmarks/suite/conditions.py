"""Under which a run was made: machine, versions, settings."""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING

from benchmarks.suite.requirements import installed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dbrestore.testing.postgres import PostgresServer

OWN_PACKAGES = ("pyarrow", "asyncpg", "uvloop")
PACKAGES = ("duckdb", "adbc-driver-postgresql", "pandas", "sqlalchemy", "psycopg2-binary")
GIBIBYTE = 1024**3


def condition_lines(server: PostgresServer, settings: Mapping[str, str]) -> Iterator[str]:
    """Conditions for people, a line for each kind."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores that client and server share, "
        f"{pages / GIBIBYTE:.0f} GiB; {_load()} at the start."
    )
    own, others = installed(sys.executable), installed()
    versions = {name: own.get(name) for name in OWN_PACKAGES} | {name: others.get(name) for name in PACKAGES}
    packages = ", ".join(f"{name} {number}" for name, number in versions.items() if number)
    yield f"PostgreSQL {server.execute('SHOW server_version')}, Python {platform.python_version()}, {packages}."
    chosen = {name: server.execute(f"SHOW {name}") for name in (*settings, "fsync", "wal_level", "wal_compression")}
    yield f"The server: {', '.join(f'{name} = {value}' for name, value in chosen.items())}."


def _load() -> str:
    return f"load average {os.getloadavg()[0]:.1f}"
