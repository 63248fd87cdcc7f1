from __future__ import annotations

import struct
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbrestore.wire.binary import BinaryColumn, BinaryEncoder
from dbrestore.wire.fields import FixedField, UnencodableError
from dbrestore.wire.numeric import numeric_decimal_encoder, numeric_integer_encoder, numeric_text_encoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbrestore.wire.fields import Field

SPECIAL = {0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}
quick = settings(deadline=None, max_examples=60)

digits = st.text("0123456789", min_size=1, max_size=1000)
short_digits = st.text("0123456789", min_size=1, max_size=9)
signs = st.sampled_from(["", "-"])
short_numbers = st.builds(
    "{}{}{}{}".format, signs, short_digits, st.just("."), st.text("0123456789", min_size=1, max_size=6)
) | st.builds("{}{}".format, signs, short_digits)
long_numbers = st.builds("{}{}.{}".format, signs, digits, digits) | st.builds("{}{}".format, signs, digits)
exponents = st.builds("{}{}e{}".format, signs, short_digits, st.integers(-300, 300))
special = st.sampled_from(list(SPECIAL.values()))


def read(payload: bytes) -> str:
    """The value as numeric_out would write it, by the definition of the wire format."""
    count, weight, sign, scale, *words = struct.unpack(f">HhHH{len(payload) // 2 - 4}H", payload)
    assert count == len(words)
    assert all(word < 10_000 for word in words)
    if sign in SPECIAL:
        return SPECIAL[sign]
    before_point = 4 * (weight + 1)
    decimals = "0" * -before_point + "".join(f"{word:04}" for word in words)
    before_point = max(before_point, 0)
    decimals = decimals.ljust(before_point + scale, "0")
    assert not decimals[before_point + scale :].strip("0")
    whole, fraction = decimals[:before_point].lstrip("0"), decimals[before_point : before_point + scale]
    minus = "-" if sign and (whole + fraction).strip("0") else ""
    return f"{minus}{whole or 0}{'.' * bool(fraction)}{fraction}"


def written(text: str) -> str:
    """The text of the same number as numeric_out writes it."""
    if text in SPECIAL.values():
        return text
    plain = f"{Decimal(text):f}"
    return plain.removeprefix("-") if Decimal(text) == 0 else plain


ENCODE_TEXT = numeric_text_encoder(-1)


def encoded(array: pa.Array, encode: Callable[[pa.Array], Field] = ENCODE_TEXT) -> list[str | None]:
    encoder = BinaryEncoder([BinaryColumn("n", encode)])
    stream = b"".join(map(bytes, encoder.encode(pa.record_batch([array], ["n"]))))
    values: list[str | None] = []
    while stream:
        (length,) = struct.unpack(">i", stream[2:6])
        values.append(None if length == -1 else read(stream[6 : 6 + length]))
        stream = stream[6 + max(length, 0) :]
    return values


@quick
@given(st.lists(st.none() | short_numbers, max_size=100))
def test_short_numbers_keep_value_and_scale(texts: list[str | None]) -> None:
    assert encoded(pa.array(texts, pa.string())) == [text and written(text) for text in texts]


@quick
@given(st.lists(st.none() | short_numbers | long_numbers | exponents | special, max_size=50))
def test_numbers_of_any_length_keep_value_and_scale(texts: list[str | None]) -> None:
    assert encoded(pa.array(texts, pa.string())) == [text and written(text) for text in texts]


@quick
@given(st.lists(short_numbers, min_size=1, max_size=50))
def test_a_slow_number_beside_them_changes_no_other(texts: list[str]) -> None:
    assert encoded(pa.array([*texts, "NaN", *texts])) == [*encoded(pa.array(texts)), "NaN", *encoded(pa.array(texts))]


@quick
@given(
    st.integers(1, 76).flatmap(
        lambda precision: st.tuples(st.just(precision), st.integers(max(-5, precision - 76), precision))
    ),
    st.data(),
)
def test_decimals_keep_value_and_scale(kind: tuple[int, int], data: st.DataObject) -> None:
    precision, scale = kind
    unscaled = st.integers(-(10**precision) + 1, 10**precision - 1)
    numbers = data.draw(st.lists(st.none() | unscaled, max_size=20))
    values = [
        None if number is None else Decimal((number < 0, Decimal(number).as_tuple().digits, -scale))
        for number in numbers
    ]
    array = pa.array(values, pa.decimal256(precision, scale))
    assert encoded(array, numeric_decimal_encoder(-1)) == [
        None if value is None else written(f"{value:f}") for value in values
    ]


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint8(), pa.int16(), pa.uint32(), pa.int64(), pa.uint64()], ids=str)
def test_integers_of_any_width_are_numerics_without_scale(kind: pa.DataType) -> None:
    limits = (
        [0, 2**kind.bit_width - 1]
        if "u" in str(kind)
        else [-(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1]
    )
    assert encoded(pa.array([*limits, None, 1], kind), numeric_integer_encoder(-1)) == [*map(str, limits), None, "1"]


@pytest.mark.parametrize(
    "text",
    [
        "-9223372036854775808",
        "-922337203685477580.8",
        "-0.9223372036854775808",
        "9223372036854775807",
        "922337203685477580.7",
        "18446744073709551",
        "18446744073709552",
        "18446744073709.552",
        "0000000000000000000000000000000001.50",
        "0." + "0" * 16_383,
        "0." + "0" * 16_382 + "1",
        "9" * 131_072,
        "-" + "1" * 131_072 + "." + "7" * 16_383,
        "0" * 200_000 + "1",
    ],
    ids=lambda text: text[:25] + f" {len(text)}",
)
def test_numbers_at_the_limits_are_exact(text: str) -> None:
    assert encoded(pa.array([text])) == encoded(pa.array([text, "NaN"]))[:1] == [written(text)]


def test_the_sign_of_zero_is_dropped_as_the_server_does() -> None:
    assert encoded(pa.array(["-0", "-0.00", "0.000"])) == ["0", "0.00", "0.000"]


def test_plain_numbers_have_one_width_and_are_assembled_as_arrays() -> None:
    assert isinstance(ENCODE_TEXT(pa.array(["1.50", None, "-99999999999.9999"])), FixedField)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", " 1", "1 ", "1\n", "-", "+", ".", "-.", "--1", "1-", "1-2", ".-5", "0.-5", "1.2.3", "1..2", "0x10",
        "0b1", "1_000", "1,5", "1e", "e5", "1e5.5", "1e9999999", "nan", "inf", "-NaN",
        "\N{ARABIC-INDIC DIGIT ONE}", "½", "1\0",
        "0." + "0" * 16_384, "0." + "0" * 65_536, "1e-16384", "1" + "0" * 131_072, "1e131072",
    ],
    ids=lambda text: ascii(text)[:15] + f" {len(text)}",
)  # fmt: skip
@pytest.mark.parametrize("beside", [[], ["1"], ["NaN"], ["5.", "-3"]], ids=str)
def test_what_is_not_a_numeric_is_refused(text: str, beside: list[str]) -> None:
    with pytest.raises(UnencodableError) as caught:
        ENCODE_TEXT(pa.array([*beside, text, *beside]))
    assert caught.value.row == len(beside)
    assert caught.value.value == text
