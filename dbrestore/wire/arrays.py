"""array_recv: the elements of an array literal, each with its length, behind a head of dimensions.

Payload (src/backend/utils/adt/arrayfuncs.c): int32 number of dimensions, flags, oid of the element type, then length
and lower bound of each dimension, then the elements as fields. The usual literal, ``{1,2,NULL}``, is taken apart in
arrays; those with more dimensions or lower bounds one by one.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

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
    rows_at,
    rows_of,
    slices,
    spread,
    validity,
)
from dbrestore.wire.joining import join_fields
from dbrestore.wire.literals import Elements, parse_array_literal, split_literals

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbrestore.wire.fields import Field
    from dbrestore.wire.literals import ArrayLiteral

PLAIN_PATTERN = r'^\{(?:[^{}",\\ \t-\r]+(?:,[^{}",\\ \t-\r]+)*)?\}$'
"""Literals that split_literals surely takes."""
HEAD = np.dtype([(name, ">u4") for name in ("dimensions", "flags", "element_type", "length", "lower_bound")])


def array_encoder(element_oid: int, encode_element: Callable[[pa.Array], Field]) -> Callable[[pa.Array], VariableField]:
    """An encoder of the text of array_out for elements of the type ``element_oid``.

    ``encode_element`` takes the texts of elements. Raises UnencodableError with the row of the array.
    """

    def encode(array: pa.Array) -> VariableField:
        valid = validity(array)
        texts = array if valid is None else array.drop_null()
        with rows_of(valid):
            elements = split_literals(texts, b"{}")
            if elements is not None:
                bodies = _bodies(elements, encode_element)
                return VariableField(spread(bodies, valid), _heads(elements, element_oid))
            return VariableField(_encode_mixed(texts, valid, element_oid, encode_element))

    return encode


def _heads(elements: Elements, element_oid: int) -> Array:
    """One dimension from 1; array_recv makes an array without dimensions of one without elements."""
    heads = np.empty(len(elements.counts), HEAD)
    heads["dimensions"], heads["flags"], heads["element_type"], heads["lower_bound"] = 1, 0, element_oid, 1
    heads["length"] = elements.counts
    return heads


def _bodies(elements: Elements, encode_element: Callable[[pa.Array], Field]) -> pa.Array:
    """The elements of each array as fields."""
    try:
        field = encode_element(elements.texts)
    except UnencodableError as error:
        error.row = int(np.searchsorted(elements.starts, error.row, side="right")) - 1
        raise
    return slices(join_fields(field, len(elements.texts)), elements.starts)


def _encode_mixed(
    texts: pa.Array, valid: Array | None, element_oid: int, encode_element: Callable[[pa.Array], Field]
) -> pa.Array:
    """Payloads of the plain literals as arrays, of the others one by one."""
    is_plain = np.asarray(pc.match_substring_regex(texts, PLAIN_PATTERN))
    with rows_at(np.flatnonzero(is_plain)):
        elements = split_literals(texts.filter(pa.array(is_plain)), b"{}")
        assert elements is not None
        plain = _joined(from_rows(_heads(elements, element_oid)), _bodies(elements, encode_element))
    with rows_at(np.flatnonzero(~is_plain)):
        heads, elements = _parse_each(texts.filter(pa.array(~is_plain)), element_oid)
        others = _joined(heads, _bodies(elements, encode_element))
    return merge(plain, others, is_plain, valid)


def _joined(heads: pa.Array, bodies: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(heads, bodies, b"")


def _parse_each(texts: pa.Array, element_oid: int) -> tuple[pa.Array, Elements]:
    """Heads and elements of literals of any shape."""
    heads: list[bytes] = []
    elements: list[str | None] = []
    starts = [0]
    for row in range(len(texts)):
        text = parsed_text(texts, row)
        try:
            literal = parse_array_literal(text)
            heads.append(_head(literal, element_oid))
        except (ValueError, struct.error):
            raise UnencodableError(row, text, "is not an array literal") from None
        elements += literal.elements
        starts.append(len(elements))
    return pa.array(heads, pa.binary()), Elements(pa.array(elements, pa.string()), np.array(starts))


def _head(literal: ArrayLiteral, element_oid: int) -> bytes:
    shape = [number for pair in zip(literal.lengths, literal.lower_bounds, strict=True) for number in pair]
    return struct.pack(f">iiI{len(shape)}i", len(literal.lengths), 0, element_oid, *shape)
