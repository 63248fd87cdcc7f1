"""Tables that have another name in the target than in the export."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from dbrestore.planning.selection import possible_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dbrestore.planning.choices import Choices
    from dbrestore.planning.selection import Name
    from dbrestore.target.catalog import Table

Names: TypeAlias = "tuple[Name, ...]"


@dataclass(frozen=True)
class Renames:
    """From names of the target back to those of the export. A table's own rename goes before its schema's."""

    schemas: Mapping[str, str] = field(default_factory=dict)
    """The target's for the export's."""
    tables: Mapping[str, str] = field(default_factory=dict)
    """The target's for the export's, both ``schema.name``."""

    @classmethod
    def of(cls, choices: Choices) -> Renames:
        """What the user chose."""
        return cls(dict(choices.map_schemas), dict(choices.map_tables))

    def sources(self, table: Table) -> Iterator[tuple[str, Names]]:
        """What the table may be called in the export: ``schema.name``, and that split into both."""
        for old in self._old_tables.get(table.dotted, ()):
            yield old, possible_names(old)
        schemas = self._old_schemas.get(table.schema, [])
        for schema in schemas if table.schema in self.schemas else [*schemas, table.schema]:
            dotted = f"{schema}.{table.name}"
            if dotted not in self.tables:
                yield dotted, ((schema, table.name),)

    def shown(self, source: str) -> str:
        """A table of the export as messages name it: with the name that it should have in the target, if another."""
        schema = next((old for old in self.schemas if source.startswith(f"{old}.")), None)
        new = self.tables.get(source) or (schema and f"{self.schemas[schema]}{source[len(schema) :]}")
        return f"{source} (as {new})" if new else source

    def unused(self, exported: set[str]) -> Iterator[str]:
        """Each option whose name of the export is not there."""
        for old, new in self.tables.items():
            if old not in exported:
                yield f"--map-table {old}={new}"
        for old, new in self.schemas.items():
            if not any(name.startswith(f"{old}.") for name in exported):
                yield f"--map-schema {old}={new}"

    @cached_property
    def _old_schemas(self) -> dict[str, list[str]]:
        return _inverted(self.schemas)

    @cached_property
    def _old_tables(self) -> dict[str, list[str]]:
        return _inverted(self.tables)


def _inverted(renames: Mapping[str, str]) -> dict[str, list[str]]:
    inverted = defaultdict(list)
    for old, new in renames.items():
        inverted[new].append(old)
    return dict(inverted)
