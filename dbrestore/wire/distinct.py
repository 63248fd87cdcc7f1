"""Dictionary arrays: each distinct value is encoded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from dbrestore.wire.fields import Field, FixedField, UnencodableError, VariableField, validity
from dbrestore.wire.sources import plain_source

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_DISTINCT = 0.5
"""Distinct values for each row up to which it is worth while."""


def encode_source(array: pa.Array, encoder: Callable[[pa.Array], Field]) -> Field:
    """Apply ``encoder``, which takes plain arrays, to an array in any form that Parquet gives."""
    if pa.types.is_dictionary(array.type) and len(array.dictionary) <= len(array) * MOST_DISTINCT:
        field = _encode_distinct(array, encoder)
        if field is not None:
            return field
    return encoder(plain_source(array))


def _encode_distinct(array: pa.DictionaryArray, encoder: Callable[[pa.Array], Field]) -> Field | None:
    """None where the dictionary has a null, or a value that cannot be: not every one of it has a row in this array."""
    try:
        field = encoder(plain_source(array.dictionary))
    except UnencodableError:
        return None
    if array.dictionary.null_count:
        return None
    valid = validity(array.indices)
    indices = np.asarray(array.indices if valid is None else array.indices.drop_null())
    if isinstance(field, FixedField):
        return FixedField(field.values.take(indices), valid)
    prefix = field.prefix
    if prefix is not None and prefix.ndim:
        prefix = prefix.take(indices)
    return VariableField(field.values.take(array.indices), prefix)
