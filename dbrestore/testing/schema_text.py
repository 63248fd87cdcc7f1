"""A database's schema as pg_dump writes it."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbrestore.testing.databases import Database


def dump_schema(database: Database) -> str | None:
    """The schema; None where the machine has no pg_dump that is new enough for the server."""
    program = str(database.server.tool("pg_dump"))
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if int(re.findall(r"\d+", version)[0]) < database.server.major_version:
        return None
    command = [program, "--schema-only", "--dbname", database.dsn]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return re.sub(r"^\\(un)?restrict .*$", "", text, flags=re.MULTILINE)  # a key of its own in each dump
