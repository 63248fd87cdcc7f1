"""Patterns for tables and columns, and which tables they select.

A pattern is a glob (``*``, ``?``, ``[abc]``), matched with its capitals. One with a dot is for ``schema.name``, one
without for the name in any schema; where a name holds dots itself, any of them may be the one between the two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dbrestore.planning.choices import Choices

Name: TypeAlias = tuple[str, str]
"""A schema and a name in it."""

_GLOB_CHARACTERS = re.compile(r"[*?\[]")


def possible_names(dotted: str) -> tuple[Name, ...]:
    """All ways to split ``schema.name``."""
    return tuple((dotted[: dot.start()], dotted[dot.end() :]) for dot in re.finditer(r"\.", dotted))


@dataclass(frozen=True, slots=True)
class TablePattern:
    """A pattern for tables."""

    text: str

    def matches(self, names: Iterable[Name]) -> bool:
        """Whether it is for a table that is called one of ``names``."""
        return any(self._matches(schema, name) for schema, name in names)

    @property
    def is_a_name(self) -> bool:
        """Whether it has no wildcards."""
        return _GLOB_CHARACTERS.search(self.text) is None

    def _matches(self, schema: str, name: str) -> bool:
        if "." not in self.text:
            return _matches(self.text, name)
        return any(
            _matches(of_schema, schema) and _matches(of_name, name) for of_schema, of_name in possible_names(self.text)
        )


@dataclass(frozen=True, slots=True)
class ColumnPattern:
    """A pattern for columns: ``column``, ``table.column`` or ``schema.table.column``."""

    text: str

    def matches(self, table: Name, column: str) -> bool:
        """Whether it is for this column of this table."""
        if "." not in self.text:
            return _matches(self.text, column)
        return any(
            _matches(of_column, column) and TablePattern(of_table).matches([table])
            for of_table, of_column in possible_names(self.text)
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """Which tables are to be restored.

    With no pattern to include, all are; else those that one of them is for. What a pattern to exclude is for is not.
    """

    include_tables: tuple[TablePattern, ...] = ()
    exclude_tables: tuple[TablePattern, ...] = ()
    include_schemas: tuple[str, ...] = ()
    exclude_schemas: tuple[str, ...] = ()

    @classmethod
    def of(cls, choices: Choices) -> Selection:
        """What the user chose."""
        return cls(
            tuple(map(TablePattern, choices.include_tables)),
            tuple(map(TablePattern, choices.exclude_tables)),
            choices.include_schemas,
            choices.exclude_schemas,
        )

    @property
    def is_everything(self) -> bool:
        """Whether there is no pattern at all."""
        return not (self.include_tables or self.exclude_tables or self.include_schemas or self.exclude_schemas)

    def includes(self, names: Sequence[Name]) -> bool:
        """Whether the table is to be restored, unless it is excluded."""
        if not self.include_tables and not self.include_schemas:
            return True
        return _any_table(self.include_tables, names) or _any_schema(self.include_schemas, names)

    def excludes(self, names: Sequence[Name]) -> bool:
        """Whether the table must not be restored."""
        return _any_table(self.exclude_tables, names) or _any_schema(self.exclude_schemas, names)

    def names_exactly(self, names: Sequence[Name]) -> bool:
        """Whether the table is included by its name, not by a wildcard or its schema."""
        return any(pattern.is_a_name and pattern.matches(names) for pattern in self.include_tables)

    def unused(self, tables: Iterable[Sequence[Name]]) -> Iterator[str]:
        """Each option with a pattern that is for none of ``tables``."""
        known = list(tables)
        for option, patterns in (("--include-tables", self.include_tables), ("--exclude-tables", self.exclude_tables)):
            for pattern in patterns:
                if not any(pattern.matches(names) for names in known):
                    yield f"{option} {pattern.text}"
        schemas = {schema for names in known for schema, _ in names}
        for option, texts in (("--include-schemas", self.include_schemas), ("--exclude-schemas", self.exclude_schemas)):
            for text in texts:
                if not any(_matches(text, schema) for schema in schemas):
                    yield f"{option} {text}"


def _any_table(patterns: Iterable[TablePattern], names: Sequence[Name]) -> bool:
    return any(pattern.matches(names) for pattern in patterns)


def _any_schema(texts: Iterable[str], names: Sequence[Name]) -> bool:
    return any(_matches(text, schema) for text in texts for schema, _ in names)


def _matches(glob: str, name: str) -> bool:
    return _compiled(glob).match(name) is not None


@cache
def _compiled(glob: str) -> re.Pattern[str]:
    return re.compile(translate(glob))
