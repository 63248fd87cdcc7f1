"""Rows of COPY's text format: for any type that has a text input function.

Format: PostgreSQL documentation, COPY, "Text Format": tab between fields, newline after rows, ``\\N`` for NULL, and
a backslash before a backslash, tab, newline or carriage return.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbrestore.wire.fields import UnencodableError, named, rows_after, spread, string_buffers, validity
from dbrestore.wire.temporal import to_microseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

ESCAPES = ((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n"), (b"\r", b"\\r"))
"""The backslash first: the others add backslashes."""
NULL = b"\\N"
HEX_PAIRS = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), "V2").view(np.uint16)
BINARY = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)
PLAIN = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_null,
)
"""Types whose text by Arrow is what PostgreSQL reads."""
TEMPORAL = (pa.types.is_date, pa.types.is_time, pa.types.is_timestamp)
ODD_YEAR = "^(-|0000|<)"
"""Arrow's text of a year before 1, counted down from 0, or past 32767, which it does not write."""
ASTRONOMICAL_YEAR = re.compile(r"-\d+|0000")
JOIN_LIMIT = 2**29
"""Bytes of a batch above which it is split: escaping may double them, and a joined row must stay below 2 GiB."""


class TextEncoder:
    """Turns record batches into the stream of ``COPY … FROM STDIN (FORMAT text)``."""

    header = b""
    trailer = b""

    def encode(self, batch: pa.RecordBatch) -> Iterator[pa.Buffer]:
        """The rows of ``batch``, whose columns are in the order of the COPY's column list.

        Raises UnencodableError naming row and column.
        """
        if batch.nbytes > JOIN_LIMIT and batch.num_rows > 1:
            half = batch.num_rows // 2
            yield from self.encode(batch.slice(0, half))
            with rows_after(half):
                yield from self.encode(batch.slice(half))
        elif batch.num_columns == 0:
            yield pa.py_buffer(b"\n" * batch.num_rows)
        elif batch.num_rows:
            kind = pa.large_binary() if batch.nbytes > JOIN_LIMIT else pa.binary()
            names = batch.schema.names
            yield join_rows([_text_field(*column, kind) for column in zip(names, batch.columns, strict=True)], kind)


def join_rows(fields: Sequence[pa.Array], kind: pa.DataType) -> pa.Buffer:
    """Lines of fields, which are of type ``kind`` and escaped."""
    joined = pc.binary_join_element_wise(
        *fields[:-1],
        pc.binary_join_element_wise(fields[-1].fill_null(NULL), pa.scalar(b"\n", kind), pa.scalar(b"", kind)),
        pa.scalar(b"\t", kind),
        null_handling="replace",
        null_replacement=NULL,
    )
    return joined.buffers()[2]


def _text_field(name: str, array: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if _is_any(array.type, BINARY):
        return _hex(array.cast(pa.binary())).cast(kind)
    with named(name):
        return _escaped(as_text(array).cast(pa.binary())).cast(kind)


def _is_any(kind: pa.DataType, kinds: Iterable[Callable[[pa.DataType], bool]]) -> bool:
    return any(is_one(kind) for is_one in kinds)


def as_text(array: pa.Array) -> pa.Array:
    """Values in a form that PostgreSQL's input functions read.

    Raises UnencodableError for values that PostgreSQL would round, and for a type whose text means something else
    to it: Arrow writes a duration as a bare number.
    """
    if pa.types.is_decimal(array.type):
        return pa.array([None if value is None else f"{value:f}" for value in array.to_pylist()], pa.string())
    if _is_any(array.type, TEMPORAL):
        return _temporal_text(array)
    if _is_any(array.type, PLAIN):
        return array.cast(pa.string())
    raise UnencodableError(0, array[0].as_py(), f"is of type {array.type}, which has no text for PostgreSQL")


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


def _escaped(array: pa.Array) -> pa.Array:
    data = array.buffers()[2]
    content = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    for character, escape in ESCAPES:
        if (content == character[0]).any():
            array = pc.replace_substring(array, character, escape)
    return array


def _hex(array: pa.Array) -> pa.Array:
    """byteain's hexadecimal form, its backslash escaped."""
    valid = validity(array)
    offsets, data = string_buffers(array if valid is None else array.drop_null())
    digits = pa.Array.from_buffers(
        pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets * 2), pa.py_buffer(HEX_PAIRS[data])]
    )
    return spread(pc.binary_join_element_wise(b"\\\\x", digits, b""), valid)
