"""Which columns ``_rows``, the encoder that is written in C, takes as they are, and as what.

What it does not know of them, a value or a column, is encoded by Python; so there is nothing that only one of the two
can do. It is not there where no C compiler was when dbrestore was installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, auto
from functools import lru_cache
from typing import TYPE_CHECKING

import pyarrow as pa

from dbrestore.wire.numeric import typmod_scale
from dbrestore.wire.scalars import VARCHAR_HEADER
from dbrestore.wire.sources import KINDS_REMEMBERED, plain_type

if TYPE_CHECKING:
    from collections.abc import Callable

INTEGER_WIDTHS = {"int2recv": 2, "int4recv": 4, "int8recv": 8}
FLOATS = {"float4recv": pa.float32(), "float8recv": pa.float64()}


class Kind(IntEnum):
    """How a cell is written; in the order of ``enum kind`` in ``_rows.c``."""

    PAYLOAD = 0
    """Bytes or text as they are."""
    PREFIXED = auto()
    """… after a byte, the parameter."""
    CHARACTERS = auto()
    """Text of at most so many characters."""
    INTEGER = auto()
    """Into so many bytes."""
    REAL = auto()
    """A float of four or eight bytes, as it is."""
    BOOLEAN = auto()
    DAY = auto()
    MICROSECOND = auto()
    """Since 1970, with at most so many decimals of a second, or any number of them if that is negative."""
    UUID = auto()
    HEXADECIMAL = auto()
    NUMERIC = auto()
    """With at most so many decimals behind the point."""
    DATE_TEXT = auto()
    TIMESTAMP_TEXT = auto()
    """As MICROSECOND."""
    TIMESTAMPTZ_TEXT = auto()


@dataclass(frozen=True, slots=True)
class Cell:
    """What ``_rows`` is told of a column."""

    kind: Kind
    parameter: int = 0


PAYLOAD = Cell(Kind.PAYLOAD)

_TEXTS: dict[str, Callable[[int], Cell]] = {
    "bpcharrecv": lambda _: PAYLOAD,
    "citext.citextrecv": lambda _: PAYLOAD,
    "date_recv": lambda _: Cell(Kind.DATE_TEXT),
    "enum_recv": lambda _: PAYLOAD,
    "json_recv": lambda _: PAYLOAD,
    "jsonb_recv": lambda _: Cell(Kind.PREFIXED, 1),
    "ltree.ltree_recv": lambda _: Cell(Kind.PREFIXED, 1),
    "namerecv": lambda _: PAYLOAD,
    "numeric_recv": lambda typmod: Cell(Kind.NUMERIC, typmod_scale(typmod)),
    "postgis.geography_recv": lambda _: Cell(Kind.HEXADECIMAL),
    "postgis.geometry_recv": lambda _: Cell(Kind.HEXADECIMAL),
    "textrecv": lambda _: PAYLOAD,
    "timestamp_recv": lambda typmod: Cell(Kind.TIMESTAMP_TEXT, typmod),
    "timestamptz_recv": lambda typmod: Cell(Kind.TIMESTAMPTZ_TEXT, typmod),
    "uuid_recv": lambda _: Cell(Kind.UUID),
    "varcharrecv": lambda typmod: (
        PAYLOAD if typmod < VARCHAR_HEADER else Cell(Kind.CHARACTERS, typmod - VARCHAR_HEADER)
    ),
}


@lru_cache(maxsize=KINDS_REMEMBERED)
def find_cell(source: pa.DataType, receive: str, typmod: int) -> Cell | None:
    """How a column of a type, for one of the target with this receive function, goes into ``_rows``; None if not."""
    kind = plain_type(source)
    if pa.types.is_string(kind):
        make = _TEXTS.get(receive)
        return None if make is None else make(typmod)
    if pa.types.is_integer(kind) and receive in INTEGER_WIDTHS:
        return Cell(Kind.INTEGER, INTEGER_WIDTHS[receive])
    if kind == FLOATS.get(receive):
        return Cell(Kind.REAL)
    return _find_other(kind, receive, typmod)


def _find_other(kind: pa.DataType, receive: str, typmod: int) -> Cell | None:
    if pa.types.is_boolean(kind) and receive == "boolrecv":
        return Cell(Kind.BOOLEAN)
    if pa.types.is_date32(kind) and receive == "date_recv":
        return Cell(Kind.DAY)
    if pa.types.is_timestamp(kind) and kind.unit == "us" and receive in {"timestamp_recv", "timestamptz_recv"}:
        return Cell(Kind.MICROSECOND, typmod)
    return PAYLOAD if pa.types.is_binary(kind) and receive == "bytearecv" else None
