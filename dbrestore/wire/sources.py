"""The forms in which Parquet may hold the same values, brought down to one."""

from __future__ import annotations

from functools import lru_cache

import pyarrow as pa

KINDS_REMEMBERED = 1024
"""Kinds of columns of which what was found out is not found out again: thousands of tables have few."""


@lru_cache(maxsize=KINDS_REMEMBERED)
def plain_type(source: pa.DataType) -> pa.DataType:
    """The type that ``plain_source`` gives an array of type ``source``."""
    if isinstance(source, pa.BaseExtensionType):
        return plain_type(source.storage_type)
    if pa.types.is_dictionary(source):
        return plain_type(source.value_type)
    if pa.types.is_large_string(source) or pa.types.is_string_view(source):
        return pa.string()
    if pa.types.is_large_binary(source) or pa.types.is_binary_view(source) or pa.types.is_fixed_size_binary(source):
        return pa.binary()
    if pa.types.is_float16(source):
        return pa.float32()
    return source


def plain_source(array: pa.Array) -> pa.Array:
    """Without extension types, dictionaries, 64-bit offsets and views; the values are the same.

    What a footer says of a column's type may be plain where batches are not: only these have UUID and JSON as
    extension types.
    """
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = plain_type(array.type)
    return array if kind == array.type else array.cast(kind)
