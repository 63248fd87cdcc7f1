from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from dbrestore.wire import hexadecimal, numeric, scalars, temporal
from dbrestore.wire.arrays import array_encoder
from dbrestore.wire.distinct import REMEMBERED_BYTES, from_source
from dbrestore.wire.fields import UnencodableError
from dbrestore.wire.joining import join_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbrestore.wire.fields import Field

ENCODERS: list[tuple[str, Callable[[pa.Array], Field], list[str]]] = [
    ("fixed", temporal.encode_date_text, ["2024-02-29", "infinity", "0001-01-01"]),
    ("records", numeric.numeric_text_encoder(-1), ["1.50", "-20000", "0.0001"]),
    ("records and others", numeric.numeric_text_encoder(-1), ["1.50", "NaN", "9" * 300]),
    ("items", hexadecimal.UUID.encode, [f"00000000-0000-0000-0000-00000000000{n}" for n in range(3)]),
    ("one length", scalars.encode_plain, ["one", "two", "six"]),
    ("variable", scalars.encode_plain, ["", "short", "x" * 1000]),
    ("one prefix for all", scalars.encode_version_1, ["{}", "[]", "null"]),
    ("a prefix for each", array_encoder(25, scalars.encode_plain), ["{}", "{a}", "{a,b,NULL}"]),
]


@pytest.mark.parametrize(("encoder", "texts"), [case[1:] for case in ENCODERS], ids=[case[0] for case in ENCODERS])
@pytest.mark.parametrize("nulls", [False, True])
def test_a_dictionary_is_encoded_as_its_values_are(
    encoder: Callable[[pa.Array], Field], texts: list[str], nulls: bool
) -> None:
    values = pa.array([*texts, None] * 20 if nulls else texts * 20)
    for array in (values, values.slice(5, 31), values.slice(0, 0)):
        expected = join_rows([encoder(array)], len(array))
        assert join_rows([from_source(encoder)(array.dictionary_encode())], len(array)) == expected


def test_a_bad_value_is_refused_in_the_first_row_that_has_it() -> None:
    array = pa.array(["2024-01-01", None, "yesterday", "2024-01-01"] * 5).dictionary_encode()
    with pytest.raises(UnencodableError) as caught:
        from_source(temporal.encode_date_text)(array)
    assert (caught.value.row, caught.value.value) == (2, "yesterday")


def test_a_bad_value_that_no_row_has_is_no_reason_to_refuse() -> None:
    dictionary = pa.array(["2024-01-01", "yesterday"])
    array = pa.DictionaryArray.from_arrays(pa.array([0] * 10, pa.int32()), dictionary)
    assert from_source(temporal.encode_date_text)(array).values.tolist() == [8766] * 10


def _counted(calls: list[int]) -> Callable[[pa.Array], Field]:
    def encode(array: pa.Array) -> Field:
        calls.append(len(array))
        return scalars.encode_plain(array)

    return encode


def test_what_batches_have_in_common_is_encoded_once() -> None:
    calls: list[int] = []
    encode = from_source(_counted(calls))
    array = pa.array(["low", "high"] * 50).dictionary_encode()
    for start in range(0, 100, 10):
        encode(array.slice(start, 10))
    assert calls == [2]


def test_many_distinct_values_are_encoded_once_the_next_batch_has_the_same() -> None:
    calls: list[int] = []
    encode = from_source(_counted(calls))
    array = pa.array([f"value {number}" for number in range(90)]).dictionary_encode()
    fields = [encode(array.slice(start, 30)) for start in range(0, 90, 30)]
    assert calls == [30, 90]
    assert [join_rows([field], 30) for field in fields] == [
        join_rows([scalars.encode_plain(array.dictionary.slice(start, 30))], 30) for start in range(0, 90, 30)
    ]


def test_a_batch_with_other_distinct_values_is_encoded_anew() -> None:
    encode = from_source(scalars.encode_plain)
    for texts in (["a", "b"] * 10, ["b", "a"] * 10, ["a", "c", "b"] * 10):
        field = encode(pa.array(texts).dictionary_encode())
        assert join_rows([field], len(texts)) == join_rows([scalars.encode_plain(pa.array(texts))], len(texts))


def test_large_values_are_not_kept_for_the_next_batch() -> None:
    calls: list[int] = []
    encode = from_source(_counted(calls))
    array = pa.array(["x" * REMEMBERED_BYTES, "y"] * 4).dictionary_encode()
    assert [join_rows([encode(array)], 8) for _ in range(2)] == [
        join_rows([scalars.encode_plain(array.cast(pa.string()))], 8)
    ] * 2
    assert calls == [2, 2]
