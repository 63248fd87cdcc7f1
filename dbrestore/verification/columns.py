"""What is compared of a table: for each column an expression of the target, and the same value made of the export's.

A value is compared in COPY's binary form where an encoder makes the very bytes that the server sends; else as text,
since what an export has as text is what the server of the snapshot printed. Where the two differ although they mean
the same (an export that was written by something else, another setting of the server that printed it), the target
puts the export's value into its own form: see ``canonical``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbrestore.target.quoting import quote_identifier
from dbrestore.wire.binary import JOIN_LIMIT
from dbrestore.wire.fields import FixedField, VariableField, named
from dbrestore.wire.joining import encode_pieces, join_rows
from dbrestore.wire.registry import find_encoder
from dbrestore.wire.sources import plain_source, plain_type
from dbrestore.wire.text import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dbrestore.wire.fields import Field
    from dbrestore.wire.registry import WireColumn

BLANK_PADDED = "bpcharrecv"
"""Trailing blanks mean nothing, and a cast to text leaves them out."""
ENCODED_OTHERWISE = {"array_recv", "hstore.hstore_recv", "numeric_recv"}
"""Their receive functions take more forms than one, and ours is not the one that is sent."""


@dataclass(frozen=True, slots=True)
class ComparedColumn:
    """A column on both sides."""

    name: str
    expression: str
    """Of the target, in SQL."""
    encode: Callable[[pa.Array], Field]


def compare_column(column: WireColumn) -> ComparedColumn:
    """How the values of a column are compared."""
    name, receive = quote_identifier(column.name), column.target.receive
    encoder = None if receive in ENCODED_OTHERWISE else find_encoder(column.source, column.target)
    if receive == BLANK_PADDED:
        return ComparedColumn(column.name, f"{name}::text", _encode_unpadded)
    if encoder is None:
        return ComparedColumn(column.name, f"{name}::text", _encode_text)
    return ComparedColumn(column.name, name, encoder)


def _encode_text(array: pa.Array) -> Field:
    plain = plain_source(array)
    return VariableField(plain if pa.types.is_string(plain_type(array.type)) else as_text(plain))


def _encode_unpadded(array: pa.Array) -> Field:
    return VariableField(pc.ascii_rtrim(plain_source(array), " "))


@dataclass(frozen=True, slots=True)
class RowForm:
    """How rows of a table are written to be compared: their columns, then the mark that ends each row."""

    columns: tuple[ComparedColumn, ...]
    mark: bytes

    @classmethod
    def of(cls, columns: Sequence[WireColumn], mark: bytes) -> RowForm:
        """For a table with these columns."""
        return cls(tuple(map(compare_column, columns)), mark)

    def query(self, relation: str, condition: str = "", *, with_place: bool = False) -> str:
        """What COPY sends the rows of a relation by; ``with_place`` with their tableoid and ctid before all else."""
        place = ["tableoid", "ctid"] if with_place else []
        mark = f"'\\x{self.mark.hex()}'::bytea"
        expressions = [*place, *(column.expression for column in self.columns), mark]
        return f"SELECT {', '.join(expressions)} FROM {relation}{condition}"

    def encode(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        """The rows of a batch of the export, in pieces. Raises UnencodableError naming row and column."""
        yield from (buffer.to_pybytes() for buffer in encode_pieces(batch, JOIN_LIMIT, self._encode))

    def _encode(self, batch: pa.RecordBatch) -> pa.Buffer:
        fields = []
        for column, array in zip(self.columns, batch.columns, strict=True):
            with named(column.name):
                fields.append(column.encode(array))
        marks = np.full(batch.num_rows, self.mark, f"V{len(self.mark)}")
        return join_rows([*fields, FixedField(marks, None)], batch.num_rows, large=batch.nbytes > JOIN_LIMIT)
