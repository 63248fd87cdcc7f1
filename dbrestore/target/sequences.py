"""Sequences, which an export does not hold: they go on after the values that were loaded.

A sequence is put where it would be had it made the furthest value that it can have made: the largest, or the smallest
if it counts down, of all columns that it numbers, in its range and in step with its START and INCREMENT. Where there
is none it starts anew. The loaded data decide, also where the target's sequence was further on; only if it numbers a
column that cannot be compared with it is it never set back.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain, groupby
from typing import TYPE_CHECKING

from dbrestore.target.catalog import catalog_snapshot
from dbrestore.target.connect import translate_errors
from dbrestore.target.descent import read_children, with_descendants
from dbrestore.target.quoting import qualified, quote_identifier
from dbrestore.target.sql import load_queries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from decimal import Decimal

    import asyncpg

TABLES_AT_ONCE = 50
"""Tables looked into by one query, which holds a lock on each of them and of their indexes."""
SEQUENCES_AT_ONCE = 500
"""Sequences set by one query, which holds a lock on each of them."""


@dataclass(frozen=True, slots=True)
class NumberedColumn:
    """A column that a sequence numbers, of a table that has rows of its own."""

    table_oid: int
    schema: str
    table: str
    name: str
    is_plain: bool
    """Its default is the next value of the sequence, and not an expression over it."""
    is_comparable: bool
    """It is a number, and the role may see all of its values."""
    is_indexed: bool
    """Its largest value is found without a scan."""

    @property
    def dotted(self) -> str:
        """``schema.table.column`` as people write it."""
        return f"{self.schema}.{self.table}.{self.name}"


@dataclass(frozen=True, slots=True)
class NumberSequence:
    """A sequence, with what it numbers."""

    oid: int
    schema: str
    name: str
    start: int
    increment: int
    minimum: int
    maximum: int
    is_settable: bool
    columns: tuple[NumberedColumn, ...]

    @property
    def dotted(self) -> str:
        """``schema.name`` as people write it."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Probe:
    """Columns of some tables that one query looks into, each with the sequence that numbers it."""

    columns: tuple[tuple[NumberSequence, NumberedColumn], ...]

    @property
    def tables(self) -> frozenset[int]:
        """The oids of the tables."""
        return frozenset(column.table_oid for _, column in self.columns)


@dataclass(frozen=True, slots=True)
class Extent:
    """How far the values of a column go that a sequence numbers."""

    sequence_oid: int
    reached: int | None
    """The furthest value in the sequence's range."""
    is_beyond: bool
    """There are values past the end of that range."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a sequence stands: the arguments of setval()."""

    value: int
    is_called: bool
    """The next value is the one after ``value``, not ``value`` itself."""


async def read_sequences(connection: asyncpg.Connection, tables: Collection[int]) -> tuple[NumberSequence, ...]:
    """The sequences that number columns of ``tables`` (oids) or of their partitions. Raises TargetError.

    A sequence is seen where a column owns it, or where a default names it as a constant: ``nextval('numbers')``.
    """
    queries = load_queries("sequences.sql")
    async with catalog_snapshot(connection):
        children = await read_children(connection)
        loaded = with_descendants(tables, children)
        numbered = _add_descendants(await connection.fetch(queries["numbered"]), children)
        wanted = {oid: places for oid, places in numbered.items() if any(table in loaded for table, _ in places)}
        places = list({place for places in wanted.values() for place in places})
        columns = await connection.fetch(queries["columns"], [oid for oid, _ in places], [name for _, name in places])
        sequences = await connection.fetch(queries["sequences"], list(wanted))
    found = {(row["table_oid"], row["name"]): row for row in columns}
    return tuple(NumberSequence(**row, columns=_columns(wanted[row["oid"]], found)) for row in sequences)


def _add_descendants(
    numbered: Iterable[asyncpg.Record], children: Mapping[int, Sequence[int]]
) -> dict[int, dict[tuple[int, str], bool]]:
    """By sequence, the table and name of each column that it numbers, and whether plainly so.

    What numbers a column of a partitioned table numbers those of its partitions.
    """
    places: dict[int, dict[tuple[int, str], bool]] = defaultdict(dict)
    for row in numbered:
        of_sequence = places[row["sequence_oid"]]
        for table in with_descendants([row["table_oid"]], children):
            place = table, row["name"]
            of_sequence[place] = of_sequence.get(place, True) and row["is_plain"]
    return places


def _columns(
    places: Mapping[tuple[int, str], bool], found: Mapping[tuple[int, str], asyncpg.Record]
) -> tuple[NumberedColumn, ...]:
    columns = [
        NumberedColumn(**found[place], is_plain=is_plain) for place, is_plain in places.items() if place in found
    ]
    return tuple(sorted(columns, key=lambda column: column.dotted))


def plan_probes(sequences: Iterable[NumberSequence]) -> tuple[Probe, ...]:
    """What has to be looked into: a table that has to be scanned by itself, others many at a time."""
    columns = [(sequence, column) for sequence in sequences for column in sequence.columns if column.is_comparable]
    columns.sort(key=_table_of)
    tables = [list(of_one) for _, of_one in groupby(columns, key=_table_of)]
    scanned = [table for table in tables if not _is_indexed(table)]
    indexed = [table for table in tables if _is_indexed(table)]
    batches = [indexed[start : start + TABLES_AT_ONCE] for start in range(0, len(indexed), TABLES_AT_ONCE)]
    return tuple(Probe(tuple(chain.from_iterable(batch))) for batch in [*([table] for table in scanned), *batches])


def _table_of(numbered: tuple[NumberSequence, NumberedColumn]) -> int:
    return numbered[1].table_oid


def _is_indexed(columns: Iterable[tuple[NumberSequence, NumberedColumn]]) -> bool:
    return all(column.is_indexed for _, column in columns)


async def probe_columns(connection: asyncpg.Connection, probe: Probe) -> tuple[Extent, ...]:
    """How far the values of each column go. Raises TargetError."""
    with translate_errors(f"looking for the largest values of {_shown([column for _, column in probe.columns])}"):
        rows = await connection.fetch(_probe_sql(probe))
    return tuple(_extent(probe.columns[row["number"]][0], row["reached"], row["furthest"]) for row in rows)


def _probe_sql(probe: Probe) -> str:
    looks: dict[tuple[int, bool], list[int]] = defaultdict(list)
    for number, (_, column) in enumerate(probe.columns):
        looks[column.table_oid, column.is_indexed].append(number)
    return " UNION ALL ".join(_look_sql(probe, numbers) for numbers in looks.values())


def _look_sql(probe: Probe, numbers: Sequence[int]) -> str:
    """The furthest values of columns of one table: each by its index, or all of them by one scan."""
    column = probe.columns[numbers[0]][1]
    source = "" if column.is_indexed else f" FROM ONLY {qualified(column.schema, column.table)}"
    values = ", ".join(
        f"{_value_sql(*probe.columns[number], in_range=in_range)}::numeric AS value_{number}_{in_range:d}"
        for number in numbers
        for in_range in (True, False)
    )
    rows = ", ".join(f"({number}, value_{number}_1, value_{number}_0)" for number in numbers)
    return (
        f"SELECT found.* FROM (SELECT {values}{source}) AS look, "
        f"LATERAL (VALUES {rows}) AS found (number, reached, furthest)"
    )


def _value_sql(sequence: NumberSequence, column: NumberedColumn, *, in_range: bool) -> str:
    name = quote_identifier(column.name)
    furthest = f"{'max' if sequence.increment > 0 else 'min'}({name})"
    condition = f"WHERE {name} BETWEEN '{sequence.minimum}'::int8 AND '{sequence.maximum}'::int8" if in_range else ""
    if column.is_indexed:
        return f"(SELECT {furthest} FROM ONLY {qualified(column.schema, column.table)} {condition})"
    return f"({furthest}{f' FILTER ({condition})' if in_range else ''})"


def _extent(sequence: NumberSequence, reached: Decimal | None, furthest: Decimal | None) -> Extent:
    rounded = None if reached is None else math.floor(reached) if sequence.increment > 0 else math.ceil(reached)
    if furthest is None:
        is_beyond = False
    elif furthest.is_nan():
        is_beyond = True
    else:
        is_beyond = furthest > sequence.maximum if sequence.increment > 0 else furthest < sequence.minimum
    return Extent(sequence.oid, rounded, is_beyond)


async def advance(
    connection: asyncpg.Connection, sequences: Iterable[NumberSequence], extents: Iterable[Extent]
) -> list[str]:
    """Set the sequences by what all probes found; return warnings for people. Raises TargetError."""
    found: dict[int, list[Extent]] = defaultdict(list)
    for extent in extents:
        found[extent.sequence_oid].append(extent)
    warnings: list[str] = []
    settings: list[tuple[int, int, bool, bool]] = []
    for sequence in sequences:
        warnings += _warnings(sequence, found[sequence.oid])
        settings += _settings(sequence, find_furthest(sequence, found[sequence.oid]))
    statement = load_queries("sequences.sql")["set_sequences"]
    with translate_errors("setting the sequences"):
        for start in range(0, len(settings), SEQUENCES_AT_ONCE):
            await connection.fetch(statement, *zip(*settings[start : start + SEQUENCES_AT_ONCE], strict=True))
    return warnings


def _settings(sequence: NumberSequence, reached: int | None) -> Iterator[tuple[int, int, bool, bool]]:
    """The parameters of ``set_sequences``, unless there is nothing to set."""
    is_whole = all(column.is_comparable for column in sequence.columns)
    if sequence.is_settable and (is_whole or reached is not None):
        position = find_position(sequence, reached)
        yield sequence.oid, position.value, position.is_called, not is_whole


def find_furthest(sequence: NumberSequence, extents: Iterable[Extent]) -> int | None:
    """The value that is furthest in the direction of the sequence; None if its columns have none."""
    values = [extent.reached for extent in extents if extent.reached is not None]
    return (max if sequence.increment > 0 else min)(values, default=None)


def find_position(sequence: NumberSequence, reached: int | None) -> Position:
    """Where a sequence has to stand so that its next value is past ``reached`` and one that it can make."""
    steps = -1 if reached is None else (reached - sequence.start) // sequence.increment
    if steps < 0:
        return Position(sequence.start, is_called=False)
    return Position(sequence.start + steps * sequence.increment, is_called=True)


def _warnings(sequence: NumberSequence, extents: Iterable[Extent]) -> Iterator[str]:
    if not sequence.is_settable:
        yield f"sequence {sequence.dotted} is left as it is: the role may not set it"
        return
    if columns := [column for column in sequence.columns if not column.is_comparable]:
        why = "is not a number or not for the role to see"
        yield f"sequence {sequence.dotted} may have to be set: it numbers {_shown(columns)}, which {why}"
    if columns := [column for column in sequence.columns if column.is_comparable and not column.is_plain]:
        yield f"sequence {sequence.dotted} may have to be set: the default of {_shown(columns)} is made from it"
    if any(extent.is_beyond for extent in extents):
        span = f"{sequence.minimum} to {sequence.maximum}"
        yield f"{_shown(sequence.columns)} has values beyond those of sequence {sequence.dotted}: {span}"


def _shown(columns: Sequence[NumberedColumn]) -> str:
    more = f" and {len(columns) - 1} more" if len(columns) > 1 else ""
    return f"{columns[0].dotted}{more}"
