"""What goes wrong with a throw-away server."""

from __future__ import annotations

from dbrestore.errors import DbrestoreError


class EmbeddedServerError(DbrestoreError):
    """A throw-away PostgreSQL server cannot be found, started or asked."""
