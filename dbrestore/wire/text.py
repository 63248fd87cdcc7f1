"""Rows of COPY's text format: for any type that has a text input function.

Format: PostgreSQL documentation, COPY, "Text Format": tab between fields, newline after rows, ``\\N`` for NULL, and
a backslash before a backslash, tab, newline or carriage return.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbrestore.wire import compiled
from dbrestore.wire.compiled import join_lines, with_values
from dbrestore.wire.distinct import DistinctEncoder
from dbrestore.wire.fields import (
    UnencodableError,
    named,
    parsed_text,
    spread,
    string_buffers,
    text_at,
    validity,
)
from dbrestore.wire.joining import encode_pieces
from dbrestore.wire.sources import plain_source
from dbrestore.wire.temporal import to_microseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

ESCAPES = ((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n"), (b"\r", b"\\r"))
"""The backslash first: the others add backslashes."""
NULL = b"\\N"
BYTEA_PREFIX = b"\\x"
"""Of byteain's hexadecimal form."""
HEX_PAIRS = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), "V2").view(np.uint16)
PLAIN = (pa.types.is_string, pa.types.is_boolean, pa.types.is_integer, pa.types.is_null)
"""Types whose text by Arrow is what PostgreSQL reads."""
TEMPORAL = (pa.types.is_date, pa.types.is_time, pa.types.is_timestamp)
ODD_YEAR = "^(-|0000|<)"
"""Arrow's text of a year before 1, counted down from 0, or past 32767, which it does not write."""
ASTRONOMICAL_YEAR = re.compile(r"-\d+|0000")
JOIN_LIMIT = 2**29
"""Bytes of a batch above which it is split: escaping may double them, and a joined row must stay below 2 GiB."""


@dataclass(frozen=True, slots=True)
class TextColumn:
    """How the values of a column become text."""

    name: str
    check: Callable[[pa.Array], object] | None = None
    """Raises UnencodableError for what the server's text input might round, cut off or read otherwise in silence."""
    bytes_prefix: bytes = BYTEA_PREFIX
    """What comes before the hexadecimal digits of bytes."""


class TextEncoder:
    """Turns record batches into the stream of ``COPY … FROM STDIN (FORMAT text)``."""

    header = b""
    trailer = b""

    def __init__(self, columns: Sequence[TextColumn]) -> None:
        """``columns`` are in the order of the COPY's column list."""
        self._columns = tuple((column, DistinctEncoder(partial(_checked_text, column))) for column in columns)

    def encode(self, batch: pa.RecordBatch) -> Iterator[pa.Buffer]:
        """The rows of ``batch``, whose columns are in the order of the COPY's column list.

        Raises UnencodableError naming row and column.
        """
        return encode_pieces(batch, JOIN_LIMIT, self._encode)

    def _encode(self, batch: pa.RecordBatch) -> pa.Buffer:
        if batch.num_columns == 0:
            return pa.py_buffer(b"\n" * batch.num_rows)
        texts = []
        for (column, distinct), array in zip(self._columns, batch.columns, strict=True):
            with named(column.name):
                values = distinct.encode(array)
                texts.append(
                    _checked_text(column, plain_source(array))
                    if values is None
                    else with_values(array, _written(values))
                )
        return join_lines(texts) if compiled.IS_THERE else join_rows(texts, large=batch.nbytes > JOIN_LIMIT)


def join_rows(texts: Sequence[pa.Array], *, large: bool = False) -> pa.Buffer:
    """The lines of texts and integers, as ``join_lines`` has them; ``large`` if all of them may come to 2 GiB."""
    kind = pa.large_binary() if large else pa.binary()
    fields = [_escaped(_written(text)).cast(kind) for text in texts]
    joined = pc.binary_join_element_wise(
        *fields[:-1],
        pc.binary_join_element_wise(fields[-1].fill_null(NULL), pa.scalar(b"\n", kind), pa.scalar(b"", kind)),
        pa.scalar(b"\t", kind),
        null_handling="replace",
        null_replacement=NULL,
    )
    return joined.buffers()[2]


def _checked_text(column: TextColumn, array: pa.Array) -> pa.Array:
    """Texts as the server's input functions take them, not escaped yet, or integers."""
    if column.check is not None:
        column.check(array)
    if pa.types.is_binary(array.type):
        return _hex(array, column.bytes_prefix)
    if pa.types.is_integer(array.type):
        return array  # as it is written by what joins the rows
    if not pa.types.is_string(array.type):
        return as_text(array)
    _refuse_unreadable(array)
    return array


def _refuse_unreadable(texts: pa.Array) -> None:
    """Raise for what is not UTF-8 or has a NUL: of these the server tells the row, but neither column nor value."""
    _, data = string_buffers(texts.drop_null())
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        pass
    else:
        if data.all():
            return
    for row in np.flatnonzero(texts.is_valid().to_numpy(zero_copy_only=False)).tolist():
        if "\0" in parsed_text(texts, row):
            raise UnencodableError(row, text_at(texts, row), "has a NUL character")


def _is_any(kind: pa.DataType, kinds: Iterable[Callable[[pa.DataType], bool]]) -> bool:
    return any(is_one(kind) for is_one in kinds)


def has_text(kind: pa.DataType) -> bool:
    """Whether ``as_text`` takes values of this type."""
    return pa.types.is_decimal(kind) or pa.types.is_floating(kind) or _is_any(kind, (*TEMPORAL, *PLAIN))


def as_text(array: pa.Array) -> pa.Array:
    """Values of a plain type in a form that PostgreSQL's input functions read.

    Raises UnencodableError for values that PostgreSQL would round, and for a type whose text means something else
    to it: Arrow writes a duration as a bare number.
    """
    if pa.types.is_decimal(array.type):
        return pa.array([None if value is None else f"{value:f}" for value in array.to_pylist()], pa.string())
    if _is_any(array.type, TEMPORAL):
        return _temporal_text(array)
    if pa.types.is_floating(array.type):
        return _float_text(array)
    if _is_any(array.type, PLAIN):
        return array.cast(pa.string())
    shown = array.slice(0, 1).to_string(skip_new_lines=True)
    raise UnencodableError(0, shown, f"is of type {array.type}, which has no text for PostgreSQL")


def _float_text(array: pa.Array) -> pa.Array:
    texts = array.cast(pa.string())
    if pc.all(pc.is_finite(array)).as_py() is not False:
        return texts
    signed = pc.if_else(pc.greater(array, 0), "Infinity", "-Infinity")
    return pc.if_else(pc.is_nan(array), "NaN", pc.if_else(pc.is_inf(array), signed, texts))


def _temporal_text(array: pa.Array) -> pa.Array:
    """ISO form, timestamps with a zone at UTC, and the years before 1 as BC."""
    if pa.types.is_time(array.type):
        return to_microseconds(array).cast(pa.string())
    zone = ""
    if pa.types.is_timestamp(array.type):
        zone = "" if array.type.tz is None else "+00"
        array = to_microseconds(array)
    texts = pc.binary_join_element_wise(array.cast(pa.string()), zone, "")
    odd = pc.match_substring_regex(texts, ODD_YEAR).fill_null(False).to_numpy(zero_copy_only=False)
    if not odd.any():
        return texts
    rows, instants = texts.to_pylist(), array.to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(odd).tolist():
        rows[row] = _with_era(f"{instants[row]}{zone}")
    return pa.array(rows, pa.string())


def _with_era(text: str) -> str:
    match = ASTRONOMICAL_YEAR.match(text)
    return text if match is None else f"{1 - int(match[0]):04}{text[match.end() :]} BC"


def _written(array: pa.Array) -> pa.Array:
    return as_text(array) if pa.types.is_integer(array.type) else array


def _escaped(texts: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(texts.type):
        return _escaped(texts.dictionary).take(texts.indices)
    texts = texts.cast(pa.binary())
    data = texts.buffers()[2]
    content = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    for character, escape in ESCAPES:
        if (content == character[0]).any():
            texts = pc.replace_substring(texts, character, escape)
    return texts


def _hex(array: pa.Array, prefix: bytes) -> pa.Array:
    """``prefix`` and hexadecimal digits."""
    valid = validity(array)
    offsets, data = string_buffers(array if valid is None else array.drop_null())
    digits = pa.Array.from_buffers(
        pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets * 2), pa.py_buffer(HEX_PAIRS[data])]
    )
    return spread(pc.binary_join_element_wise(prefix, digits, b""), valid)
