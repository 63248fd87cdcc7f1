"""Which tables are below which: partitions and heirs, at any depth.

Worked out here and not by a recursive query, of which the server expects so many rows that it plans the rest badly:
tens of seconds for 14,000 partitions.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

from dbrestore.target.sql import load_queries

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence

    import asyncpg

    Node = TypeVar("Node", bound=Hashable)


async def read_children(connection: asyncpg.Connection) -> Mapping[int, Sequence[int]]:
    """The oids of the partitions and heirs directly below each table that has any."""
    children: dict[int, list[int]] = defaultdict(list)
    for row in await connection.fetch(load_queries("descent.sql")["children"]):
        children[row["parent"]].append(row["child"])
    return children


def with_descendants(nodes: Iterable[Node], children: Mapping[Node, Collection[Node]]) -> set[Node]:
    """``nodes``, mostly oids, and all that are below them."""
    found: set[Node] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(children.get(node, ()))
    return found
