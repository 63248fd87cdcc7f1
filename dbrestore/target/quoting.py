"""Names in SQL."""

from __future__ import annotations


def quote_identifier(name: str) -> str:
    """``name`` as a delimited identifier, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def qualified(schema: str, name: str) -> str:
    """``schema.name``, both delimited."""
    return f"{quote_identifier(schema)}.{quote_identifier(name)}"
