from __future__ import annotations

import io
import tempfile
import tracemalloc
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import deflate
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dbrestore.errors import ExportError, PartError
from dbrestore.export import inflate, rows
from dbrestore.export.inflate import (
    COLUMNS,
    CRYPTO_METADATA,
    ENCRYPTION_ALGORITHM,
    FILE_PATH,
    GROUP_NUM_ROWS,
    LARGEST_FOOTER_BYTES,
    META_DATA,
    ROW_GROUPS,
    GzippedPart,
)
from dbrestore.export.mapping import Mapping
from dbrestore.export.pages import COMMON_HEADER_BYTES
from dbrestore.export.rows import READ_BYTES, read_batches
from dbrestore.export.thrift import BINARY, I32, I64, LIST, STRUCT, Struct, read_struct

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = 3000
TABLE = pa.table(
    {
        "id": pa.array(range(ROWS), pa.int64()),
        "text": [None if n % 7 == 0 else f"value {n * 7919 % ROWS}" for n in range(ROWS)],
        "few": ["a", "", None] * (ROWS // 3),
        "nothing": pa.nulls(ROWS, pa.string()),
        "flag": [True, False, None] * (ROWS // 3),
        "score": [n / 3 for n in range(ROWS)],
        "bytes": pa.array([bytes([n % 256]) * (n % 5) for n in range(ROWS)], pa.binary()),
        "amount": pa.array([Decimal(n) / 100 for n in range(ROWS)], pa.decimal128(12, 2)),
        "due": [date(2020, 1, 1) + timedelta(days=n) for n in range(ROWS)],
        "created": pa.array([datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(ROWS)]),
    }
)
DATA_PAGE_HEADER = 5


@pytest.fixture(autouse=True)
def _small_parts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LEAST_INFLATED_BYTES", 0)


def written(table: pa.Table = TABLE, **options: Any) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, **{"compression": "gzip", "version": "1.0", **options})
    return stream.getvalue()


def inflated(content: bytes) -> pa.Table | None:
    """All row groups, or None if one of them is left to pyarrow."""
    part, tables = GzippedPart(pa.py_buffer(content)), []
    for group in range(pq.read_metadata(io.BytesIO(content)).num_row_groups):
        found = part.inflated(group)
        if found is None:
            return None
        file = pq.ParquetFile(found.file, metadata=found.metadata, buffer_size=READ_BYTES, pre_buffer=False)
        tables.append(file.read())
    return pa.concat_tables(tables)


def with_footer(content: bytes, change: Callable[[Struct], Struct]) -> bytes:
    length = int.from_bytes(content[-8:-4], "little")
    footer = change(read_struct(content[-8 - length : -8])[0]).encoded()
    return content[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def with_chunks(content: bytes, change: Callable[[Struct], Struct]) -> bytes:
    def changed(footer: Struct) -> Struct:
        groups = [
            group.changed({COLUMNS: (LIST, (STRUCT, [change(chunk) for chunk in group.items(COLUMNS, STRUCT)]))})
            for group in footer.items(ROW_GROUPS, STRUCT)
        ]
        return footer.changed({ROW_GROUPS: (LIST, (STRUCT, groups))})

    return with_footer(content, changed)


def with_page(body: bytes, compressed: int, size: int, **header: Any) -> bytes:
    """A part of one column "n" of two INT64, with one page of the given body and sizes."""
    content = written(pa.table({"n": pa.array([1, 2], pa.int64())}), use_dictionary=False, write_statistics=False)
    page, _ = read_struct(content[4:])
    fields = {2: (I32, size), 3: (I32, compressed), **header.get("fields", {})}
    encoded = page.changed(fields).encoded() + body

    def moved(chunk: Struct) -> Struct:
        column = chunk.struct(META_DATA).changed({7: (I64, len(encoded)), 9: (I64, 4)})
        return chunk.changed({META_DATA: (STRUCT, column)})

    footer = content[-8 - int.from_bytes(content[-8:-4], "little") :]
    return with_chunks(b"PAR1" + encoded + footer, moved)


def page_body() -> tuple[bytes, int]:
    """The gzipped body of a page of two INT64, and its size when it is inflated."""
    content = written(pa.table({"n": pa.array([1, 2], pa.int64())}), use_dictionary=False, write_statistics=False)
    page, length = read_struct(content[4:])
    return content[4 + length : 4 + length + page.integer(3)], page.integer(2)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_dictionary": False},
        {"dictionary_pagesize_limit": 1000, "data_page_size": 1000, "write_batch_size": 50},
        {"row_group_size": 700},
        {"write_statistics": False},
        {"write_page_checksum": True},
        {"write_page_index": True},
        {"version": "2.6"},
        {"use_deprecated_int96_timestamps": True},
        {"store_schema": False, "store_decimal_as_integer": True},
    ],
    ids=str,
)
def test_a_gzipped_part_has_the_same_rows_when_it_is_inflated(options: dict[str, Any]) -> None:
    content = written(**options)
    expected = pq.read_table(io.BytesIO(content))
    assert expected.num_rows == ROWS
    assert inflated(content) == expected


def test_a_part_without_rows_has_none_when_it_is_inflated() -> None:
    content = written(TABLE.slice(0, 0), use_dictionary=False)
    table = inflated(content) if pq.read_metadata(io.BytesIO(content)).num_row_groups else None
    assert table is None or table.num_rows == 0


def test_values_longer_than_what_is_read_at_a_time_are_whole() -> None:
    table = pa.table({"long": ["x" * n for n in (0, 100_000, 3, 250_000)]})
    assert inflated(written(table, data_page_size=1)) == table


def test_headers_with_long_statistics_are_read() -> None:
    table = pa.table({"long": [letter * 1000 for letter in "abc"]})
    content = written(table, use_dictionary=False)
    _, length = read_struct(content[4:])
    assert length > COMMON_HEADER_BYTES
    assert inflated(content) == table


def test_few_pages_of_a_row_group_are_held_in_memory_at_a_time(tmp_path: Path) -> None:
    texts = [str(n) * 5_000 for n in range(1000)]
    path = tmp_path / "part"
    path.write_bytes(written(pa.table({"a": texts, "b": texts}), use_dictionary=False, write_batch_size=1))
    size = pq.read_metadata(path).row_group(0).total_byte_size
    tracemalloc.start()
    try:
        assert sum(batch.num_rows for batch in read_batches(path, "part", ["a", "b"])) == 1000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size / 10


def test_every_part_of_a_real_export_is_inflated(samples: Path) -> None:
    parts = sorted(samples.glob("**/*.parquet"))
    assert parts
    for path in parts:
        assert inflated(path.read_bytes()) == pq.read_table(path)


@pytest.mark.parametrize("codec", ["none", "snappy", "zstd", "lz4", "brotli"])
def test_other_codecs_are_left_to_pyarrow(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "part"
    path.write_bytes(written(compression=codec))
    assert inflated(path.read_bytes()) is None
    assert pa.Table.from_batches(read_batches(path, "part", ["id"]))["id"].to_pylist() == list(range(ROWS))


def test_a_part_of_several_codecs_is_left_to_pyarrow() -> None:
    codecs = dict.fromkeys(TABLE.column_names, "gzip") | {"few": "zstd"}
    assert inflated(written(compression=codecs)) is None


def test_data_pages_of_version_2_are_left_to_pyarrow(tmp_path: Path) -> None:
    path = tmp_path / "part"
    path.write_bytes(written(data_page_version="2.0"))
    assert inflated(path.read_bytes()) is None
    assert sum(batch.num_rows for batch in read_batches(path, "part", ["text"])) == ROWS


@pytest.mark.parametrize(
    "field",
    [{FILE_PATH: (BINARY, b"elsewhere")}, {CRYPTO_METADATA: (STRUCT, Struct({}))}],
    ids=["elsewhere", "encrypted"],
)
def test_chunks_that_are_elsewhere_or_encrypted_are_left_to_pyarrow(field: dict[int, Any]) -> None:
    content = with_chunks(written(), lambda chunk: chunk.changed(field))
    assert GzippedPart(pa.py_buffer(content)).inflated(0) is None


def test_an_encrypted_part_is_left_to_pyarrow() -> None:
    content = with_footer(written(), lambda footer: footer.changed({ENCRYPTION_ALGORITHM: (STRUCT, Struct({}))}))
    assert GzippedPart(pa.py_buffer(content)).inflated(0) is None


def test_a_part_with_a_very_large_footer_is_left_to_pyarrow() -> None:
    table = TABLE.replace_schema_metadata({"key": "x" * LARGEST_FOOTER_BYTES})
    assert inflated(written(table)) is None


@pytest.mark.parametrize(("field", "value"), [(9, 0), (9, 2**40), (7, 0), (7, -1), (7, 2**40), (7, 10)])
def test_chunks_that_the_file_cannot_hold_are_left_to_pyarrow(field: int, value: int) -> None:
    def changed(chunk: Struct) -> Struct:
        return chunk.changed({META_DATA: (STRUCT, chunk.struct(META_DATA).changed({field: (I64, value)}))})

    content = with_chunks(written(use_dictionary=False), changed)
    assert GzippedPart(pa.py_buffer(content)).inflated(0) is None


def test_a_page_of_true_sizes_is_read() -> None:
    body, size = page_body()
    assert inflated(with_page(body, len(body), size)) == pa.table({"n": [1, 2]})


@pytest.mark.parametrize(
    ("compressed", "size"), [(0, 10), (-1, 10), (10_000, 10), (30, -1), (30, 2**31 - 1), (2**31 - 1, 2**31 - 1)]
)
def test_pages_of_sizes_that_cannot_be_are_left_to_pyarrow(compressed: int, size: int) -> None:
    body, _ = page_body()
    assert inflated(with_page(body, compressed, size)) is None


@pytest.mark.parametrize("difference", [-1, 1, 1000])
def test_a_page_of_another_size_than_its_header_tells_is_an_error(difference: int) -> None:
    body, size = page_body()
    with pytest.raises(OSError, match=r"the page at byte \d+ (is damaged|has \d+ bytes, not)"):
        inflated(with_page(body, len(body), size + difference))


def test_a_page_that_inflates_to_far_more_than_its_header_tells_is_not_inflated() -> None:
    body = bytes(deflate.gzip_compress(bytes(50_000_000)))
    with pytest.raises(OSError, match="is damaged"):
        inflated(with_page(body, len(body), 24))


def test_pages_of_an_unknown_type_are_left_to_pyarrow() -> None:
    body, size = page_body()
    assert inflated(with_page(body, len(body), size, fields={1: (I32, 1)})) is None


def test_a_page_with_a_damaged_checksum_of_gzip_is_a_part_error(tmp_path: Path) -> None:
    body, size = page_body()
    damaged = bytearray(body)
    damaged[-6] ^= 1
    path = tmp_path / "part"
    path.write_bytes(with_page(bytes(damaged), len(damaged), size))
    with pytest.raises(PartError, match="shop/part cannot be read: the page at byte"):
        list(read_batches(path, "shop/part", ["n"]))


@pytest.fixture
def large_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "LARGEST_PAGE_BYTES", 0)


def read(content: bytes) -> pa.Table:
    return pa.Table.from_batches(read_batches(pa.py_buffer(content), "the part", TABLE.column_names))


@pytest.mark.usefixtures("large_pages")
@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"row_group_size": 700, "data_page_size": 500}])
def test_a_row_group_with_large_pages_has_the_same_rows(options: dict[str, Any]) -> None:
    content = written(**options)
    group = GzippedPart(pa.py_buffer(content)).inflated(0)
    assert group is not None
    assert isinstance(group.file, Mapping)
    read_again = read(content)
    assert read_again.select(["text", "few"]).to_pydict() == TABLE.select(["text", "few"]).to_pydict()
    assert read_again.drop(["text", "few", "nothing"]).equals(
        pq.read_table(io.BytesIO(content)).drop(["text", "few", "nothing"])
    )


@pytest.mark.usefixtures("large_pages")
@pytest.mark.parametrize("difference", [-1, 1])
def test_a_large_page_of_another_size_than_its_header_tells_is_an_error(difference: int) -> None:
    body, size = page_body()
    with pytest.raises(OSError, match=f"has not the {size + difference} bytes"):
        inflated(with_page(body, len(body), size + difference))


@pytest.mark.usefixtures("large_pages")
def test_a_large_page_that_is_damaged_is_a_part_error() -> None:
    content = bytearray(written())
    content[200:260] = bytes(60)
    with pytest.raises(PartError, match="the part cannot be read: the page at byte"):
        read(bytes(content))


@pytest.mark.usefixtures("large_pages")
def test_a_folder_for_large_pages_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(ExportError, match=r"temporary files, .*missing, cannot be written: No such file") as caught:
        read(written())
    assert "TMPDIR" in str(caught.value.hint)


def test_columns_whose_pages_all_refer_to_a_dictionary_are_known() -> None:
    table = TABLE.select(["few", "text", "id"])
    content = written(table, use_dictionary=["few", "text"], row_group_size=2000, dictionary_pagesize_limit=10_000)
    encodings = [pq.read_metadata(io.BytesIO(content)).row_group(0).column(place).encodings for place in range(3)]
    assert ["PLAIN" in found for found in encodings] == [False, True, True]
    assert GzippedPart(pa.py_buffer(content)).dictionary_columns() == {0}


def test_a_row_group_that_does_not_say_its_rows_is_left_to_pyarrow() -> None:
    def without_rows(footer: Struct) -> Struct:
        groups = [group.changed({}, without=(GROUP_NUM_ROWS,)) for group in footer.items(ROW_GROUPS, STRUCT)]
        return footer.changed({ROW_GROUPS: (LIST, (STRUCT, groups))})

    assert GzippedPart(pa.py_buffer(with_footer(written(), without_rows))).inflated(0) is None


SMALL = TABLE.select(["id", "text", "few"]).slice(0, 600)
SMALL_PART = written(SMALL, data_page_size=1000, write_batch_size=50, row_group_size=350, store_schema=False)


def read_by_pyarrow(content: bytes) -> pa.Table | None:
    try:
        return pq.ParquetFile(io.BytesIO(content)).read().select(SMALL.column_names)
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError):
        return None


@given(st.lists(st.tuples(st.integers(0, len(SMALL_PART) - 1), st.integers(0, 7)), min_size=1, max_size=4))
@example([(5, 1)])  # the type of the first page: pyarrow passes over the row group in silence
def test_flipped_bits_give_what_pyarrow_reads_or_the_true_rows_or_a_part_error(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]]
) -> None:
    content = bytearray(SMALL_PART)
    for place, bit in flips:
        content[place] ^= 1 << bit
    path = tmp_path_factory.mktemp("damaged") / "part"
    path.write_bytes(content)
    try:
        rows = [row for batch in read_batches(path, "part", SMALL.column_names) for row in batch.to_pylist()]
    except PartError:
        return
    by_pyarrow = read_by_pyarrow(bytes(content))
    assert rows == SMALL.to_pylist() or (by_pyarrow is not None and rows == by_pyarrow.to_pylist())
