"""The stream of COPY's binary format (PostgreSQL documentation, COPY, "Binary Format"), a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.wire import compiled
from dbrestore.wire.fields import named
from dbrestore.wire.joining import encode_pieces, join_rows, lone_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from dbrestore.wire.cells import Cell
    from dbrestore.wire.fields import Field

SIGNATURE = b"PGCOPY\n\xff\r\n\0"
HEADER = SIGNATURE + bytes(4) + bytes(4)
"""Signature, flags (no oids), length of the header's extension."""
TRAILER = b"\xff\xff"
"""A row with -1 fields."""
JOIN_LIMIT = 2**30
"""Bytes of a batch above which it is split: the joined rows must stay below the 2 GiB of int32 offsets."""

COPY_LIMIT = 2**20
"""Bytes of a single row above which its texts are not copied to be joined."""


@dataclass(frozen=True, slots=True)
class BinaryColumn:
    """A column of the target and what makes its fields."""

    name: str
    encode: Callable[[pa.Array], Field]
    cell: Cell | None = None
    """How ``_rows`` writes it by itself, if it does."""


class BinaryEncoder:
    """Turns record batches into the stream of ``COPY … FROM STDIN (FORMAT binary)``."""

    header = HEADER
    trailer = TRAILER

    def __init__(self, columns: Sequence[BinaryColumn]) -> None:
        """``columns`` are in the order of the COPY's column list."""
        self._columns = tuple(columns)
        self._compiled = [compiled.CompiledColumn(column.name, column.encode, column.cell) for column in columns]

    def encode(self, batch: pa.RecordBatch) -> Iterator[pa.Buffer]:
        """The rows of ``batch``, whose columns are in the order of the encoder's.

        Raises UnencodableError naming row and column.
        """
        if batch.num_rows == 1 and batch.nbytes >= COPY_LIMIT:
            return lone_row(self._fields(batch))
        return encode_pieces(batch, JOIN_LIMIT, self._encode)

    def _encode(self, batch: pa.RecordBatch) -> pa.Buffer:
        if compiled.IS_THERE and self._compiled:
            return compiled.join_columns(self._compiled, batch)
        return join_rows(self._fields(batch), batch.num_rows, large=batch.nbytes > JOIN_LIMIT)

    def _fields(self, batch: pa.RecordBatch) -> list[Field]:
        return [_field(column, array) for column, array in zip(self._columns, batch.columns, strict=True)]


def _field(column: BinaryColumn, array: pa.Array) -> Field:
    with named(column.name):
        return column.encode(array)
