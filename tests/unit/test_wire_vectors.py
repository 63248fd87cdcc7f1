from __future__ import annotations

import struct

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbrestore.wire.binary import BinaryColumn, BinaryEncoder
from dbrestore.wire.fields import UnencodableError
from dbrestore.wire.vectors import encode_vector

numbers = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=5)


def payload(vector: list[float]) -> bytes:
    return struct.pack(f">hh{len(vector)}f", len(vector), 0, *vector)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.none() | numbers, max_size=50))
def test_vectors_are_their_dimensions_and_numbers(vectors: list[list[float] | None]) -> None:
    texts = [None if vector is None else f"[{','.join(map(repr, vector))}]" for vector in vectors]
    encoder = BinaryEncoder([BinaryColumn("v", encode_vector)])
    stream = b"".join(map(bytes, encoder.encode(pa.record_batch([pa.array(texts, pa.string())], ["v"]))))
    fields = [None if vector is None else payload(vector) for vector in vectors]
    assert stream == b"".join(
        struct.pack(">hi", 1, -1 if field is None else len(field)) + (field or b"") for field in fields
    )


@pytest.mark.parametrize(
    "bad", ["", "1,2", "[1,2", "1,2]", "[1,,2]", "[1,a]", "[NULL]", '["1"]', "[1] ", "[[1]]", "{1}", "[1][2]", "[1\\]"]
)
def test_what_is_not_a_vector_is_refused_with_its_row(bad: str) -> None:
    with pytest.raises(UnencodableError) as caught:
        encode_vector(pa.array(["[1]", None, bad, "[2]"]))
    assert (caught.value.row, caught.value.value) == (2, bad)
