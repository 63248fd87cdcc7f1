from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dbrestore.errors import PartError
from dbrestore.export import rows
from dbrestore.export.rows import BATCH_ROWS, MOST_REPEATED_BYTES, read_batches, read_value
from dbrestore.export.thrift import I32, STRUCT, read_struct

DICTIONARY_PAGE_HEADER, NUM_VALUES = 7, 1


def write(path: Path, table: pa.Table, **options: Any) -> Path:
    """As Spark writes: format 1.0, gzip."""
    pq.write_table(table, path, version="1.0", compression="gzip", **options)
    return path


def test_columns_come_in_the_order_asked_for_and_others_do_not(tmp_path: Path) -> None:
    path = write(tmp_path / "part", pa.table({"a": [1, 2], "b": ["x", None], "c": [True, False]}))
    [batch] = read_batches(path, "part", ["c", "a"])
    assert batch.to_pydict() == {"c": [True, False], "a": [1, 2]}


def test_every_row_comes_once_and_in_order_whatever_the_row_groups(tmp_path: Path) -> None:
    count = 3 * BATCH_ROWS + 7
    path = write(tmp_path / "part", pa.table({"n": range(count)}), row_group_size=BATCH_ROWS + 1)
    batches = list(read_batches(path, "part", ["n"]))
    assert max(batch.num_rows for batch in batches) <= BATCH_ROWS
    assert [n for batch in batches for n in batch.column(0).to_pylist()] == list(range(count))


def test_columns_whose_pages_all_refer_to_a_dictionary_stay_dictionaries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "LEAST_INFLATED_BYTES", 0)
    table = pa.table({"few": ["a", "b", None] * 100, "many": [f"value {n}" for n in range(300)], "n": range(300)})
    path = write(tmp_path / "part", table, use_dictionary=["few"])
    [batch] = read_batches(path, "part", table.column_names)
    assert [pa.types.is_dictionary(column.type) for column in batch.columns] == [True, False, False]
    assert batch.column(0).to_pylist() == table["few"].to_pylist()


def test_long_values_that_repeat_come_in_small_batches(tmp_path: Path) -> None:
    long = "x" * 100_000
    table = pa.table({"text": [long, "short"] * 500})
    batches = list(read_batches(write(tmp_path / "part", table), "part", ["text"]))
    assert sum(batch.num_rows for batch in batches) == 1_000
    assert max(batch.num_rows for batch in batches) * len(long) <= MOST_REPEATED_BYTES


def test_columns_of_a_small_part_come_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path / "part", pa.table({"few": ["a", "b", None] * 30}))
    [batch] = read_batches(path, "part", ["few"])
    assert batch.column(0).equals(pa.array(["a", "b", None] * 30))


def test_wide_rows_come_in_small_batches(tmp_path: Path) -> None:
    table = pa.table({"text": [str(n) * 200_000 for n in range(100)]})
    batches = list(read_batches(write(tmp_path / "part", table, use_dictionary=False), "part", ["text"]))
    assert max(batch.nbytes for batch in batches) < 8 * 1024**2


def test_one_value_is_found_in_any_row_group(tmp_path: Path) -> None:
    path = write(tmp_path / "part", pa.table({"n": range(100)}), row_group_size=30)
    assert read_value(path, "part", "n", 95).to_pylist() == [95]
    with pytest.raises(IndexError):
        read_value(path, "part", "n", 100)


def test_a_part_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "part", pa.table({"text": [str(n) for n in range(10_000)]}), use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)
    with pytest.raises(PartError, match="shop/orders/part cannot be read"):
        list(read_batches(path, "shop/orders/part", ["text"]))


def test_a_value_that_is_not_in_the_dictionary_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "part"
    pq.write_table(pa.table({"few": ["a", "b"] * 10}), path, compression="none", write_statistics=False)
    content = path.read_bytes()
    page, length = read_struct(content[4:])
    shorter = page.struct(DICTIONARY_PAGE_HEADER).changed({NUM_VALUES: (I32, 1)})
    header = page.changed({DICTIONARY_PAGE_HEADER: (STRUCT, shorter)}).encoded()
    assert len(header) == length
    path.write_bytes(content[:4] + header + content[4 + length :])
    with pytest.raises(PartError, match="cannot be read"):
        list(read_batches(path, "part", ["few"]))


def resident_file_bytes() -> int:
    """Of this process, by Linux's /proc (proc(5), statm: shared)."""
    return int(Path("/proc/self/statm").read_text().split()[2]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_row_group_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1).integers(0, 2**63, 4_000_000)
    path = write(tmp_path / "part", pa.table({"n": numbers}), row_group_size=len(numbers), use_dictionary=False)
    before = most = resident_file_bytes()
    for batch in read_batches(path, "part", ["n"]):
        assert batch.num_rows
        most = max(most, resident_file_bytes())
    assert path.stat().st_size > 24 * 1024**2
    assert most - before < 16 * 1024**2


def test_an_empty_file_is_a_part_error(tmp_path: Path) -> None:
    path = tmp_path / "part"
    path.touch()
    with pytest.raises(PartError, match="shop/part cannot be read"):
        next(read_batches(path, "shop/part", ["n"]))
