"""Which tables are below which: partitions and heirs, at any depth.

Worked out here and not by a recursive query, of which the server expects so many rows that it plans the rest badly:
tens of seconds for 14,000 partitions.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from dbrestore.target.sql import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import asyncpg


async def read_children(connection: asyncpg.Connection) -> Mapping[int, Sequence[int]]:
    """The oids of the partitions and heirs directly below each table that has any."""
    children: dict[int, list[int]] = defaultdict(list)
    for row in await connection.fetch(load_queries("descent.sql")["children"]):
        children[row["parent"]].append(row["child"])
    return children


def with_descendants(oids: Iterable[int], children: Mapping[int, Sequence[int]]) -> set[int]:
    """``oids`` and those of all tables below them."""
    found: set[int] = set()
    waiting = list(oids)
    while waiting:
        oid = waiting.pop()
        if oid not in found:
            found.add(oid)
            waiting.extend(children.get(oid, ()))
    return found
