"""Part files: the Parquet files of one batch folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROW_GROUP_BYTES = 64 * 1024**2
"""Rows held in memory, at most, before they are written as a row group."""

DICTIONARY_BYTES = 1024**2
"""Of a dictionary, as Spark makes them at most (parquet.dictionary.page.size)."""


class BatchFolder:
    """Writes one batch folder: parts of ``rows_per_part`` rows each, then the ``_SUCCESS`` marker.

    ``finish`` ends it; the context manager only closes what an exception left open. A folder without rows
    gets one part without rows, as seen in real exports. Each file is handed to ``store`` when it is finished.
    """

    def __init__(self, path: Path, schema: pa.Schema, rows_per_part: int, store: Callable[[Path], None]) -> None:
        self._path = path
        self._store = store
        self.schema = schema
        self._rows_per_part = rows_per_part
        self._uuid = uuid4()
        self._part: parquet.ParquetWriter | None = None
        self._rows_in_part = 0
        self._held: list[pa.Table] = []
        self._held_bytes = 0
        self.parts = 0
        self.rows = 0

    def __enter__(self) -> Self:
        self._path.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._part is not None:
            self._part.close()

    def write(self, rows: pa.Table) -> None:
        """Add the rows, beginning new parts as the old ones are full."""
        start = 0
        while start < rows.num_rows:
            piece = rows.slice(start, self._rows_per_part - self._rows_in_part)
            start += piece.num_rows
            self._hold(piece)
            if self._rows_in_part == self._rows_per_part:
                self._end_part()

    def finish(self) -> None:
        """End the last part and set the marker."""
        if self._rows_in_part or not self.parts:
            self._end_part()
        marker = self._path / "_SUCCESS"
        marker.touch()
        self._store(marker)

    def _hold(self, piece: pa.Table) -> None:
        self._held.append(piece)
        self._held_bytes += piece.nbytes
        self._rows_in_part += piece.num_rows
        self.rows += piece.num_rows
        if self._held_bytes >= ROW_GROUP_BYTES:
            self._write_row_group(self._open_part())

    def _end_part(self) -> None:
        part = self._open_part()
        self._write_row_group(part)
        part.close()
        self._store(self._part_path)
        self._part = None
        self._rows_in_part = 0

    def _write_row_group(self, part: parquet.ParquetWriter) -> None:
        if self._held:
            rows = self._held_rows()
            part.write_table(rows, row_group_size=rows.num_rows)
        self._held.clear()
        self._held_bytes = 0

    def _held_rows(self) -> pa.Table:
        return pa.concat_tables(self._held) if self._held else self.schema.empty_table()

    def _open_part(self) -> parquet.ParquetWriter:
        if self._part is None:
            name = f"part-{self.parts:05d}-{self._uuid}-c000.gz.parquet"
            self._part_path = self._path / name
            dictionaries = _dictionary_columns(self._held_rows())
            self._part = _parquet_writer(self._part_path, self.schema, dictionaries)
            self.parts += 1
        return self._part


def _dictionary_columns(rows: pa.Table) -> list[str]:
    """Those without a value that alone is too large for a dictionary: Spark then makes none."""
    return [name for name in rows.column_names if _longest(rows[name]) <= DICTIONARY_BYTES]


def _longest(values: pa.ChunkedArray) -> int:
    is_variable = pa.types.is_string(values.type) or pa.types.is_binary(values.type)
    return pc.max(pc.binary_length(values)).as_py() or 0 if is_variable else 0


def _parquet_writer(path: Path, schema: pa.Schema, dictionaries: list[str]) -> parquet.ParquetWriter:
    """A writer with the settings that real parts show: format 1.0, gzip, no Arrow schema."""
    writer = parquet.ParquetWriter(
        path,
        schema,
        version="1.0",
        data_page_version="1.0",
        compression="gzip",
        compression_level=1,
        use_dictionary=dictionaries,
        write_statistics=True,
        store_schema=False,
    )
    # Without the Arrow schema the writer drops the schema's metadata as well.
    writer.add_key_value_metadata(schema.metadata or {})
    return writer
