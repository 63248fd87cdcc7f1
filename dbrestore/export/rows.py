"""The rows of a part, a batch at a time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dbrestore.errors import PartError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbrestore.export.storage import Content

BATCH_ROWS = 16 * 1024
"""Small enough for a batch of common rows to stay in the processor's cache while it is encoded."""
BATCH_BYTES = 4 * 1024**2
MOST_REPEATED_BYTES = 16 * 1024**2
"""What the values of dictionaries may come to in a batch, each of them taken for the longest."""
DICTIONARY, PLAIN = "PLAIN_DICTIONARY", "PLAIN"


def read_batches(content: Content, key: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of the part, with ``columns`` in the order given.

    A batch has at most BATCH_ROWS rows and, going by the average row of its row group, about BATCH_BYTES bytes. String
    columns that the part holds as dictionaries are dictionary arrays, whatever the footer's schema says.
    ``key`` is how errors call the part. Raises PartError.
    """
    with _part_errors(key), _open(content) as file:
        for group in range(file.num_row_groups):
            metadata = file.metadata.row_group(group)
            batch_rows = _batch_rows(metadata.num_rows, metadata.total_byte_size)
            for batch in file.iter_batches(batch_rows, row_groups=[group], columns=list(columns), use_threads=False):
                yield from _split_repeated(batch.select(list(columns)))


def read_value(content: Content, key: str, column: str, row: int) -> pa.Array:
    """One value of a part, as an array of one; ``row`` counts from 0. Raises PartError, IndexError."""
    for batch in read_batches(content, key, [column]):
        if row < batch.num_rows:
            return batch.column(0).slice(row, 1)
        row -= batch.num_rows
    raise IndexError(row)


def _open(content: Content) -> pq.ParquetFile:
    """INT96 in microseconds: nanoseconds reach from 1677 to 2262 only, and Arrow wraps round what is outside."""
    source = pa.BufferReader(content) if isinstance(content, pa.Buffer) else content
    metadata = pq.read_metadata(source)
    return pq.ParquetFile(
        source,
        metadata=metadata,
        memory_map=True,
        pre_buffer=False,
        read_dictionary=_dictionary_columns(metadata),
        coerce_int96_timestamp_unit="us",
    )


def _dictionary_columns(metadata: pq.FileMetaData) -> list[str]:
    """String columns all of whose pages refer to a dictionary.

    parquet-mr names what its pages have: PLAIN_DICTIONARY, and PLAIN where the dictionary grew too large on the way.
    """
    schema = metadata.schema
    chosen = []
    for place in range(metadata.num_columns):
        chunks = [metadata.row_group(group).column(place) for group in range(metadata.num_row_groups)]
        is_string = schema.column(place).logical_type.type == "STRING"
        if is_string and all(DICTIONARY in chunk.encodings and PLAIN not in chunk.encodings for chunk in chunks):
            chosen.append(schema.column(place).path)
    return chosen


def _split_repeated(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Smaller batches where a dictionary has values so long that their repetitions would fill the memory."""
    longest = sum(
        pc.max(pc.binary_length(array.dictionary)).as_py() or 0
        for array in batch.columns
        if pa.types.is_dictionary(array.type)
    )
    rows = max(1, min(batch.num_rows, MOST_REPEATED_BYTES // max(1, longest)))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def _batch_rows(rows: int, size: int) -> int:
    average = max(1, size // max(1, rows))
    return max(1, min(BATCH_ROWS, BATCH_BYTES // average))


@contextmanager
def _part_errors(key: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise PartError(
            f"{key} cannot be read: {error}", hint="Copy the file from the export's bucket again."
        ) from error
