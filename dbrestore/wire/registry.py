"""Which type of the target takes which encoder, and so which COPY format a table gets.

A new type is one encoder and one line here. Keys are the oids of PostgreSQL's built-in types, which never change
(src/include/catalog/pg_type.dat); a domain has been replaced by its base type before it comes here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

import pyarrow as pa

from dbrestore.wire import numeric, scalars, temporal, uuids
from dbrestore.wire.binary import BinaryEncoder
from dbrestore.wire.fields import Field
from dbrestore.wire.text import TextEncoder

Encoder: TypeAlias = Callable[[pa.Array], Field]
Accepts: TypeAlias = Callable[[pa.DataType], bool]


class CopyFormat(StrEnum):
    """FORMAT of COPY."""

    BINARY = "binary"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class PgType:
    """What decides how a value of a target column looks on the wire."""

    oid: int
    name: str
    """As people write it: ``format_type`` of the column."""
    is_enum: bool = False


@dataclass(frozen=True, slots=True)
class WireColumn:
    """A column of a part and the column of the target that takes it."""

    name: str
    source: pa.DataType
    target: PgType


class StreamEncoder(Protocol):
    """Turns record batches into the bytes of one COPY: ``header``, the batches, ``trailer``."""

    @property
    def header(self) -> bytes:
        """Bytes before the first row."""
        ...

    @property
    def trailer(self) -> bytes:
        """Bytes after the last row."""
        ...

    def encode(self, batch: pa.RecordBatch) -> Iterator[pa.Buffer]:
        """The rows of ``batch``. Raises UnencodableError for a value that its column cannot hold."""
        ...


_INTEGER: Accepts = pa.types.is_integer
_FLOAT: Accepts = pa.types.is_floating
_STRING: Accepts = pa.types.is_string
_DECIMAL: Accepts = pa.types.is_decimal
_TIMESTAMP: Accepts = pa.types.is_timestamp

_TEXTUAL = ((_STRING, scalars.encode_plain),)

_ENCODERS: dict[int, tuple[tuple[Accepts, Encoder], ...]] = {
    16: ((pa.types.is_boolean, scalars.encode_boolean),),
    17: ((pa.types.is_binary, scalars.encode_plain),),
    20: ((_INTEGER, scalars.integer_encoder(8)),),
    21: ((_INTEGER, scalars.integer_encoder(2)),),
    23: ((_INTEGER, scalars.integer_encoder(4)),),
    25: _TEXTUAL,
    114: _TEXTUAL,
    700: ((pa.types.is_float32, scalars.float_encoder(4)),),
    701: ((_FLOAT, scalars.float_encoder(8)),),
    1042: _TEXTUAL,
    1043: _TEXTUAL,
    1082: ((_STRING, temporal.encode_date_text), (pa.types.is_date32, temporal.encode_date)),
    1114: ((_STRING, temporal.encode_timestamp_text), (_TIMESTAMP, temporal.encode_timestamp)),
    1184: ((_STRING, temporal.encode_timestamptz_text), (_TIMESTAMP, temporal.encode_timestamp)),
    1700: (
        (_STRING, numeric.encode_numeric_text),
        (_DECIMAL, numeric.encode_numeric_decimal),
        (_INTEGER, numeric.encode_numeric_integer),
    ),
    2950: ((_STRING, uuids.encode_uuid),),
    3802: ((_STRING, scalars.encode_jsonb),),
}
"""bool, bytea, int8, int2, int4, text, json, float4, float8, bpchar, varchar, date, timestamp, timestamptz, numeric,
uuid, jsonb."""


def find_encoder(source: pa.DataType, target: PgType) -> Encoder | None:
    """The binary encoder of a column, or None if it has to go as text."""
    choices = _TEXTUAL if target.is_enum else _ENCODERS.get(target.oid, ())
    return next((encoder for accepts, encoder in choices if accepts(source)), None)


def text_reasons(columns: Sequence[WireColumn]) -> tuple[str, ...]:
    """Why a table with these columns cannot go as COPY binary; empty if it can."""
    return tuple(
        f"{column.name}: no binary encoder from {column.source} to {column.target.name}"
        for column in columns
        if find_encoder(column.source, column.target) is None
    )


def stream_encoder(columns: Sequence[WireColumn], copy_format: CopyFormat) -> StreamEncoder:
    """The encoder of parts with these columns, in the order of the COPY's column list."""
    if copy_format is CopyFormat.TEXT:
        return TextEncoder()
    encoders = [(column.name, find_encoder(column.source, column.target)) for column in columns]
    return BinaryEncoder([(name, encoder) for name, encoder in encoders if encoder is not None])
