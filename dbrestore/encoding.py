"""Parts into the stream of a COPY."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbrestore.errors import InvalidValueError
from dbrestore.export.rows import read_batches
from dbrestore.places import place_of, shorten
from dbrestore.timing import CopyClock
from dbrestore.wire.fields import UnencodableError
from dbrestore.wire.registry import stream_encoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbrestore.export.storage import Content
    from dbrestore.plan import PlannedPart, PlannedTable
    from dbrestore.wire.registry import StreamEncoder

MOST_ENCODED_BYTES = 1024**2
"""Of a small table's stream, up to which it is made as a whole."""
ENCODED_AT_ONCE = 8
"""Small tables that a thread encodes in one go: to be told of each would take as long as it does."""

VALUE_HINT = (
    "Give the target's column the type that it had in the snapshot, or a wider one such as text or numeric, then begin "
    "anew with --restart."
)


@dataclass(slots=True)
class EncodedTable:
    """A small table whose stream is made before its COPY begins."""

    table: PlannedTable
    parts: Sequence[PlannedPart]
    contents: Sequence[Content]
    """Of each part."""
    clock: CopyClock = field(default_factory=CopyClock)
    chunks: Sequence[Any] | None = None
    """The stream; None if it is too large to be kept."""

    def encode(self) -> None:
        """Make the stream. Raises as a load does."""
        encoder = stream_encoder(self.table.columns, self.table.copy_format)
        chunks: list[Any] = []
        size = 0
        for content, part in zip(self.contents, self.parts, strict=True):
            for chunk in encode_part(content, part, self.table, encoder, self.clock):
                chunks.append(chunk)
                size += len(chunk)
                if size > MOST_ENCODED_BYTES:
                    return
        self.chunks = [b"".join((encoder.header, *chunks, encoder.trailer))]


def encode_few(tables: Sequence[EncodedTable]) -> Iterator[Sequence[EncodedTable]]:
    """A few tables at a time, encoded."""
    for start in range(0, len(tables), ENCODED_AT_ONCE):
        few = tables[start : start + ENCODED_AT_ONCE]
        for table in few:
            table.encode()
        yield few


def encode_part(
    content: Content, part: PlannedPart, table: PlannedTable, encoder: StreamEncoder, clock: CopyClock
) -> Iterator[Any]:
    """Of one part. Raises PartError and InvalidValueError, which names part, row, column and value."""
    rows = 0
    for batch in clock.decode(read_batches(content, part.file.key, [column.name for column in table.columns])):
        try:
            yield from clock.encode(encoder.encode(batch))
        except UnencodableError as error:
            raise InvalidValueError(
                f"{place_of(table, [part])}, row {rows + error.row + 1}, column {error.column}: "
                f"{shorten(error.value)} {error.reason}",
                hint=VALUE_HINT,
            ) from error
        rows += batch.num_rows
        del batch  # it would be kept while the next one is made
