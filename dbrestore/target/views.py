"""Materialized views, which are filled anew from the tables that were loaded.

All of them are, also those that have no data yet: pg_dump --schema-only writes each one WITH NO DATA.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from dbrestore.target.catalog import catalog_snapshot
from dbrestore.target.connect import translate_errors
from dbrestore.target.descent import with_descendants
from dbrestore.target.quoting import qualified
from dbrestore.target.sql import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

Source: TypeAlias = tuple[str, int]
"""``relation`` or ``function``, and its oid."""


@dataclass(frozen=True, slots=True)
class MaterializedView:
    """A materialized view that no extension owns."""

    oid: int
    schema: str
    name: str

    @property
    def dotted(self) -> str:
        """``schema.name`` as people write it."""
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        """``"schema"."name"`` for SQL."""
        return qualified(self.schema, self.name)


@dataclass(frozen=True, slots=True)
class ViewGraph:
    """What the materialized views are made of."""

    views: tuple[MaterializedView, ...]
    reads: Mapping[Source, Set[Source]]
    """What a view, materialized or not, or a function reads, as far as the server knows."""
    opaque: Set[Source]
    """Functions that may read anything besides."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """A materialized view, and the oids of those that have to be refreshed before it."""

    view: MaterializedView
    after: frozenset[int]


async def read_views(connection: asyncpg.Connection) -> ViewGraph:
    """The materialized views of the database. Raises TargetError."""
    queries = load_queries("views.sql")
    async with catalog_snapshot(connection):
        views = await connection.fetch(queries["materialized_views"])
        edges = await connection.fetch(queries["reads"]) if views else []
        opaque = await connection.fetch(queries["opaque_functions"]) if views else []
    reads: dict[Source, set[Source]] = defaultdict(set)
    for row in edges:
        reads[row["reader_kind"], row["reader"]].add((row["source_kind"], row["source"]))
    return ViewGraph(
        tuple(MaterializedView(**row) for row in views), dict(reads), {("function", row["oid"]) for row in opaque}
    )


def plan_refreshes(graph: ViewGraph) -> tuple[Refresh, ...]:
    """Every materialized view after those that it reads, be it through other views or functions.

    One that calls a function which may read anything comes after all that do not.
    """
    sources = {view.oid: with_descendants([("relation", view.oid)], graph.reads) for view in graph.views}
    opaque = {oid for oid, of_view in sources.items() if not graph.opaque.isdisjoint(of_view)}

    def comes_before(earlier: int, later: int) -> bool:
        if ("relation", earlier) in sources[later]:
            return ("relation", later) not in sources[earlier]
        return later in opaque and earlier not in opaque

    return tuple(
        Refresh(view, frozenset(oid for oid in sources if comes_before(oid, view.oid))) for view in graph.views
    )


async def refresh(connection: asyncpg.Connection, view: MaterializedView) -> list[str]:
    """Fill a materialized view; return a warning if the role may not. Raises DbrestoreError if its query fails."""
    with translate_errors(f"refreshing materialized view {view.dotted}"):
        try:
            await connection.execute(f"REFRESH MATERIALIZED VIEW {view.sql}")
        except asyncpg.InsufficientPrivilegeError as error:
            return [f"materialized view {view.dotted} is not refreshed: {error.message}"]
    return []
