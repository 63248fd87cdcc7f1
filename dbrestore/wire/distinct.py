"""Dictionary arrays: each distinct value is encoded once, and not again for the next batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import pyarrow as pa

from dbrestore.wire.fields import Field, FixedField, UnencodableError, VariableField, same_length, validity
from dbrestore.wire.sources import plain_source

if TYPE_CHECKING:
    from collections.abc import Callable

Encoded = TypeVar("Encoded")

MOST_DISTINCT = 0.5
"""Distinct values for each row of a batch up to which it is worth while if no other batch has the same."""
REMEMBERED_BYTES = 4 * 1024**2
"""Of a dictionary, up to which it is kept for the next batch."""


def from_source(encode: Callable[[pa.Array], Field]) -> Callable[[pa.Array], Field]:
    """``encode``, which takes plain arrays, for the batches of one stream in any form that Parquet gives."""
    distinct = DistinctEncoder(encode)

    def encode_source(array: pa.Array) -> Field:
        field = distinct.encode(array)
        return encode(plain_source(array)) if field is None else _repeated(field, array)

    return encode_source


class DistinctEncoder(Generic[Encoded]):
    """Encodes the distinct values of a column, of which batch after batch has the same."""

    def __init__(self, encode: Callable[[pa.Array], Encoded]) -> None:
        """``encode`` takes plain arrays."""
        self._encode = encode
        self._dictionary: pa.Array | None = None
        self._is_tried = False
        self._encoded: Encoded | None = None

    def encode(self, array: pa.Array) -> Encoded | None:
        """The distinct values of a dictionary array.

        None where there are too many of them, and where one is null or cannot be encoded: it may have no row.
        """
        if not pa.types.is_dictionary(array.type):
            return None
        dictionary = array.dictionary
        is_few = len(dictionary) <= len(array) * MOST_DISTINCT
        if dictionary.nbytes > REMEMBERED_BYTES:
            return self._try(dictionary) if is_few else None
        is_known = self._dictionary is not None and self._dictionary.equals(dictionary)
        if not is_known:
            self._dictionary, self._is_tried, self._encoded = dictionary, False, None
        if not self._is_tried and (is_known or is_few):
            self._is_tried, self._encoded = True, self._try(dictionary)
        return self._encoded

    def _try(self, dictionary: pa.Array) -> Encoded | None:
        if dictionary.null_count:
            return None
        try:
            return self._encode(plain_source(dictionary))
        except UnencodableError:
            return None


def _repeated(field: Field, array: pa.DictionaryArray) -> Field:
    """The field of each row, from those of the distinct values."""
    valid = validity(array.indices)
    indices = np.asarray(array.indices if valid is None else array.indices.drop_null())
    if isinstance(field, FixedField):
        return FixedField(field.values.take(indices), valid)
    prefix = field.prefix
    alike = same_length(field.values) if prefix is None and not field.values.null_count else None
    if alike is not None:
        return FixedField(alike.take(indices), valid)
    if prefix is not None and prefix.ndim:
        prefix = prefix.take(indices)
    return VariableField(field.values.take(array.indices), prefix)
