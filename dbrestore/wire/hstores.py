"""hstore_recv: int32 number of pairs, then key and value of each as fields (contrib/hstore/hstore_io.c).

Texts are those of hstore_out: ``"key"=>"value", "other"=>NULL``.
"""

from __future__ import annotations

import re
import struct

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbrestore.wire.fields import (
    Array,
    UnencodableError,
    VariableField,
    from_rows,
    merge,
    parsed_text,
    rows_of,
    shown_value,
    slices,
    string_buffers,
    validity,
    where_valid,
)
from dbrestore.wire.literals import ESCAPE_PATTERN, gather, hide_escapes, show_escapes

NULL_LENGTH = b"\xff\xff\xff\xff"
PLAIN_PATTERN = r'^(?:"[^"\\]*"=>(?:"[^"\\]*"|NULL)(?:, "[^"\\]*"=>(?:"[^"\\]*"|NULL))*)?$'
STRING = r'"((?:[^"\\]|\\.)*)"'
PAIR_PATTERN = re.compile(rf"{STRING}=>(?:{STRING}|NULL)(?:, |$)", re.DOTALL)
DISORDER = "is an hstore whose keys are out of order"
QUOTE, NULL_START = b'"N'
ARROW = b"=>"


def encode_hstore(array: pa.Array) -> VariableField:
    """Raises UnencodableError for a text that hstore_out does not write."""
    valid = validity(array)
    texts = array if valid is None else array.drop_null()
    hidden = hide_escapes(texts)
    unescaped = texts if hidden is None else hidden
    is_plain = np.asarray(pc.match_substring_regex(unescaped, PLAIN_PATTERN))
    plain = _encode_plain(
        unescaped if is_plain.all() else unescaped.filter(pa.array(is_plain)), has_hidden=unescaped is not texts
    )
    with rows_of(valid):
        others = [_payload(parsed_text(texts, row), row) for row in np.flatnonzero(~is_plain).tolist()]
    return VariableField(merge(plain, pa.array(others, pa.binary()), is_plain, valid))


def _encode_plain(texts: pa.Array, *, has_hidden: bool) -> pa.Array:
    """Payloads of texts that fit PLAIN_PATTERN: without a backslash, quotes do no more than delimit."""
    offsets, data = string_buffers(texts)
    quotes = np.flatnonzero(data == QUOTE)
    starts, ends = quotes[0::2] + 1, quotes[1::2]
    padded = np.append(data, np.zeros(4, np.uint8))
    is_key = (padded[ends + 1] == ARROW[0]) & (padded[ends + 2] == ARROW[1])
    lacks_value = is_key & (padded[ends + 3] == NULL_START)
    lengths = from_rows((ends - starts).astype(">i4"))
    nulls = where_valid(np.full(int(lacks_value.sum()), np.void(NULL_LENGTH)), lacks_value)
    strings = gather(data, starts, ends)
    if has_hidden:
        strings = show_escapes(strings)
    fields = pc.binary_join_element_wise(lengths, strings.cast(pa.binary()), nulls, b"")
    rows = np.searchsorted(starts, offsets)
    pairs = np.concatenate([[0], np.cumsum(is_key)])[rows]
    _refuse_disorder(texts, strings.filter(pa.array(is_key)), pairs)
    counts = from_rows(np.diff(pairs).astype(">i4"))
    return pc.binary_join_element_wise(counts, slices(fields, rows), b"")


def _refuse_disorder(texts: pa.Array, keys: pa.Array, starts: Array) -> None:
    """Keys come in the order of comparePairs, by length and then by bytes, and so each once.

    A key twice with a NULL value brings down a server of version 13: its hstore_recv frees what it never had.
    """
    lengths = np.asarray(pc.binary_length(keys))
    binaries = keys.cast(pa.binary())
    is_after = (lengths[1:] > lengths[:-1]) | (
        (lengths[1:] == lengths[:-1]) & np.asarray(pc.less(binaries[:-1], binaries[1:]))
    )
    is_first = np.zeros(len(keys) + 1, bool)
    is_first[starts] = True
    wrong = np.flatnonzero(~is_after & ~is_first[1:-1])
    if len(wrong):
        row = int(np.searchsorted(starts, wrong[0], side="right")) - 1
        raise UnencodableError(row, shown_value(texts, row), DISORDER)


def _payload(text: str, row: int) -> bytes:
    pieces = []
    position = 0
    last_key = (-1, b"")
    while position < len(text):
        match = PAIR_PATTERN.match(text, position)
        if match is None:
            raise UnencodableError(row, text, "is not an hstore")
        content = _unescape(match[1])
        key = (len(content), content)
        if key <= last_key:
            raise UnencodableError(row, text, DISORDER)
        last_key = key
        pieces.append(_field(content) + (NULL_LENGTH if match[2] is None else _field(_unescape(match[2]))))
        position = match.end()
    return struct.pack(">i", len(pieces)) + b"".join(pieces)


def _unescape(escaped: str) -> bytes:
    return ESCAPE_PATTERN.sub(r"\1", escaped).encode()


def _field(content: bytes) -> bytes:
    return struct.pack(">i", len(content)) + content
