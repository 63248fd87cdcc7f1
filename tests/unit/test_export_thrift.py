from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbrestore.export.thrift import (
    BINARY,
    BYTE,
    DOUBLE,
    FALSE,
    I16,
    I32,
    I64,
    LIST,
    MOST_NESTED,
    STRUCT,
    TRUE,
    Struct,
    ThriftError,
    read_integers,
    read_struct,
    skip_fields,
)

SCALARS: dict[int, st.SearchStrategy[Any]] = {
    TRUE: st.just(True),
    FALSE: st.just(False),
    BYTE: st.integers(0, 255),
    I16: st.integers(-(2**15), 2**15 - 1),
    I32: st.integers(-(2**31), 2**31 - 1),
    I64: st.integers(-(2**63), 2**63 - 1),
    DOUBLE: st.binary(min_size=8, max_size=8),
    BINARY: st.binary(max_size=20),
}


def fields_of(values: dict[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[tuple[int, Any]]:
    return st.one_of([st.tuples(st.just(kind), value) for kind, value in values.items()])


def lists_of(values: dict[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[tuple[int, Any]]:
    of_booleans = {**values, TRUE: st.integers(1, 2), FALSE: st.integers(1, 2)}
    lists = [st.tuples(st.just(kind), st.lists(value, max_size=16)) for kind, value in of_booleans.items()]
    return st.tuples(st.just(LIST), st.one_of(lists))


def structs_of(fields: st.SearchStrategy[tuple[int, Any]]) -> st.SearchStrategy[Struct]:
    return st.dictionaries(st.integers(-100, 100), fields, max_size=4).map(Struct)


STRUCTS = st.recursive(
    structs_of(fields_of(SCALARS) | lists_of(SCALARS)),
    lambda inner: structs_of(st.tuples(st.just(STRUCT), inner) | lists_of({STRUCT: inner})),
    max_leaves=4,
)


@given(STRUCTS)
def test_what_is_written_is_read_again(struct: Struct) -> None:
    encoded = struct.encoded()
    assert read_struct(encoded + b"more") == (struct, len(encoded))


@given(STRUCTS)
def test_where_a_struct_ends_is_found_without_reading_it(struct: Struct) -> None:
    encoded = struct.encoded()
    assert skip_fields(b"before" + encoded + b"more", len(b"before")) == len(b"before") + len(encoded)
    with pytest.raises(ThriftError):
        skip_fields(encoded[:-1], 0)


@given(st.dictionaries(st.integers(1, 4), st.integers(-(2**31), 2**31 - 1)), STRUCTS)
def test_the_integers_that_a_struct_begins_with_are_read(integers: dict[int, int], struct: Struct) -> None:
    encoded = Struct({**{n: (I32, number) for n, number in integers.items()}, 5: (STRUCT, struct)}).encoded()
    found, last, position = read_integers(encoded)
    assert (found, last) == (integers, max(integers, default=0))
    assert skip_fields(encoded, position) == len(encoded)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_struct_or_an_error(data: bytes) -> None:
    try:
        _, length = read_struct(data)
    except ThriftError:
        return
    assert 0 < length <= len(data)


def footer_by_pyarrow() -> bytes:
    stream = io.BytesIO()
    table = pa.table({f"column {n}": [1.5, None, float(n)] for n in range(20)}).replace_schema_metadata({"a": "b"})
    pq.write_table(table, stream, row_group_size=2)
    content = stream.getvalue()
    return content[-8 - int.from_bytes(content[-8:-4], "little") : -8]


def test_a_footer_by_pyarrow_is_written_back_as_it_was() -> None:
    footer = footer_by_pyarrow()
    struct, length = read_struct(memoryview(footer))
    assert length == len(footer)
    assert struct.encoded() == footer
    assert (struct.integer(3), len(struct.items(2, STRUCT)), len(struct.items(4, STRUCT))) == (3, 21, 2)


def test_a_struct_that_is_cut_off_is_refused() -> None:
    footer = footer_by_pyarrow()
    for kept in range(0, len(footer), 37):
        with pytest.raises(ThriftError, match="cut off"):
            read_struct(footer[:kept])


def test_fields_are_changed_and_left_out() -> None:
    struct = Struct({1: (I32, 5), 2: (BINARY, b"x"), 3: (TRUE, True)})
    assert struct.changed({1: (I64, 6)}, without=(2, 9)) == Struct({1: (I64, 6), 3: (TRUE, True)})


def test_a_field_that_is_missing_or_of_another_kind_is_refused() -> None:
    struct = Struct({1: (I32, 5), 2: (BINARY, b"x"), 3: (LIST, (I32, [1, 2])), 4: (STRUCT, Struct({}))})
    assert (struct.integer(1), struct.items(3, I32), struct.struct(4)) == (5, [1, 2], Struct({}))
    for read in (
        lambda: struct.integer(2),
        lambda: struct.integer(9),
        lambda: struct.struct(1),
        lambda: struct.items(1, I32),
        lambda: struct.items(3, BINARY),
    ):
        with pytest.raises(ThriftError):
            read()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bytes([1 << 4 | I64]) + b"\xff" * 10 + b"\x01\x00", "too long"),
        (bytes([1 << 4 | 13]), "no kind 13"),
        (bytes([1 << 4 | STRUCT]) * (MOST_NESTED + 1) + bytes(MOST_NESTED + 2), "too deep"),
        (bytes([1 << 4 | LIST]) + bytes([1 << 4 | LIST]) * 100_000, "too deep"),
    ],
)
def test_what_no_parquet_file_has_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ThriftError, match=message):
        read_struct(data)


def test_a_list_that_claims_more_items_than_there_are_bytes_is_refused() -> None:
    with pytest.raises(ThriftError, match="cut off"):
        read_struct(bytes([1 << 4 | LIST, 15 << 4 | TRUE]) + b"\xff\xff\xff\xff\x0f" + b"\x01" * 50)
