"""Gzipped row groups, shown to pyarrow as if they were not compressed.

Inflating is most of what reading a part costs. pyarrow does it with zlib, which takes twice the time of libdeflate,
and lets nobody else do it. So it is given a file that does not exist: the column chunks of one row group, with headers
that say "uncompressed", and with pages that are inflated when they are read.

The names and numbers of fields are those of
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from dbrestore.export.mapping import Mapping
from dbrestore.export.pages import Page, PageError, read_pages
from dbrestore.export.thrift import I32, I64, LIST, STRUCT, Struct, ThriftError, read_struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

# FileMetaData
NUM_ROWS, ROW_GROUPS, ENCRYPTION_ALGORITHM = 3, 4, 8
# RowGroup
COLUMNS, GROUP_NUM_ROWS, GROUP_FILE_OFFSET, GROUP_COMPRESSED_SIZE = 1, 3, 5, 6
# ColumnChunk
FILE_PATH, META_DATA, PAGE_INDEXES, CRYPTO_METADATA = 1, 3, (4, 5, 6, 7), 8
# ColumnMetaData
ENCODINGS, CODEC, TOTAL_COMPRESSED_SIZE = 2, 4, 7
DATA_PAGE_OFFSET, INDEX_PAGE_OFFSET, DICTIONARY_PAGE_OFFSET = 9, 10, 11
# CompressionCodec
UNCOMPRESSED, GZIP = 0, 2
# Encoding
PLAIN, PLAIN_DICTIONARY = 0, 2

MAGIC = b"PAR1"
TRAILER_BYTES = 8
LARGEST_PAGE_BYTES = 8 * 1024**2
"""Of a page that is inflated in memory. Writers look at its size after so many rows, so wide rows make large ones."""
LARGEST_FOOTER_BYTES = 1024**2
PIECES_BETWEEN_RELEASES = 16
HEADERS_BETWEEN_RELEASES = 64
"""Linux maps 64 KiB around each byte that is looked at: looking at all headers maps nearly all of the part."""
MOST_SEGMENTS = 100_000
"""Larger footers and row groups of more pages are left to pyarrow: as Python objects they would fill the memory."""

Segment: TypeAlias = bytes | Page


class OtherFormError(ValueError):
    """A footer or a column chunk that is not plainly gzipped."""


@dataclass(frozen=True, slots=True)
class InflatedGroup:
    """A row group as a file of its own."""

    metadata: pq.FileMetaData
    file: pa.NativeFile | Mapping
    """Has no footer. Reading it raises OSError where a page is damaged."""


class GzippedPart:
    """A part whose row groups may be gzipped."""

    def __init__(self, content: pa.Buffer, release: Callable[[], object] = lambda: None) -> None:
        """``content`` is a whole file, whose footer pyarrow can read; ``release`` is told when some was read."""
        self._content = memoryview(content).cast("B")
        self._release = release
        try:
            self._footer = _read_footer(self._content)
            self._groups: Sequence[Struct] = self._footer.items(ROW_GROUPS, STRUCT)
        except (OtherFormError, ThriftError):
            self._groups = ()

    def dictionary_columns(self) -> set[int]:
        """Columns all of whose pages refer to a dictionary, by their place among the leaves of the schema.

        parquet-mr names what its pages have: PLAIN_DICTIONARY, and PLAIN where the dictionary grew too large on the
        way. pyarrow's own metadata tells this as well, but ends the process where the chunk's statistics are damaged.
        """
        try:
            found = [_dictionary_chunks(group) for group in self._groups]
        except ThriftError:
            return set()
        return set.intersection(*found) if found else set()

    def inflated(self, group: int) -> InflatedGroup | None:
        """A row group, of which no more is held in memory than a page of each column that is read.

        One that has pages above LARGEST_PAGE_BYTES is put into a temporary file: pyarrow would hold a whole page, and a
        copy of it, to read a single row.

        None where pyarrow is to read it from the part itself: another codec, data pages of version 2, encryption, or
        headers that cannot be.

        Raises OSError where a page that goes into the file is damaged, ExportError where the file cannot be written.
        """
        if group >= len(self._groups):
            return None
        try:
            inflated, segments = _inflated_group(self._content, self._groups[group], self._release)
            metadata = _metadata(self._footer, inflated)
        except (OtherFormError, PageError, ThriftError):
            return None
        if any(isinstance(segment, Page) and segment.size > LARGEST_PAGE_BYTES for segment in segments):
            return InflatedGroup(metadata, Mapping.of_spooled(_inflated_pieces(segments, self._release)))
        return InflatedGroup(metadata, pa.PythonFile(_SegmentedFile(segments), mode="r"))


def _read_footer(content: memoryview) -> Struct:
    length = int.from_bytes(content[-TRAILER_BYTES : -len(MAGIC)], "little")
    if length > LARGEST_FOOTER_BYTES:
        raise OtherFormError(f"the footer has {length} bytes")
    footer, _ = read_struct(content[-length - TRAILER_BYTES : -TRAILER_BYTES])
    if ENCRYPTION_ALGORITHM in footer.fields:
        raise OtherFormError("the part is encrypted")
    return footer


def _dictionary_chunks(group: Struct) -> set[int]:
    encodings = [chunk.struct(META_DATA).items(ENCODINGS, I32) for chunk in group.items(COLUMNS, STRUCT)]
    return {place for place, found in enumerate(encodings) if PLAIN_DICTIONARY in found and PLAIN not in found}


def _inflated_group(
    content: memoryview, group: Struct, release: Callable[[], object]
) -> tuple[Struct, Sequence[Segment]]:
    segments: list[Segment] = [MAGIC]
    chunks: list[Struct] = []
    start = position = len(MAGIC)
    for chunk in group.items(COLUMNS, STRUCT):
        for number, page in enumerate(read_pages(content, *_extent(chunk, len(content)))):
            segments += (page.header, page)
            position += len(page.header) + page.size
            if number % HEADERS_BETWEEN_RELEASES == 0:
                release()
            if len(segments) > MOST_SEGMENTS:
                raise OtherFormError("the row group has too many pages")
        chunks.append(_uncompressed(chunk, start, position - start))
        start = position
    inflated = {COLUMNS: (LIST, (STRUCT, chunks))}
    return group.changed(inflated, without=(GROUP_FILE_OFFSET, GROUP_COMPRESSED_SIZE)), segments


def _extent(chunk: Struct, size: int) -> tuple[int, int]:
    """Where a gzipped chunk begins and ends in a part of ``size`` bytes."""
    column = chunk.struct(META_DATA)
    if column.integer(CODEC) != GZIP or FILE_PATH in chunk.fields or CRYPTO_METADATA in chunk.fields:
        raise OtherFormError("the chunk is elsewhere, encrypted, or of another codec")
    start = column.integer(DATA_PAGE_OFFSET)
    if DICTIONARY_PAGE_OFFSET in column.fields:
        start = min(start, column.integer(DICTIONARY_PAGE_OFFSET) or start)
    end = start + column.integer(TOTAL_COMPRESSED_SIZE)
    if not len(MAGIC) <= start < end <= size:
        raise OtherFormError(f"bytes {start} to {end} are no chunk")
    return start, end


def _uncompressed(chunk: Struct, start: int, length: int) -> Struct:
    """The chunk as if it began at ``start``, be it with a dictionary, to which parquet-mr gives no offset either."""
    column = chunk.struct(META_DATA).changed(
        {CODEC: (I32, UNCOMPRESSED), TOTAL_COMPRESSED_SIZE: (I64, length), DATA_PAGE_OFFSET: (I64, start)},
        without=(INDEX_PAGE_OFFSET, DICTIONARY_PAGE_OFFSET),
    )
    return chunk.changed({META_DATA: (STRUCT, column)}, without=PAGE_INDEXES)


def _metadata(footer: Struct, group: Struct) -> pq.FileMetaData:
    """pyarrow looks no further than the footer, so it takes that for a whole file."""
    rows = group.integer(GROUP_NUM_ROWS)
    encoded = footer.changed({NUM_ROWS: (I64, rows), ROW_GROUPS: (LIST, (STRUCT, [group]))}).encoded()
    return pq.read_metadata(pa.BufferReader(encoded + len(encoded).to_bytes(4, "little") + MAGIC))


def _inflated_pieces(segments: Iterable[Segment], release: Callable[[], object]) -> Iterator[bytes]:
    for segment in segments:
        if isinstance(segment, Page):
            for number, piece in enumerate(segment.inflate_in_pieces()):
                if number % PIECES_BETWEEN_RELEASES == 0:
                    release()
                yield piece
        else:
            yield segment


class _SegmentedFile:
    """The file that ``pa.PythonFile`` reads: segments one after the other.

    Each chunk is read from its start to its end, in pieces that mostly end where a page does, so a page is kept only
    until its last byte has been read.
    """

    closed = False

    def __init__(self, segments: Sequence[Segment]) -> None:
        sizes = [segment.size if isinstance(segment, Page) else len(segment) for segment in segments]
        *self._starts, self._size = accumulate(sizes, initial=0)
        self._segments = segments
        self._begun: dict[int, memoryview] = {}
        self._position = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, length: int) -> memoryview | bytes:
        end = min(self._position + length, self._size)
        pieces = []
        while self._position < end:
            pieces.append(self._piece(end))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _piece(self, end: int) -> memoryview:
        """What is left of the segment at the position, or less where ``end`` comes before its end."""
        place = bisect_right(self._starts, self._position) - 1
        content = self._begun.get(place)
        if content is None:
            segment = self._segments[place]
            content = memoryview(segment.inflate() if isinstance(segment, Page) else segment)
        start = self._starts[place]
        piece = content[self._position - start : end - start]
        self._position += len(piece)
        if self._position < start + len(content):
            self._begun[place] = content
        else:
            self._begun.pop(place, None)
        return piece
