"""Tables of the export to those of the target, by name."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, SchemaError
from dbrestore.planning.renames import Renames
from dbrestore.target.catalog import TableKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbrestore.export.layout import ExportedTable
    from dbrestore.planning.renames import Names
    from dbrestore.target.catalog import Table


@dataclass(frozen=True, slots=True)
class Clash:
    """Tables of which it cannot be told which goes into which."""

    names: Names
    """In the export."""
    oids: frozenset[int]
    problem: DbrestoreError


@dataclass(frozen=True, slots=True)
class TableMatch:
    """Which table of the export goes into which of the target."""

    exported: dict[int, ExportedTable] = field(default_factory=dict)
    """By the oid of the target's table."""
    names: dict[int, Names] = field(default_factory=dict)
    """What each table of the target is called in the export; its own name where the export does not have it."""
    extra: list[ExportedTable] = field(default_factory=list)
    """Those that have no table in the target."""
    clashes: list[Clash] = field(default_factory=list)


def match_tables(
    exported: Iterable[ExportedTable], tables: Sequence[Table], renames: Renames | None = None
) -> TableMatch:
    """Find the table of the target for each of the export: the one whose ``schema.name`` is the manifest's."""
    renames = renames or Renames()
    match = TableMatch()
    candidates: dict[str, list[tuple[Table, Names]]] = defaultdict(list)
    for table in tables:
        match.names[table.oid] = ((table.schema, table.name),)
        if table.kind is not TableKind.FOREIGN:
            for dotted, names in renames.sources(table):
                candidates[dotted].append((table, names))
    for source in exported:
        found = candidates.get(source.name, [])
        if not found:
            match.extra.append(source)
        elif len(found) > 1 or found[0][0].oid in match.exported:
            match.clashes.append(_clash(source, found, match.exported))
        else:
            [(table, names)] = found
            match.names[table.oid] = names
            match.exported[table.oid] = source
    return match


CLASH_HINT = "Give one of them another name with --map-table, or leave it out with --exclude-tables."
DOT_HINT = f"A dot in a name lets it be read in two ways. {CLASH_HINT}"


def _clash(source: ExportedTable, found: Sequence[tuple[Table, Names]], taken: dict[int, ExportedTable]) -> Clash:
    oids = frozenset(table.oid for table, _ in found)
    first, names = found[0]
    if len(found) > 1:
        shown = " or ".join(table.sql for table, _ in found)
        message = f"the export's {source.name} could be {shown} of the target"
        return Clash(names, oids, SchemaError(message, hint=DOT_HINT))
    message = f"both {taken[first.oid].name} and {source.name} of the export would go into {first.dotted}"
    return Clash(names, oids, SchemaError(message, hint=CLASH_HINT))
