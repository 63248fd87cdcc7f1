"""A database's schema as pg_dump writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbrestore.testing.schema_text import dump_schema

if TYPE_CHECKING:
    from dbrestore.testing.databases import Database


def schema_text(database: Database) -> str:
    """The schema; skips the test where the machine has no pg_dump that is new enough for the server."""
    text = dump_schema(database)
    if text is None:
        pytest.skip(f"no pg_dump for a server of version {database.server.major_version}")
    return text
