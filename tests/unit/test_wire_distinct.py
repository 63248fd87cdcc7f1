from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from dbrestore.wire import hexadecimal, numeric, scalars, temporal
from dbrestore.wire.arrays import array_encoder
from dbrestore.wire.distinct import encode_source
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
        assert join_rows([encode_source(array.dictionary_encode(), encoder)], len(array)) == expected


def test_a_bad_value_is_refused_in_the_first_row_that_has_it() -> None:
    array = pa.array(["2024-01-01", None, "yesterday", "2024-01-01"] * 5).dictionary_encode()
    with pytest.raises(UnencodableError) as caught:
        encode_source(array, temporal.encode_date_text)
    assert (caught.value.row, caught.value.value) == (2, "yesterday")


def test_a_bad_value_that_no_row_has_is_no_reason_to_refuse() -> None:
    dictionary = pa.array(["2024-01-01", "yesterday"])
    array = pa.DictionaryArray.from_arrays(pa.array([0] * 10, pa.int32()), dictionary)
    assert encode_source(array, temporal.encode_date_text).values.tolist() == [8766] * 10
