from __future__ import annotations

import uuid

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbrestore.wire.fields import UnencodableError
from dbrestore.wire.hexadecimal import UUID

LOWER = "01234567-89ab-cdef-0123-456789abcdef"
HEX_DIGITS = b"0123456789abcdefABCDEF"


@settings(deadline=None, max_examples=60)
@given(st.lists(st.none() | st.uuids(), max_size=100), st.sampled_from([str.lower, str.upper, str.swapcase, str.title]))
def test_uuids_are_their_sixteen_bytes(values: list[uuid.UUID | None], case: type[str]) -> None:
    texts = [None if value is None else case(str(value)) for value in values]
    field = UUID.encode(pa.array(texts, pa.string()))
    assert field.values.tobytes() == b"".join(value.bytes for value in values if value is not None)


def test_every_byte_at_every_place_is_judged_rightly() -> None:
    for place in range(len(LOWER)):
        taken = [byte for byte in range(256) if is_taken(place, byte)]
        assert taken == ([ord("-")] if LOWER[place] == "-" else sorted(HEX_DIGITS))


def is_taken(place: int, byte: int) -> bool:
    text = bytearray(LOWER.encode())
    text[place] = byte
    offsets = np.array([0, len(text)], np.int32)
    array = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(offsets), pa.py_buffer(bytes(text))])
    try:
        field = UUID.encode(array)
    except UnencodableError:
        return False
    return field.values.tobytes() == uuid.UUID(text.decode()).bytes


@pytest.mark.parametrize("text", ["", LOWER[:-1], LOWER + "0", LOWER.replace("-", ""), "{" + LOWER + "}", "-" * 36])
def test_other_forms_are_refused_with_their_row(text: str) -> None:
    with pytest.raises(UnencodableError) as caught:
        UUID.encode(pa.array([LOWER, None, text, LOWER]))
    assert (caught.value.row, caught.value.value) == (2, text)


def test_texts_whose_lengths_only_add_up_are_refused() -> None:
    with pytest.raises(UnencodableError) as caught:
        UUID.encode(pa.array([LOWER, LOWER[:-1], LOWER + "0"]))
    assert caught.value.row == 1
