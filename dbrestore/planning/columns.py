"""Columns of a table's parts to those of the target, by name."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, PartError, SchemaError
from dbrestore.planning.findings import Findings
from dbrestore.planning.naming import list_names
from dbrestore.wire.registry import PgType, WireColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from dbrestore.planning.selection import ColumnPattern
    from dbrestore.target.catalog import Column, Table, Type


COLUMNS_REMEMBERED = 10_000
IN_EXPORT_ONLY = "in the export but not in the target"
IN_TARGET_ONLY = "in the target but not in the export"
LEFT_OUT = "in the export but not in the target, and left out"
FILLED_IN = "in the target but not in the export, and filled in by the server"
NOT_COMPARED = "in the target but not in the export, and not compared"
_HINTS = {
    IN_EXPORT_ONLY: "The target needs the complete schema of the source, as of the snapshot; or leave these out: "
    "--ignore-extra-columns.",
    IN_TARGET_ONLY: "They are NOT NULL and have no default: give them one, or drop them for the time of the restore.",
}


@dataclass(frozen=True, slots=True)
class ColumnMatch:
    """Which column of the parts goes into which of the target."""

    columns: tuple[WireColumn, ...] = ()
    """In the target's order, without those that the server generates."""
    extra: tuple[str, ...] = ()
    """Of the parts, without a column in the target."""
    ignored: tuple[str, ...] = ()
    """As well, but the user wants them left out."""
    missing: tuple[str, ...] = ()
    """Of the target, which cannot do without a value for them."""
    filled_in: tuple[str, ...] = ()
    """Of the target, not in the parts, with what they get instead: ``note (null)``."""
    not_compared: tuple[str, ...] = ()
    """Of the target, not in the parts, where these are only compared."""
    problems: list[PartError] = field(default_factory=list)

    def without_target_only(self) -> ColumnMatch:
        """For a comparison: what only the target has is in nobody's way."""
        return replace(self, missing=(), filled_in=(), not_compared=(*self.missing, *self.filled_in))


DOUBLE_HINT = "RDS does not write such files: copy the table's folder from the export's bucket again."


def match_columns(table: Table, schema: pa.Schema, ignored: Sequence[ColumnPattern] = ()) -> ColumnMatch:
    """Find the columns of ``table`` in the schema of its parts; ``ignored`` are those that only these may have."""
    problems = []
    if len(set(schema.names)) < len(schema.names):
        problems.append(PartError(f"the parts of {table.dotted} have two columns of one name", hint=DOUBLE_HINT))
    known = {column.name for column in table.columns}
    extra = [name for name in schema.names if name not in known]
    left_out = {name for name in extra for pattern in ignored if pattern.matches((table.schema, table.name), name)}
    sources = {schema_field.name: schema_field.type for schema_field in schema}
    absent = [column for column in table.columns if column.name not in sources and not column.is_generated]
    return ColumnMatch(
        columns=tuple(
            _wire_column(column.name, sources[column.name], column.type_name, column.type)
            for column in table.columns
            if column.name in sources and not column.is_generated
        ),
        extra=tuple(name for name in extra if name not in left_out),
        ignored=tuple(name for name in extra if name in left_out),
        missing=tuple(column.name for column in absent if not _stand_in(column)),
        filled_in=tuple(f"{column.name} ({_stand_in(column)})" for column in absent if _stand_in(column)),
        problems=problems,
    )


class ColumnFindings:
    """Gathers what column matches tell, so that thousands of partitions are told of once."""

    def __init__(self) -> None:
        self._problems: list[DbrestoreError] = []
        self._tables: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)

    def add(self, table: Table, match: ColumnMatch) -> None:
        """Take note of the match of one table."""
        self._problems += match.problems
        for what, names in (
            (IN_EXPORT_ONLY, match.extra),
            (IN_TARGET_ONLY, match.missing),
            (LEFT_OUT, match.ignored),
            (FILLED_IN, match.filled_in),
            (NOT_COMPARED, match.not_compared),
        ):
            if names:
                self._tables[what, names].append(table.dotted)

    def findings(self) -> Findings:
        """What is to be said of all of them."""
        findings = Findings(problems=self._problems)
        for (what, columns), tables in self._tables.items():
            text = f"columns of {list_names(tables)} {what}: {list_names(columns)}"
            if what in _HINTS:
                findings.problems.append(SchemaError(text, hint=_HINTS[what]))
            else:
                findings.notes.append(text)
        return findings


def _stand_in(column: Column) -> str:
    """What the server writes where COPY does not name the column; empty if it refuses."""
    if column.is_identity:
        return "identity"
    if column.has_default:
        return "default"
    return "" if column.is_not_null else "null"


@lru_cache(COLUMNS_REMEMBERED)
def _wire_column(name: str, source: pa.DataType, type_name: str, kind: Type) -> WireColumn:
    """Equal columns are one object: partitions by the thousand have them."""
    return WireColumn(name, source, _wire_type(type_name, kind))


def _wire_type(name: str, kind: Type) -> PgType:
    element = _wire_type(f"element of {name}", kind.element) if kind.element else None
    return PgType(name, kind.receive, kind.oid, kind.typmod, element)
