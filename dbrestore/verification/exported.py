"""The rows of parts, hashed a batch at a time."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dbrestore.concurrency import Ahead
from dbrestore.encoding import VALUE_HINT
from dbrestore.errors import InvalidValueError
from dbrestore.export.rows import read_batches
from dbrestore.places import shorten
from dbrestore.wire.fields import UnencodableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from concurrent.futures import Executor

    import pyarrow as pa

    from dbrestore.export.storage import Content, Storage
    from dbrestore.plan import PlannedPart, PlannedTable
    from dbrestore.verification.columns import RowForm
    from dbrestore.verification.hashing import RowHash
    from dbrestore.wire.fields import Array


@dataclass(frozen=True, slots=True)
class HashedBatch:
    """Neighbouring rows of a part."""

    part: PlannedPart
    first_row: int
    """Its place in the part, from 0."""
    batch: pa.RecordBatch
    digests: Array


@dataclass(frozen=True, slots=True)
class ExportedRows:
    """The rows of tables of an export."""

    storage: Storage
    threads: Executor
    row_hash: RowHash

    async def read(self, table: PlannedTable, part: PlannedPart, form: RowForm) -> AsyncGenerator[HashedBatch, None]:
        """The rows of a part. Raises PartError, or InvalidValueError for a value that its column cannot hold."""
        async with self.storage.fetch(part.file) as content:
            hashed = self._hash(content, table, part, form)
            async with aclosing(Ahead(hashed, self.threads)) as batches:
                async for batch in batches:
                    yield batch

    def _hash(self, content: Content, table: PlannedTable, part: PlannedPart, form: RowForm) -> Iterator[HashedBatch]:
        first = 0
        for batch in read_batches(content, part.file.key, [column.name for column in table.columns]):
            try:
                digests = [self.row_hash.digests(self.row_hash.rows(piece)) for piece in form.encode(batch)]
            except UnencodableError as error:
                raise InvalidValueError(
                    f"{table.table.dotted}, {part.file.key}, row {first + error.row + 1}, column {error.column}: "
                    f"{shorten(error.value)} {error.reason}",
                    hint=VALUE_HINT,
                ) from error
            if digests:
                yield HashedBatch(part, first, batch, np.concatenate(digests))
            first += batch.num_rows
