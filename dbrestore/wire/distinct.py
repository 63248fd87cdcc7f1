"""Dictionary arrays: each distinct value is encoded once."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa

from dbrestore.wire.fields import Field, FixedField, UnencodableError, VariableField, validity
from dbrestore.wire.sources import plain_source

if TYPE_CHECKING:
    from collections.abc import Callable

Encoded = TypeVar("Encoded")

MOST_DISTINCT = 0.5
"""Distinct values for each row up to which it is worth while."""


def encode_source(array: pa.Array, encoder: Callable[[pa.Array], Field]) -> Field:
    """Apply ``encoder``, which takes plain arrays, to an array in any form that Parquet gives."""
    field = encode_distinct(array, encoder)
    return encoder(plain_source(array)) if field is None else _repeated(field, array)


def encode_distinct(array: pa.Array, encode: Callable[[pa.Array], Encoded]) -> Encoded | None:
    """Apply ``encode`` to the distinct values of a dictionary array.

    None where there are too many of them, and where one is null or cannot be encoded: it may have no row.
    """
    if not pa.types.is_dictionary(array.type) or len(array.dictionary) > len(array) * MOST_DISTINCT:
        return None
    if array.dictionary.null_count:
        return None
    try:
        return encode(plain_source(array.dictionary))
    except UnencodableError:
        return None


def _repeated(field: Field, array: pa.DictionaryArray) -> Field:
    """The field of each row, from those of the distinct values."""
    valid = validity(array.indices)
    indices = np.asarray(array.indices if valid is None else array.indices.drop_null())
    if isinstance(field, FixedField):
        return FixedField(field.values.take(indices), valid)
    prefix = field.prefix
    if prefix is not None and prefix.ndim:
        prefix = prefix.take(indices)
    return VariableField(field.values.take(array.indices), prefix)
