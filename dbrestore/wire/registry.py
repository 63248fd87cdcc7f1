"""Which type of the target takes which encoder, and so which COPY format a table gets.

A type is known by its receive function (pg_type.typreceive), since that is what reads the wire: types that share one,
such as a domain and what it is over, share an encoder. A new type is one encoder and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Protocol, TypeAlias

import pyarrow as pa

from dbrestore.wire import bits, hexadecimal, hstores, intervals, network, numeric, scalars, temporal, vectors
from dbrestore.wire.arrays import array_encoder
from dbrestore.wire.binary import BinaryColumn, BinaryEncoder
from dbrestore.wire.cells import find_cell
from dbrestore.wire.distinct import from_source
from dbrestore.wire.fields import Field
from dbrestore.wire.sources import KINDS_REMEMBERED, plain_type
from dbrestore.wire.text import BYTEA_PREFIX, TextColumn, TextEncoder, as_text, has_text

Encoder: TypeAlias = Callable[[pa.Array], Field]
Accepts: TypeAlias = Callable[[pa.DataType], bool]
EncoderForTypmod: TypeAlias = Callable[[int], Encoder]
"""Makes the encoder for a column's pg_attribute.atttypmod, -1 for none."""


ARRAY_RECEIVE = "array_recv"
UUID_RECEIVE = "uuid_recv"


class CopyFormat(StrEnum):
    """FORMAT of COPY."""

    BINARY = "binary"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class PgType:
    """What decides how a value of a target column looks on the wire."""

    name: str
    """As people write it: ``format_type`` of the column."""
    receive: str
    """Its receive function; of one that an extension owns, ``extension.function``. Empty if it is anybody else's."""
    oid: int = 0
    typmod: int = -1
    element: PgType | None = None
    """Of an array."""


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


def _any(encoder: Encoder) -> EncoderForTypmod:
    """The same encoder whatever the typmod."""
    return lambda _: encoder


_BOOLEAN: Accepts = pa.types.is_boolean
_BINARY: Accepts = pa.types.is_binary
_DATE: Accepts = pa.types.is_date32
_DECIMAL: Accepts = pa.types.is_decimal
_FLOAT: Accepts = pa.types.is_floating
_INTEGER: Accepts = pa.types.is_integer
_STRING: Accepts = pa.types.is_string
_TIME: Accepts = pa.types.is_time
_TIMESTAMP: Accepts = pa.types.is_timestamp


def _integers(width: int) -> tuple[tuple[Accepts, EncoderForTypmod], ...]:
    return (
        (_INTEGER, _any(scalars.integer_encoder(width))),
        (_STRING, _any(scalars.integer_text_encoder(width))),
    )


def _floats(width: int) -> tuple[tuple[Accepts, EncoderForTypmod], ...]:
    return (
        (_FLOAT, _any(scalars.float_encoder(width))),
        (_INTEGER, _any(scalars.float_encoder(width))),
        (_STRING, _any(scalars.float_text_encoder(width))),
    )


_TEXT = ((_STRING, _any(scalars.encode_plain)),)
_VERSION_1_TEXT = ((_STRING, _any(scalars.encode_version_1)),)

_ENCODERS: dict[str, tuple[tuple[Accepts, EncoderForTypmod], ...]] = {
    "bit_recv": ((_STRING, _any(bits.encode_bits)),),
    "boolrecv": ((_BOOLEAN, _any(scalars.encode_boolean)), (_STRING, _any(scalars.encode_boolean_text))),
    "bpcharrecv": _TEXT,
    "bytearecv": ((_BINARY, _any(scalars.encode_plain)),),
    "cidr_recv": ((_STRING, _any(network.network_encoder(is_cidr=True))),),
    "citext.citextrecv": _TEXT,
    "date_recv": ((_STRING, _any(temporal.encode_date_text)), (_DATE, _any(temporal.encode_date))),
    "enum_recv": _TEXT,
    "float4recv": _floats(4),
    "float8recv": _floats(8),
    "hstore.hstore_recv": ((_STRING, _any(hstores.encode_hstore)),),
    "inet_recv": ((_STRING, _any(network.network_encoder(is_cidr=False))),),
    "int2recv": _integers(2),
    "int4recv": _integers(4),
    "int8recv": _integers(8),
    "interval_recv": ((_STRING, intervals.interval_text_encoder),),
    "json_recv": _TEXT,
    "jsonb_recv": _VERSION_1_TEXT,
    "jsonpath_recv": _VERSION_1_TEXT,
    "ltree.ltree_recv": _VERSION_1_TEXT,
    "macaddr8_recv": ((_STRING, _any(hexadecimal.MACADDR8.encode)),),
    "macaddr_recv": ((_STRING, _any(hexadecimal.MACADDR.encode)),),
    "namerecv": _TEXT,
    "numeric_recv": (
        (_STRING, numeric.numeric_text_encoder),
        (_DECIMAL, numeric.numeric_decimal_encoder),
        (_INTEGER, numeric.numeric_integer_encoder),
    ),
    "postgis.geography_recv": ((_STRING, _any(hexadecimal.encode_hexadecimal)),),
    "postgis.geometry_recv": ((_STRING, _any(hexadecimal.encode_hexadecimal)),),
    "textrecv": _TEXT,
    "time_recv": ((_STRING, intervals.time_text_encoder), (_TIME, intervals.time_encoder)),
    "timestamp_recv": (
        (_STRING, temporal.timestamp_text_encoder),
        (_TIMESTAMP, temporal.timestamp_encoder),
    ),
    "timestamptz_recv": (
        (_STRING, temporal.timestamptz_text_encoder),
        (_TIMESTAMP, temporal.timestamp_encoder),
    ),
    "timetz_recv": ((_STRING, intervals.timetz_text_encoder),),
    UUID_RECEIVE: ((_STRING, _any(hexadecimal.UUID.encode)), (_BINARY, _any(scalars.encode_uuid_bytes))),
    "varbit_recv": ((_STRING, _any(bits.encode_bits)),),
    "varcharrecv": ((_STRING, scalars.varchar_encoder),),
    "vector.vector_recv": ((_STRING, _any(vectors.encode_vector)),),
}


def find_encoder(source: pa.DataType, target: PgType) -> Encoder | None:
    """The binary encoder of a column of one stream, or None if it has to go as text."""
    encoder = _find_plain(source, target)
    return None if encoder is None else from_source(encoder)


@lru_cache(maxsize=KINDS_REMEMBERED)
def _find_plain(source: pa.DataType, target: PgType) -> Encoder | None:
    """What encodes plain arrays of the values of ``source``, and serves all streams, since it remembers nothing."""
    kind = plain_type(source)
    if target.receive == ARRAY_RECEIVE and target.element is not None and _STRING(kind):
        element = _find_plain(pa.string(), target.element)
        return None if element is None else array_encoder(target.element.oid, element)
    choices = _ENCODERS.get(target.receive, ())
    encoder = next((choice(target.typmod) for accepts, choice in choices if accepts(kind)), None)
    if encoder is None and has_text(kind) and not _STRING(kind):
        from_text = _find_plain(pa.string(), target)
        return None if from_text is None else _after(as_text, from_text)
    return encoder


def _after(convert: Callable[[pa.Array], pa.Array], encoder: Encoder) -> Encoder:
    return lambda array: encoder(convert(array))


def text_reasons(columns: Sequence[WireColumn]) -> tuple[str, ...]:
    """Why a table with these columns goes as COPY text; empty if it goes as binary.

    It cannot go as binary where a column has no encoder, and would not be faster where the columns that cost more as
    binary outweigh the others.
    """
    missing = tuple(
        f"{column.name}: no binary encoder from {column.source} to {column.target.name}"
        for column in columns
        if _find_plain(column.source, column.target) is None
    )
    if missing or sum(_saved(column.target) for column in columns) >= 0:
        return missing
    return tuple(
        f"{column.name}: {column.target.name} costs less as text" for column in columns if _saved(column.target) < 0
    )


def _saved(target: PgType) -> int:
    """Nanoseconds of CPU, here and in the server together, that binary saves for each value; negative if it costs."""
    if target.element is not None:
        saved = _SAVED_BY_ELEMENT.get(target.element.receive, _SAVED_BY_ARRAY)
    else:
        saved = _SAVED.get(target.receive, _SAVED_BY_OTHERS)
    return max(0, saved) if _may_change(target) else saved  # text that is checked costs what binary does, and its own


_SAVED = {
    "boolrecv": 50,
    "bpcharrecv": 130,
    "cidr_recv": -200,
    "date_recv": 145,
    "float4recv": 170,
    "float8recv": 225,
    "hstore.hstore_recv": -510,
    "inet_recv": -195,
    "json_recv": 135,
    "jsonb_recv": 95,
    "macaddr_recv": 250,
    "numeric_recv": 45,
    "textrecv": 70,
    "time_recv": 155,
    "timestamp_recv": 280,
    "timestamptz_recv": 385,
    "timetz_recv": 135,
    "uuid_recv": 400,
    "varbit_recv": -85,
    "varcharrecv": 30,
}
_SAVED_BY_OTHERS = 25
_SAVED_BY_ELEMENT = {
    "int2recv": -285,
    "int4recv": -285,
    "int8recv": -285,
    "numeric_recv": -615,
    "timestamptz_recv": -110,
    "timestamp_recv": -110,
    "uuid_recv": 690,
}
_SAVED_BY_ARRAY = -390
"""Measured by benchmarks/encoders.py; see docs/performance.md."""


def stream_encoder(columns: Sequence[WireColumn], copy_format: CopyFormat) -> StreamEncoder:
    """The encoder of parts with these columns, in the order of the COPY's column list."""
    if copy_format is CopyFormat.TEXT:
        return TextEncoder([_text_column(column) for column in columns])
    return BinaryEncoder([_binary_column(column) for column in columns])


def _binary_column(column: WireColumn) -> BinaryColumn:
    encoder = find_encoder(column.source, column.target)
    assert encoder is not None
    return BinaryColumn(column.name, encoder, find_cell(column.source, column.target.receive, column.target.typmod))


def _text_column(column: WireColumn) -> TextColumn:
    """With the binary encoder as a check where it may be needed; uuid_in takes its digits bare."""
    needs_check = _may_change(column.target) or not _STRING(column.source)
    check = find_encoder(column.source, column.target) if needs_check else None
    return TextColumn(column.name, check, b"" if column.target.receive == UUID_RECEIVE else BYTEA_PREFIX)


def _may_change(target: PgType) -> bool:
    """Whether the type's text input may round a value, or leave a part of it out, without a word."""
    if target.element is not None:
        return _may_change(target.element)
    return target.receive in _CAREFREE or (target.typmod >= 0 and target.receive in _ROUNDING)


_CAREFREE = {"date_recv", "float4recv", "float8recv", "time_recv", "timetz_recv"}
"""date_in leaves out a time of day, time_in a date; float4in and float8in round."""
_ROUNDING = {"interval_recv", "numeric_recv", "timestamp_recv", "timestamptz_recv", "varcharrecv"}
"""By typmod."""
