"""Tables and columns of the export to those of the target, by name."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, PartError, SchemaError
from dbrestore.target.catalog import TableKind
from dbrestore.wire.registry import PgType, WireColumn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from dbrestore.export.layout import ExportedTable
    from dbrestore.target.catalog import Table, Type

NAMES_SHOWN = 20
_COMPLETE_SCHEMA = "The target needs the complete schema of the source, as of the snapshot."


@dataclass(frozen=True, slots=True)
class TableMatch:
    """Which table of the export goes into which of the target."""

    exported: dict[int, ExportedTable] = field(default_factory=dict)
    """By the oid of the target's table."""
    ambiguous: set[int] = field(default_factory=set)
    """Oids of tables of the target that share their ``schema.name`` with another."""
    problems: list[DbrestoreError] = field(default_factory=list)


def match_tables(exported: Iterable[ExportedTable], tables: Sequence[Table]) -> TableMatch:
    """Find the table of the target for each of the export: the one whose ``schema.name`` is the manifest's."""
    candidates: dict[str, list[Table]] = defaultdict(list)
    for table in tables:
        if table.kind is not TableKind.FOREIGN:
            candidates[table.dotted].append(table)
    match = TableMatch()
    unknown = []
    for source in exported:
        found = candidates.get(source.name, [])
        if len(found) == 1:
            match.exported[found[0].oid] = source
        elif found:
            names = " or ".join(table.sql for table in found)
            match.ambiguous.update(table.oid for table in found)
            match.problems.append(SchemaError(f"the export's {source.name} could be {names} of the target"))
        else:
            unknown.append(source.name)
    if unknown:
        match.problems.append(
            SchemaError(f"in the export but not in the target: {list_names(unknown)}", hint=_COMPLETE_SCHEMA)
        )
    return match


@dataclass(frozen=True, slots=True)
class ColumnMatch:
    """Which column of the parts goes into which of the target."""

    columns: tuple[WireColumn, ...]
    """In the target's order, without those that the server generates."""
    problems: list[DbrestoreError]


def match_columns(table: Table, schema: pa.Schema) -> ColumnMatch:
    """Find the columns of ``table`` in the schema of its parts."""
    problems: list[DbrestoreError] = []
    if len(set(schema.names)) < len(schema.names):
        problems.append(PartError(f"the parts of {table.dotted} have two columns of one name"))
    known = {column.name for column in table.columns}
    if extra := [name for name in schema.names if name not in known]:
        problems.append(_column_problem("in the export but not in the target", table, extra))
    sources = {schema_field.name: schema_field.type for schema_field in schema}
    if missing := [column.name for column in table.columns if column.name not in sources and not column.is_generated]:
        problems.append(_column_problem("in the target but not in the export", table, missing))
    columns = tuple(
        WireColumn(column.name, sources[column.name], _wire_type(column.type_name, column.type))
        for column in table.columns
        if column.name in sources and not column.is_generated
    )
    return ColumnMatch(columns, problems)


def list_names(names: Sequence[str]) -> str:
    """The names, at most NAMES_SHOWN of them."""
    shown = ", ".join(sorted(names)[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _column_problem(what: str, table: Table, names: Sequence[str]) -> SchemaError:
    return SchemaError(f"columns of {table.dotted} {what}: {list_names(names)}", hint=_COMPLETE_SCHEMA)


def _wire_type(name: str, kind: Type) -> PgType:
    element = _wire_type(f"element of {name}", kind.element) if kind.element else None
    return PgType(name, kind.receive, kind.oid, kind.typmod, element)
