"""Finds the rows that differ in a table whose sums do, in memory that does not depend on the size of the table.

Each side is read into buckets first. Rows of the export whose buckets differ are put into the target's own form; of
the buckets that differ then, as many are read again, row by row, as there is room for.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from dbrestore.export.rows import read_batches
from dbrestore.places import shorten
from dbrestore.target.quoting import quote_identifier
from dbrestore.target.rows import relation
from dbrestore.verification.hashing import BUCKETS, BucketSums, bucket_of
from dbrestore.verification.own_form import may_use_own_form, own_form
from dbrestore.verification.stored import StoredRows
from dbrestore.verification.verdicts import Difference, ShownRow
from dbrestore.wire.fields import shown_value

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    import asyncpg

    from dbrestore.plan import PlannedPart, PlannedTable
    from dbrestore.verification.columns import RowForm
    from dbrestore.verification.exported import ExportedRows, HashedBatch
    from dbrestore.verification.own_form import OwnForm
    from dbrestore.wire.fields import Array

MOST_ROWS = 200_000
"""Rows that are held at a time to find those that differ."""
MOST_SHOWN = 3
"""Rows of each side that are shown."""
PLACE_BYTES = 18
"""tableoid and ctid, each with its length."""

Place = tuple[int, int, int]
"""Oid of the table, page, and place in the page."""
Row = tuple["PlannedPart", int]
"""Part, and place in it from 0."""
Found = TypeVar("Found")


@dataclass(slots=True)
class Located(Generic[Found]):
    """Rows that are the same: how many there are, and where the first of them are."""

    number: int = 0
    places: list[Found] = field(default_factory=list)

    def add(self, place: Found) -> None:
        """Count one more."""
        self.number += 1
        if len(self.places) < MOST_SHOWN:
            self.places.append(place)


@dataclass(frozen=True, slots=True)
class Search:
    """Looks for the rows of one table."""

    table: PlannedTable
    form: RowForm
    exported: ExportedRows
    connection: asyncpg.Connection

    async def run(self) -> Difference | None:
        """The rows that differ; None if none does, when the target has put those of the export into its own form."""
        ours, theirs = await self._read_buckets()
        doubtful = ours.differing(theirs)
        async with AsyncExitStack() as stack:
            form = None
            if await may_use_own_form(self.connection):
                entered = own_form(self.connection, self.table, self.form, self.exported.row_hash)
                form = await stack.enter_async_context(entered)
                ours.clear(doubtful)
                async for digests in self._in_own_form(form, doubtful):
                    ours.add(digests)
            differing = ours.differing(theirs)
            if not differing.any():
                return None
            chosen = _choose(differing, ours.rows + theirs.rows)
            rows = await self._locate_exported(form, doubtful, chosen)
        places = await self._locate_stored(chosen)
        number_of_ours, only_ours = _only(rows, places)
        number_of_theirs, only_theirs = _only(places, rows)
        return Difference(
            number_of_ours,
            number_of_theirs,
            is_exact=bool((chosen == differing).all()),
            rows=(*await self._show_exported(only_ours), *await self._show_stored(only_theirs)),
            is_by_form=form is None,
        )

    async def _batches(self) -> AsyncGenerator[HashedBatch, None]:
        for part in self.table.parts:
            async with aclosing(self.exported.read(self.table, part, self.form)) as batches:
                async for batch in batches:
                    yield batch

    @property
    def _stored(self) -> StoredRows:
        return StoredRows(self.connection, self.exported.threads)

    async def _read_buckets(self) -> tuple[BucketSums, BucketSums]:
        ours, theirs = BucketSums(), BucketSums()
        row_hash = self.exported.row_hash
        await self._stored.read(
            self.form.query(relation(self.table.table)),
            lambda stream: theirs.add(row_hash.digests(row_hash.rows(stream))),
        )
        async with aclosing(self._batches()) as batches:
            async for batch in batches:
                ours.add(batch.digests)
        return ours, theirs

    async def _in_own_form(self, form: OwnForm, doubtful: Array) -> AsyncGenerator[Array, None]:
        """The hashes of the rows of doubtful buckets in the target's own form."""
        async with aclosing(self._batches()) as batches:
            async for batch in batches:
                places = np.flatnonzero(doubtful[bucket_of(batch.digests)])
                if len(places):
                    yield await form.hash(batch.batch.take(places))

    async def _locate_exported(
        self, form: OwnForm | None, doubtful: Array, chosen: Array
    ) -> Mapping[bytes, Located[Row]]:
        """The rows of the export in chosen buckets, by their hash."""
        found: dict[bytes, Located[Row]] = defaultdict(Located)
        async with aclosing(self._batches()) as batches:
            async for batch in batches:
                digests = batch.digests.copy()
                places = np.flatnonzero(doubtful[bucket_of(digests)])
                if form is not None and len(places):
                    digests[places] = await form.hash(batch.batch.take(places))
                for place in np.flatnonzero(chosen[bucket_of(digests)]).tolist():
                    found[digests[place].tobytes()].add((batch.part, batch.first_row + place))
        return found

    async def _locate_stored(self, chosen: Array) -> Mapping[bytes, Located[Place]]:
        """The rows of the target in chosen buckets, by their hash."""
        found: dict[bytes, Located[Place]] = defaultdict(Located)
        row_hash, fields = self.exported.row_hash, (len(self.form.columns) + 1).to_bytes(2)

        def take(stream: bytes) -> None:
            rows = row_hash.rows(stream)
            digests = row_hash.digests([fields + row[2 + PLACE_BYTES :] for row in rows])
            for place in np.flatnonzero(chosen[bucket_of(digests)]).tolist():
                found[digests[place].tobytes()].add(_place_of(rows[place]))

        await self._stored.read(self.form.query(relation(self.table.table), with_place=True), take)
        return found

    async def _show_exported(self, rows: Sequence[Row]) -> list[ShownRow]:
        return [await self._show_exported_row(*row) for row in rows[:MOST_SHOWN]]

    async def _show_exported_row(self, part: PlannedPart, row: int) -> ShownRow:
        async with self.exported.storage.fetch(part.file) as content:
            names = [column.name for column in self.table.columns]
            first = 0
            for batch in read_batches(content, part.file.key, names):
                if row < first + batch.num_rows:
                    values = (shorten(shown_value(array, row - first)) for array in batch.columns)
                    return ShownRow(tuple(zip(names, values, strict=True)), part.file.key, row + 1)
                first += batch.num_rows
        raise IndexError(row)

    async def _show_stored(self, places: Sequence[Place]) -> list[ShownRow]:
        names = [column.name for column in self.table.columns]
        texts = ", ".join(f"{quote_identifier(name)}::text" for name in names)
        query = f"SELECT {texts} FROM {relation(self.table.table)} WHERE tableoid = $1 AND ctid = $2"
        shown = []
        for oid, page, place in places[:MOST_SHOWN]:
            if row := await self.connection.fetchrow(query, oid, (page, place)):
                shown.append(ShownRow(tuple(zip(names, map(shorten, row), strict=True))))
        return shown


def _choose(differing: Array, rows: Array) -> Array:
    """As many of the differing buckets as may be held at a time, but one at least."""
    chosen = np.zeros(BUCKETS, bool)
    places = np.flatnonzero(differing)
    fitting = max(1, int(np.searchsorted(np.cumsum(rows[places]), MOST_ROWS, side="right")))
    chosen[places[:fitting]] = True
    return chosen


def _only(ours: Mapping[bytes, Located[Found]], theirs: Mapping[bytes, Located[Any]]) -> tuple[int, list[Found]]:
    """How many rows ``ours`` has more than ``theirs``, and where some of them are."""
    number, places = 0, []
    for digest, located in ours.items():
        more = located.number - (theirs[digest].number if digest in theirs else 0)
        if more > 0:
            number += more
            places += located.places[:more]
    return number, places


def _place_of(row: bytes) -> Place:
    """After the number of fields: an oid, then tidsend's page and place in it, each with the length before."""
    return (
        int.from_bytes(row[6:10]),
        int.from_bytes(row[14:18]),
        int.from_bytes(row[18:20]),
    )
