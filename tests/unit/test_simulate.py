from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbrestore.errors import LayoutError
from dbrestore.simulate import LocalDestination
from dbrestore.simulate.catalog import SourceColumn, SourceTable, skip_reason
from dbrestore.simulate.manifest import ExportedTable, format_date, tables_info
from dbrestore.simulate.parquet_types import arrow_schema
from dbrestore.simulate.parts import ROW_GROUP_BYTES, BatchFolder
from dbrestore.simulate.rows import parse_rows
from dbrestore.simulate.simulation import database_folder_name, path_name

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 10, 6, 19, 35, 27, tzinfo=UTC)
WORDS = pa.schema([("word", pa.string())])
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def make_column(name: str = "id", type_oid: int = 23) -> SourceColumn:
    return SourceColumn(name, name, type_oid, "integer", 0, 32, 0, 1)


def make_table(name: str, *columns: SourceColumn, schema: str = "public", permanent: bool = True) -> SourceTable:
    return SourceTable(schema, name, False, permanent, (f"{schema}.{name}",), 8192, 1, columns or (make_column(),))


def quoted(text: str | None) -> str:
    return "" if text is None else '"' + text.replace('"', '""') + '"'


def words(*values: str | None) -> pa.Table:
    return pa.table({"word": pa.array(values, pa.string())})


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOW, "Oct 6, 2026, 7:35:27 PM"),
        (datetime(2020, 9, 10, 6, 50, 5, 999999, tzinfo=UTC), "Sep 10, 2020, 6:50:05 AM"),
        (datetime(2024, 1, 31, 0, 0, 0, tzinfo=UTC), "Jan 31, 2024, 12:00:00 AM"),
        (datetime(2024, 12, 1, 12, 9, 8, tzinfo=UTC), "Dec 1, 2024, 12:09:08 PM"),
    ],
)
def test_dates_are_written_as_aws_writes_them(moment: datetime, text: str) -> None:
    assert format_date(moment) == text


def test_characters_that_aws_replaces_in_paths_become_underscores() -> None:
    assert path_name('a b\\c`d"e.F-ü,(g)') == "a_b_c_d_e.F-ü,(g)"


@pytest.mark.parametrize("name", ["/etc", "a/b", ".", ".."])
def test_a_database_whose_folder_would_be_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(LayoutError, match=re.escape(repr(name))):
        database_folder_name(name)


@pytest.mark.parametrize("character", list(",;{}()\n\t= "))
def test_a_table_with_an_unsupported_character_in_a_column_name_is_skipped(character: str) -> None:
    table = make_table("orders", make_column(), make_column(f"net{character}price"))
    assert repr(f"net{character}price") in (skip_reason(table) or "")


def test_a_table_with_a_slash_in_its_name_is_skipped() -> None:
    assert skip_reason(make_table("in/out")) == "its name holds a slash"
    assert skip_reason(make_table("t", schema="a/b")) == "its name holds a slash"


def test_a_table_that_is_not_permanent_is_skipped() -> None:
    assert skip_reason(make_table("cache", permanent=False)) == "it is unlogged or temporary"


def test_a_table_with_other_unusual_names_is_exported() -> None:
    assert skip_reason(make_table('Käse "x" y.z', make_column('Spalte-"1"'))) is None


@given(st.lists(st.tuples(st.none() | TEXTS, st.none() | TEXTS), min_size=1))
def test_every_text_is_read_from_csv_as_it_is(rows: list[tuple[str | None, str | None]]) -> None:
    block = "".join(f"{quoted(left)},{quoted(right)}\n" for left, right in rows).encode()
    table = parse_rows(block, pa.schema([("left", pa.string()), ("right", pa.string())]))
    assert list(zip(*table.to_pydict().values(), strict=True)) == rows


@given(st.lists(st.none() | TEXTS, min_size=1))
def test_a_column_alone_keeps_its_nulls(values: list[str | None]) -> None:
    block = "".join(f"{quoted(value)}\n" for value in values).encode()
    assert parse_rows(block, WORDS)["word"].to_pylist() == values


@given(st.lists(st.none() | st.binary(), min_size=1))
def test_hex_digits_become_bytes(values: list[bytes | None]) -> None:
    block = "".join(f"{quoted(None if value is None else value.hex())}\n" for value in values).encode()
    table = parse_rows(block, pa.schema([("blob", pa.binary())]))
    table.validate(full=True)
    assert table["blob"].to_pylist() == values


@given(st.lists(st.none() | st.floats(allow_nan=False), min_size=1))
def test_doubles_keep_every_bit(values: list[float | None]) -> None:
    block = "".join(f"{quoted(None if value is None else repr(value))}\n" for value in values).encode()
    table = parse_rows(block, pa.schema([("value", pa.float64())]))
    assert [repr(value) for value in table["value"].to_pylist()] == [repr(value) for value in values]


def test_rows_are_parted_without_regard_to_how_they_arrive(tmp_path: Path) -> None:
    with BatchFolder(tmp_path / "1", WORDS, rows_per_part=4, store=LocalDestination(tmp_path).store) as batch:
        for piece in (words("a", "b", "c"), words("d", "e"), words(*"fghijklm")):
            batch.write(piece)
        batch.finish()
    parts = sorted((tmp_path / "1").glob("part-*"))
    contents = ["".join(pq.read_table(part)["word"].to_pylist()) for part in parts]
    assert contents == ["abcd", "efgh", "ijkl", "m"]
    assert (batch.parts, batch.rows) == (4, 13)


def test_parts_that_are_full_leave_no_empty_one_behind(tmp_path: Path) -> None:
    with BatchFolder(tmp_path / "1", WORDS, rows_per_part=2, store=LocalDestination(tmp_path).store) as batch:
        batch.write(words("a", "b", "c", "d"))
        batch.finish()
    assert batch.parts == len(list((tmp_path / "1").glob("part-*"))) == 2


def test_a_part_of_much_data_is_written_in_several_row_groups(tmp_path: Path) -> None:
    long_word = words("x" * (ROW_GROUP_BYTES // 4))
    with BatchFolder(tmp_path / "1", WORDS, rows_per_part=100, store=LocalDestination(tmp_path).store) as batch:
        for _ in range(6):
            batch.write(long_word)
        batch.finish()
    [part] = (tmp_path / "1").glob("part-*")
    assert pq.read_metadata(part).num_row_groups == 2
    assert pq.read_metadata(part).num_rows == 6


def test_a_batch_that_fails_has_no_success_marker(tmp_path: Path) -> None:
    def fail_half_way() -> None:
        with BatchFolder(tmp_path / "1", WORDS, rows_per_part=2, store=LocalDestination(tmp_path).store) as batch:
            batch.write(words("a", "b", "c"))
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        fail_half_way()
    assert not (tmp_path / "1" / "_SUCCESS").exists()


def test_many_tables_are_listed_in_several_files() -> None:
    tables = [ExportedTable(make_table(f"t{number}"), NOW, NOW, 1, 1) for number in range(401)]
    documents = dict(tables_info("ci", "shop", tables))
    assert {name: len(document["perTableStatus"]) for name, document in documents.items()} == {
        "export_tables_info_ci_from_1_to_200.json": 200,
        "export_tables_info_ci_from_201_to_400.json": 200,
        "export_tables_info_ci_from_401_to_401.json": 1,
    }


def test_a_database_without_tables_is_listed_as_skipped() -> None:
    [(name, document)] = tables_info("ci", "postgres", [])
    assert name == "export_tables_info_ci_from_1_to_1.json"
    assert document["perTableStatus"] == [
        {"target": "postgres", "warningMessage": {"skippedDatabase": [{"reason": "DATABASE_IS_EMPTY"}]}}
    ]


def test_parts_carry_the_row_metadata_of_spark() -> None:
    schema = arrow_schema([make_column("id", 20), make_column("größe", 1700)])
    assert json.loads(schema.metadata[b"org.apache.spark.sql.parquet.row.metadata"]) == {
        "type": "struct",
        "fields": [
            {"name": "id", "type": "long", "nullable": True, "metadata": {}},
            {"name": "größe", "type": "string", "nullable": True, "metadata": {}},
        ],
    }
