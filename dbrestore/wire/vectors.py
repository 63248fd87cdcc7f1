"""pgvector's vector_recv: int16 dimensions, int16 unused, then float4 values, from ``[1,2,3]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbrestore.wire.fields import UnencodableError, VariableField, from_rows, rows_of, slices, spread, text_at, validity
from dbrestore.wire.literals import split_literals

if TYPE_CHECKING:
    from dbrestore.wire.fields import Array

HEAD = np.dtype([("dimensions", ">i2"), ("unused", ">i2")])


def encode_vector(array: pa.Array) -> VariableField:
    """Raises UnencodableError for a text that vector_out does not write."""
    valid = validity(array)
    texts = array if valid is None else array.drop_null()
    with rows_of(valid):
        vectors = _parse(texts)
        if vectors is None:
            row = next(row for row in range(len(texts)) if _parse(texts.slice(row, 1)) is None)
            raise UnencodableError(row, text_at(texts, row), "is not a vector")
    numbers, starts = vectors
    heads = np.zeros(len(texts), HEAD)
    heads["dimensions"] = np.diff(starts)
    return VariableField(spread(slices(from_rows(numbers), starts), valid), heads)


def _parse(texts: pa.Array) -> tuple[Array, Array] | None:
    """The numbers of all vectors, and where those of each begin."""
    elements = split_literals(texts, b"[]")
    if elements is None or elements.texts.null_count or pc.any(pc.match_substring(texts, '"')).as_py():
        return None
    try:
        numbers = elements.texts.cast(pa.float32())
    except pa.ArrowInvalid:
        return None
    return np.asarray(numbers).astype(">f4"), elements.starts
