"""The gzipped pages of a column chunk.

The names and numbers of fields are those of
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import deflate

from dbrestore.export.thrift import LARGEST_STEP, ThriftError, integer_field, read_integers, skip_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

# PageHeader
PAGE_TYPE, UNCOMPRESSED_PAGE_SIZE, COMPRESSED_PAGE_SIZE, CRC = 1, 2, 3, 4
# PageType; version 2 of data pages has its levels beside what is compressed
DATA_PAGE, DICTIONARY_PAGE = 0, 2

SIZES = {PAGE_TYPE, UNCOMPRESSED_PAGE_SIZE, COMPRESSED_PAGE_SIZE}
SIZES_AND_CRC = {*SIZES, CRC}
COMMON_HEADER_BYTES = 256
LARGEST_HEADER_BYTES = 64 * 1024
PIECE_BYTES = 256 * 1024
GZIP_FORM = 16 + zlib.MAX_WBITS
"""As zlib's inflateInit2 is told."""
MOST_INFLATED = 1032
"""Bytes that deflate makes of one at most (https://zlib.net/zlib_tech.html): a header that tells more lies."""


class PageError(ValueError):
    """A page header that tells of another kind of page, or of sizes that cannot be."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page, not inflated yet."""

    header: bytes
    """As the page would have it if its body were not compressed."""
    offset: int
    """Where the body begins in the part."""
    body: memoryview
    """Gzipped."""
    size: int
    """Bytes of the body when it is inflated."""

    def inflate(self) -> bytearray:
        """The body. Raises OSError where it is damaged."""
        room = max(1, self.size)  # 0 would mean: whatever the body says
        try:
            inflated = deflate.gzip_decompress(self.body, room)
        except deflate.DeflateError as error:
            raise OSError(f"the page at byte {self.offset} is damaged: {error}") from error
        if len(inflated) != self.size:
            raise OSError(f"the page at byte {self.offset} has {len(inflated)} bytes, not {self.size}")
        return inflated

    def inflate_in_pieces(self) -> Iterator[bytes]:
        """The body, of which only a little is in memory at a time. Raises OSError where it is damaged."""
        inflater = zlib.decompressobj(wbits=GZIP_FORM)
        size = 0
        try:
            for start in range(0, len(self.body), PIECE_BYTES):
                rest: bytes | memoryview = self.body[start : start + PIECE_BYTES]
                while size <= self.size and (piece := inflater.decompress(rest, PIECE_BYTES)):
                    size += len(piece)
                    yield piece
                    rest = inflater.unconsumed_tail
        except zlib.error as error:
            raise OSError(f"the page at byte {self.offset} is damaged: {error}") from error
        if size != self.size or not inflater.eof:
            raise OSError(f"the page at byte {self.offset} has not the {self.size} bytes that its header tells")


def read_pages(part: memoryview, start: int, end: int) -> Iterator[Page]:
    """The pages of the chunk between the bytes ``start`` and ``end`` of ``part``. Raises PageError, ThriftError."""
    while start < end:
        page = _read_page(part, start, end)
        yield page
        start = page.offset + len(page.body)


def _read_page(part: memoryview, start: int, end: int) -> Page:
    try:
        header, sizes, last, rest = _read_header(part[start : min(end, start + COMMON_HEADER_BYTES)])
    except ThriftError:
        header, sizes, last, rest = _read_header(part[start : min(end, start + LARGEST_HEADER_BYTES)])
    if not SIZES <= sizes.keys() <= SIZES_AND_CRC:
        raise PageError("the page has other sizes than are known")
    offset, size, compressed = start + len(header), sizes[UNCOMPRESSED_PAGE_SIZE], sizes[COMPRESSED_PAGE_SIZE]
    if sizes[PAGE_TYPE] not in (DATA_PAGE, DICTIONARY_PAGE):
        raise PageError("the page is of another type")
    if not (0 < compressed <= end - offset and 0 <= size <= compressed * MOST_INFLATED):
        raise PageError(f"{compressed} bytes that become {size} are no page")
    plain = _plain_header(sizes[PAGE_TYPE], size, header[rest:], last)
    return Page(plain, offset, part[offset : offset + compressed], size)


def _read_header(part: memoryview) -> tuple[bytes, dict[int, int], int, int]:
    """A header, and of it what ``read_integers`` tells."""
    header = bytes(part)
    sizes, last, rest = read_integers(header)
    return header[: skip_fields(header, rest)], sizes, last, rest


def _plain_header(page_type: int, size: int, rest: bytes, last: int) -> bytes:
    """A header without a checksum. ``rest`` are its fields after the one with the number ``last``."""
    head = rest[0]
    step = head >> 4
    if step:  # from the number of the field before, which is another one now
        step += last - COMPRESSED_PAGE_SIZE
        if step > LARGEST_STEP:
            raise PageError("the page has fields that nobody knows")
        head = step << 4 | head & 15
    sizes = (integer_field(1, number) for number in (page_type, size, size))
    return b"".join((*sizes, bytes((head,)), rest[1:]))
