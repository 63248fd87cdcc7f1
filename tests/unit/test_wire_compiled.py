from __future__ import annotations

import datetime as dt
import shutil
import string
import sysconfig
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbrestore.wire import cells, compiled
from dbrestore.wire.fields import UnencodableError
from dbrestore.wire.registry import CopyFormat, PgType, WireColumn, stream_encoder
from dbrestore.wire.scalars import VARCHAR_HEADER
from dbrestore.wire.text import join_rows
from tests.unit.test_wire_binary import parse_rows
from tests.unit.test_wire_numeric import read

if TYPE_CHECKING:
    from collections.abc import Callable

quick = settings(deadline=None, max_examples=150)

NUMERIC_12_2 = (12 << 16 | 2) + VARCHAR_HEADER
VALUES: dict[tuple[str, int], list[str | None]] = {
    ("numeric_recv", -1): ["0", "-0.00", "0.0000", "1", "-1", "10000", "12345678.90", "0.000000050", "99999999.9999",
                           "123456789012345678901234567890.123456789", "1" + "0" * 990, "1" * 1500, "NaN", "Infinity",
                           "-Infinity", "-NaN", "infinity",
                           "1e5", ".5", "5.", "00012.3400", None, "1" * 4 + "0" * 8, "0." + "0" * 20 + "1"],
    ("numeric_recv", NUMERIC_12_2): ["1.5", "1.50", "-3", "2.500", "0.001", None],
    ("date_recv", -1): ["2024-02-29", "2023-02-29", "1900-02-29", "2000-02-29", "0001-01-01", "0000-01-01",
                        "9999-12-31",
                        "0044-03-15 BC", "2024-1-01", "2024-13-01", "2024-00-10", "2024-04-31", None],
    ("timestamp_recv", -1): ["2024-02-29 23:59:59.999999", "2024-02-29 24:00:00", "1969-07-20 20:17:40.5",
                             "2024-02-29 12:00:60", "2024-02-29 12:00", "2024-02-29T12:00:00", "-infinity", None,
                             "infinity", "-Infinity", "2024-02-29 12:00:00.",
                             "2024-02-29 12:00:00.1234567", "2024-02-29 12:00:00+01"],
    ("date_recv", 7): ["infinity", "-infinity", "Infinity", "infinit"],
    ("timestamp_recv", 3): ["2024-02-29 12:00:00.123", "2024-02-29 12:00:00.1234", "1999-01-01 00:00:00.001000"],
    ("timestamptz_recv", -1): ["2024-02-29 12:00:00+00", "2024-02-29 12:00:00.5-08", "2024-02-29 12:00:00+05:30",
                               "2024-02-29 12:00:00+0530", "2024-02-29 12:00:00-23:59", "2024-02-29 12:00:00",
                               "2024-02-29 12:00:00+24", "1883-11-18 12:03:57-04:56:02", "0001-01-01 00:00:00+01",
                               None],
    ("uuid_recv", -1): ["00000000-0000-0000-0000-000000000000", "ABCDEFab-cdef-0123-4567-89abcdefABCD", None,
                        "abcdefab-cdef-0123-4567-89abcdefabc", "abcdefabXcdef-0123-4567-89abcdefabcd",
                        "abcdefab-cdef-0123-4567-89abcdefabcg",
                        *(f"{chr(code)}bcdefab-cdef-0123-4567-89abcdefabcd" for code in range(128)),
                        *(f"abcdefab-cdef-012{chr(code)}-4567-89abcdefabcd" for code in range(128)),
                        "ébcdefa-cdef-0123-4567-89abcdefabcd"],
    ("postgis.geometry_recv", -1): ["0101000000", "", "0aFf", "0", "0g", None],
    ("jsonb_recv", -1): ["{}", '{"a": "' + "é" * 50 + '"}', "", None],
    ("varcharrecv", 3 + VARCHAR_HEADER): ["abc", "éèà", "", "abcd", "éèàù", None],
    ("textrecv", -1): ["", "a", "abcd", "abcdefgh", "x" * 15, "x" * 16, "x" * 31, "x" * 33, "🐘" * 40, None],
}  # fmt: skip
TYPED: list[tuple[str, int, pa.Array]] = [
    ("int2recv", -1, pa.array([0, -1, 2**15 - 1, -(2**15), None], pa.int64())),
    ("int2recv", -1, pa.array([2**15], pa.int32())),
    ("int4recv", -1, pa.array([0, -1, 2**31 - 1, -(2**31), None], pa.int64())),
    ("int4recv", -1, pa.array([-(2**31) - 1], pa.int64())),
    ("int4recv", -1, pa.array([127, -128, None], pa.int8())),
    ("int4recv", -1, pa.array([255], pa.uint8())),
    ("int8recv", -1, pa.array([2**16 - 1, 7], pa.uint16())),
    ("int8recv", -1, pa.array([2**15 - 1, -7], pa.int16())),
    ("int8recv", -1, pa.array([2**32 - 1, 7], pa.uint32())),
    ("int8recv", -1, pa.array([2**63 - 1, -(2**63)], pa.int64())),
    ("int8recv", -1, pa.array([2**63 - 1, 7], pa.uint64())),
    ("int8recv", -1, pa.array([2**63], pa.uint64())),
    ("float4recv", -1, pa.array([1.5, -0.0, float("inf"), None, float("nan")], pa.float32())),
    ("float8recv", -1, pa.array([1.5, -0.0, float("-inf"), None, 5e-324], pa.float64())),
    ("float8recv", -1, pa.array([1.5, None], pa.float32())),
    ("float4recv", -1, pa.array([0.1], pa.float64())),
    ("boolrecv", -1, pa.array([True, False, None] * 5)),
    ("date_recv", -1, pa.array([0, 10957, -2440588, 2**31 - 1, None], pa.int32()).cast(pa.date32())),
    ("date_recv", -1, pa.array([-(2**31)], pa.int32()).cast(pa.date32())),
    ("timestamp_recv", -1, pa.array([0, 946684800000000, -1, 2**63 - 1, None], pa.int64()).cast(pa.timestamp("us"))),
    ("timestamp_recv", -1, pa.array([-(2**63)], pa.int64()).cast(pa.timestamp("us"))),
    ("timestamptz_recv", 2, pa.array([10_000, 10_001], pa.int64()).cast(pa.timestamp("us", "UTC"))),
    ("timestamptz_recv", -1, pa.array([1_001], pa.int64()).cast(pa.timestamp("ns", "UTC"))),
    ("bytearecv", -1, pa.array([b"", b"\0\xff", b"x" * 100, None], pa.binary())),
    ("uuid_recv", -1, pa.array([b"0123456789abcdef", None], pa.binary(16))),
]  # fmt: skip

encode_rows: Callable[..., Any] = vars(compiled)["encode_rows"]

needs_compiler = pytest.mark.skipif(not compiled.IS_THERE, reason="no C compiler was there")


def encoded(array: pa.Array, receive: str, typmod: int) -> list[bytes | None] | tuple[object, ...]:
    """The payloads, or row, column, value and reason of the error."""
    column = WireColumn("c", array.type, PgType("any", receive, typmod=typmod))
    try:
        buffers = list(stream_encoder([column], CopyFormat.BINARY).encode(pa.record_batch([array], ["c"])))
    except UnencodableError as error:
        return error.row, error.column, error.value, error.reason
    return [value for (value,) in parse_rows(b"".join(map(bytes, buffers)))]


def same_for_both(array: pa.Array, receive: str, typmod: int) -> None:
    """Numerics are compared as numbers: their leading and trailing zeros mean nothing."""
    fast, slow = (_by(is_there, encoded, array, receive, typmod) for is_there in (True, False))
    if receive == "numeric_recv" and isinstance(fast, list) and isinstance(slow, list):
        fast, slow = ([value and read(value) for value in values] for values in (fast, slow))
    assert fast == slow


def _by(is_there: bool, function: Callable[..., Any], *arguments: Any) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "IS_THERE", is_there)
        return function(*arguments)


def test_it_is_compiled_where_there_is_a_compiler() -> None:
    can_compile = shutil.which("cc") and Path(sysconfig.get_path("include"), "Python.h").exists()
    assert compiled.IS_THERE or not can_compile


@needs_compiler
@pytest.mark.parametrize(("receive", "typmod"), VALUES)
def test_texts_come_out_as_from_python(receive: str, typmod: int) -> None:
    texts = VALUES[receive, typmod]
    assert cells.find_cell(pa.string(), receive, typmod) is not None
    for text in texts:
        same_for_both(pa.array([text], pa.string()), receive, typmod)
    for array in (pa.array(texts, pa.string()), pa.array([*texts, *texts], pa.string())[len(texts) - 1 :]):
        for form in (array, array.cast(pa.large_string()), array.cast(pa.string_view()), array.dictionary_encode()):
            same_for_both(form, receive, typmod)


@needs_compiler
@pytest.mark.parametrize(("receive", "typmod", "array"), TYPED)
def test_typed_values_come_out_as_from_python(receive: str, typmod: int, array: pa.Array) -> None:
    for part in (array, array[1:], array[:0]):
        same_for_both(part, receive, typmod)
    for value in array:
        same_for_both(pa.array([value], array.type), receive, typmod)


@st.composite
def nearly(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    """A text with at most two characters changed, left out or put in."""
    text = draw(texts)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(text)))
        put, out = draw(st.text("0123456789-+:. aFg,eE_é", max_size=1)), draw(st.integers(0, 1))
        text = text[:at] + put + text[at + out :]
    return text


moments = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30)).map(lambda moment: f"{moment}")
offsets = st.builds("{}{:02}{}".format, st.sampled_from("+-"), st.integers(0, 15), st.sampled_from(["", ":30", ":59"]))
NEARLY = {
    "numeric_recv": st.from_regex(r"\A-?[0-9]{1,30}(\.[0-9]{1,30})?\Z"),
    "date_recv": moments.map(lambda text: text[:10]),
    "timestamp_recv": moments,
    "timestamptz_recv": st.builds(str.__add__, moments, offsets),
    "uuid_recv": st.uuids().map(str),
    "postgis.geography_recv": st.text(string.hexdigits, max_size=40),
}


@needs_compiler
@pytest.mark.parametrize("receive", NEARLY)
@quick
@given(data=st.data())
def test_values_an_edit_away_come_out_as_from_python(receive: str, data: st.DataObject) -> None:
    texts = data.draw(st.lists(st.none() | nearly(NEARLY[receive]), max_size=3))
    typmod = data.draw(st.sampled_from([-1, NUMERIC_12_2] if receive == "numeric_recv" else [-1, 3]))
    same_for_both(pa.array(texts, pa.string()), receive, typmod)


@needs_compiler
def test_numerics_have_no_zero_digits_at_their_ends() -> None:
    texts = pa.array(["00010000.00", "0.00010000", "-0.00"])
    assert encoded(texts, "numeric_recv", -1) == [
        bytes.fromhex("0001 0001 0000 0002 0001"),
        bytes.fromhex("0001 ffff 0000 0008 0001"),
        bytes.fromhex("0000 0000 0000 0002"),
    ]


@needs_compiler
@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (pa.array([1]), cells.Cell(cells.Kind.UUID)),
        (pa.array(["a"]), cells.Cell(cells.Kind.INTEGER, 4)),
        (pa.array([1]), cells.Cell(cells.Kind.INTEGER, 3)),
        (pa.array(["a"], pa.large_string()), cells.PAYLOAD),
        (pa.array([0], pa.timestamp("s")), cells.Cell(cells.Kind.MICROSECOND)),
        (pa.DictionaryArray.from_arrays(pa.array([1], pa.int32()), pa.array(["a"]), safe=False), cells.PAYLOAD),
        (pa.DictionaryArray.from_arrays(pa.array([-1], pa.int32()), pa.array(["a"]), safe=False), cells.PAYLOAD),
        (pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), pa.array(["a"])), cells.PAYLOAD),
        (pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), pa.array([1])), cells.PAYLOAD),
        (pa.array([1]).dictionary_encode(), cells.Cell(cells.Kind.INTEGER, 4)),
    ],
)
def test_what_does_not_fit_its_kind_is_refused_before_memory_is_read(array: pa.Array, kind: cells.Cell) -> None:
    capsules = pa.record_batch([array], ["c"]).__arrow_c_array__()
    with pytest.raises(ValueError, match="form"):
        encode_rows(capsules, compiled._kinds([kind]))


@needs_compiler
@pytest.mark.parametrize("kinds", [b"", bytes(7), bytes(16)])
def test_each_column_has_to_have_a_kind(kinds: bytes) -> None:
    with pytest.raises(ValueError, match="kinds"):
        encode_rows(pa.record_batch([pa.array(["a"])], ["c"]).__arrow_c_array__(), kinds)


@needs_compiler
def test_no_kind_is_unknown() -> None:
    with pytest.raises(ValueError, match="form"):
        encode_rows(
            pa.record_batch([pa.array(["a"])], ["c"]).__arrow_c_array__(), len(cells.Kind).to_bytes(4, "little") * 2
        )


TEXTS = st.none() | st.text(st.sampled_from("\\\t\n\r\vNaé🐘"), max_size=40)
INTEGERS = {
    pa.int8(): (-(2**7), 2**7 - 1),
    pa.int16(): (-(2**15), 2**15 - 1),
    pa.int32(): (-(2**31), 2**31 - 1),
    pa.int64(): (-(2**63), 2**63 - 1),
    pa.uint8(): (0, 2**8 - 1),
    pa.uint16(): (0, 2**16 - 1),
    pa.uint32(): (0, 2**32 - 1),
    pa.uint64(): (0, 2**64 - 1),
}


def line_arrays(rows: int) -> st.SearchStrategy[pa.Array]:
    """Slices, since buffers have to be read from where these begin."""
    texts = st.lists(TEXTS, min_size=rows + 1, max_size=rows + 1).map(lambda values: pa.array(values, pa.string()))
    integers = [
        st.lists(st.none() | st.integers(*bounds), min_size=rows + 1, max_size=rows + 1).map(
            partial(pa.array, type=kind)
        )
        for kind, bounds in INTEGERS.items()
    ]
    forms = (texts, texts.map(pa.Array.dictionary_encode), texts.map(lambda array: array.cast(pa.binary())), *integers)
    return st.one_of(forms).map(lambda array: array.slice(1))


@needs_compiler
@quick
@given(st.integers(1, 6).flatmap(lambda rows: st.lists(line_arrays(rows), min_size=1, max_size=4)))
def test_lines_come_out_as_from_python(arrays: list[pa.Array]) -> None:
    assert compiled.join_lines(arrays).to_pybytes() == join_rows(arrays).to_pybytes()


@needs_compiler
@pytest.mark.parametrize(
    "array", [pa.array([1.5]), pa.array([True]), pa.array([1]).dictionary_encode(), pa.array(["x"], pa.large_string())]
)
def test_lines_are_of_texts_and_integers_alone(array: pa.Array) -> None:
    with pytest.raises(ValueError, match="not of a form"):
        compiled.join_lines([array])
