"""The rows of a part, a batch at a time."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dbrestore.errors import PartError
from dbrestore.export.inflate import GzippedPart
from dbrestore.export.mapping import Mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from dbrestore.export.storage import Content

BATCH_ROWS = 16 * 1024
"""Small enough for a batch of common rows to stay in the processor's cache while it is encoded."""
BATCH_BYTES = 4 * 1024**2
READ_BYTES = 64 * 1024
"""What pyarrow reads of an inflated column at a time, or a page if that is more: not the whole column, as it would
without being told. Not less than the largest page header: pyarrow 17 cannot look further ahead near a column's end."""
BATCHES_BETWEEN_RELEASES = 4
"""After so many, the pages of the file that were read are given back: all of them would count as memory in use."""
LEAST_INFLATED_BYTES = 512 * 1024
"""Smaller parts are left to pyarrow: it takes longer to read their headers than is gained."""
MOST_REPEATED_BYTES = 16 * 1024**2
"""What the values of dictionaries may come to in a batch, each of them taken for the longest."""


def read_batches(content: Content, key: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of the part, with ``columns`` in the order given.

    A batch has at most BATCH_ROWS rows and, going by the average row of its row group, about BATCH_BYTES bytes. String
    columns that a large part holds as dictionaries are dictionary arrays, whatever the footer's schema says.
    ``key`` is how errors call the part. Raises PartError.
    """
    with _part_errors(key):
        part = Mapping.of(content) if isinstance(content, pa.Buffer) else Mapping.of_file(content)
        for group in _row_groups(part):
            metadata = group.file.metadata.row_group(group.number)
            batch_rows = _batch_rows(metadata.num_rows, metadata.total_byte_size)
            between_releases = BATCHES_BETWEEN_RELEASES if batch_rows == BATCH_ROWS else 1
            rows = 0
            for number, batch in enumerate(group.batches(batch_rows, list(columns)), 1):
                rows += batch.num_rows
                _check_references(batch)
                if number % between_releases == 0:
                    group.release()
                yield from _split_repeated(batch.select(list(columns)))
                del batch  # it would be kept while the next one is made
            if rows != metadata.num_rows:
                raise OSError(f"a row group has {rows} rows, not {metadata.num_rows}")


def read_value(content: Content, key: str, column: str, row: int) -> pa.Array:
    """One value of a part, as an array of one; ``row`` counts from 0. Raises PartError, IndexError."""
    for batch in read_batches(content, key, [column]):
        if row < batch.num_rows:
            return batch.column(0).slice(row, 1)
        row -= batch.num_rows
    raise IndexError(row)


@dataclass(frozen=True, slots=True)
class _RowGroup:
    """A row group, as a number in a file."""

    file: pq.ParquetFile
    number: int
    release: Callable[[], object]
    """Give back the pages of memory that were read, of the part or of what it was inflated into."""

    def batches(self, rows: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Of at most ``rows`` rows, with ``columns`` in the order of the file."""
        yield from self.file.iter_batches(rows, row_groups=[self.number], columns=columns, use_threads=False)


def _row_groups(part: Mapping) -> Iterator[_RowGroup]:
    """The row groups of a part.

    INT96 in microseconds: nanoseconds reach from 1677 to 2262 only, and Arrow wraps round what is outside.
    """
    content = part.content
    open_file = partial(pq.ParquetFile, pre_buffer=False, coerce_int96_timestamp_unit="us")
    whole = open_file(pa.BufferReader(content))
    metadata = whole.metadata
    if _is_small(content, metadata):
        yield from (_RowGroup(whole, number, part.release) for number in range(metadata.num_row_groups))
        return
    gzipped = GzippedPart(content, part.release)
    dictionaries = _string_columns(metadata.schema, gzipped.dictionary_columns())
    open_file = partial(open_file, read_dictionary=dictionaries)
    whole = open_file(pa.BufferReader(content), metadata=metadata)
    for number in range(metadata.num_row_groups):
        inflated = gzipped.inflated(number)
        if inflated is None:
            yield _RowGroup(whole, number, part.release)
        elif isinstance(inflated.file, Mapping):
            file = open_file(pa.BufferReader(inflated.file.content), metadata=inflated.metadata)
            yield _RowGroup(file, 0, inflated.file.release)
        else:
            yield _RowGroup(
                open_file(inflated.file, metadata=inflated.metadata, buffer_size=READ_BYTES), 0, part.release
            )


def _is_small(content: pa.Buffer, metadata: pq.FileMetaData) -> bool:
    """Not if a long value may be repeated in so many rows that the column has to stay a dictionary."""
    size = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    return bool(content.size < LEAST_INFLATED_BYTES and metadata.num_rows * size <= MOST_REPEATED_BYTES)


def _string_columns(schema: pq.ParquetSchema, places: Collection[int]) -> list[str]:
    columns = [schema.column(place) for place in places if place < len(schema)]
    return [column.path for column in columns if column.logical_type.type == "STRING"]


def _check_references(batch: pa.RecordBatch) -> None:
    """pyarrow does not look whether a dictionary has what is referred to, and its kernels rely on that."""
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_dictionary(array.type) and not _is_within(array.indices, len(array.dictionary)):
            raise OSError(f"a value of {name} is none of the {len(array.dictionary)} of its dictionary")


def _is_within(indices: pa.Array, size: int) -> bool:
    """Whether all are from 0 to below ``size``; a negative one is above that without its sign."""
    if indices.null_count:
        indices = indices.drop_null()
    numbers = indices.to_numpy(zero_copy_only=True)
    return bool(numbers.view(f"u{numbers.itemsize}").max(initial=0) < max(size, not len(numbers)))


def _split_repeated(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Smaller batches where a dictionary has values so long that their repetitions would fill the memory."""
    dictionaries = [array.dictionary for array in batch.columns if pa.types.is_dictionary(array.type)]
    longest = sum(dictionary.nbytes for dictionary in dictionaries)  # surely no less
    if longest * batch.num_rows > MOST_REPEATED_BYTES:
        longest = sum(map(_longest, dictionaries))
    rows = max(1, min(batch.num_rows, MOST_REPEATED_BYTES // max(1, longest)))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def _longest(texts: pa.Array) -> int:
    """Bytes of the longest text; numpy takes a third of the time of Arrow's kernels."""
    if not pa.types.is_string(texts.type) and not pa.types.is_binary(texts.type):
        return pc.max(pc.binary_length(texts)).as_py() or 0
    offsets = np.frombuffer(texts.buffers()[1] or b"", np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return int(np.diff(offsets).max(initial=0))


def _batch_rows(rows: int, size: int) -> int:
    average = max(1, size // max(1, rows))
    return max(1, min(BATCH_ROWS, BATCH_BYTES // average))


@contextmanager
def _part_errors(key: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise PartError(
            f"{key} cannot be read: {error}", hint="Copy the file from the export's bucket again."
        ) from error
