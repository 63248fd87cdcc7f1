"""Thrift's compact protocol: the form of Parquet's footers and page headers.

Structs are read without knowing their fields, so that one with a few fields changed can be written back whole.

Format: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST = range(1, 10)
STRUCT = 12
BOOLEANS = (TRUE, FALSE)
INTEGERS = (I16, I32, I64)
DOUBLE_BYTES = 8
MOST_NESTED = 16
"""Structs and lists within each other; Parquet's own go half as deep."""
LONGEST_VARINT_BITS = 64
LARGEST_STEP = 15
"""From the number of a field to that of the next, beyond which the number is written out."""
CUT_OFF = "the struct is cut off"

Field: TypeAlias = tuple[int, Any]
"""A kind and a value: of a list the value is the kind of its items with the items, of a double its bytes."""


class ThriftError(ValueError):
    """Bytes that are no struct, or a struct without a field that it must have."""


@dataclass(frozen=True, slots=True)
class Struct:
    """The fields of a struct by their number."""

    fields: Mapping[int, Field]

    def integer(self, number: int) -> int:
        """A field of any integer type. Raises ThriftError."""
        value = self._value(number, INTEGERS)
        assert isinstance(value, int)
        return value

    def struct(self, number: int) -> Struct:
        """A field that is a struct. Raises ThriftError."""
        value = self._value(number, (STRUCT,))
        assert isinstance(value, Struct)
        return value

    def items(self, number: int, kind: int) -> list[Any]:
        """The items of a field that is a list of ``kind``. Raises ThriftError."""
        found, items = self._value(number, (LIST,))
        if found != kind:
            raise ThriftError(f"field {number} is a list of kind {found}")
        return list(items)

    def changed(self, fields: Mapping[int, Field], without: tuple[int, ...] = ()) -> Struct:
        """With other values for ``fields``, and ``without`` some."""
        return Struct({number: field for number, field in {**self.fields, **fields}.items() if number not in without})

    def encoded(self) -> bytes:
        """The struct in the compact protocol."""
        out = bytearray()
        _write_struct(self, out)
        return bytes(out)

    def _value(self, number: int, kinds: tuple[int, ...]) -> Any:
        kind, value = self.fields.get(number, (None, None))
        if kind not in kinds:
            raise ThriftError(f"field {number} is missing or of kind {kind}")
        return value


def read_struct(data: bytes | memoryview) -> tuple[Struct, int]:
    """The struct that ``data`` begins with, and how many bytes it takes. Raises ThriftError."""
    reader = _Reader(data)
    try:
        return reader.struct(0), reader.position
    except IndexError:
        raise ThriftError(CUT_OFF) from None


def read_integers(data: bytes | memoryview) -> tuple[dict[int, int], int, int]:
    """The integers that the struct in ``data`` begins with, by the numbers of their fields.

    With the number of the last one, and where the first field of another kind begins, be it the end of the struct.
    Raises ThriftError.
    """
    found: dict[int, int] = {}
    number = 0
    reader = _Reader(data)
    try:
        while (head := data[reader.position]) & 15 in INTEGERS and head >> 4:
            reader.position += 1
            number += head >> 4
            found[number] = reader.integer()
    except IndexError:
        raise ThriftError(CUT_OFF) from None
    return found, number, reader.position


def skip_fields(data: bytes | memoryview, position: int) -> int:
    """Where the struct ends of which a field begins at ``position``. Raises ThriftError."""
    try:
        return _skip_fields(data, position, 0)
    except IndexError:
        raise ThriftError(CUT_OFF) from None


def _skip_fields(data: bytes | memoryview, position: int, depth: int) -> int:
    """This is for the headers of pages, of which there are many: objects and small functions would double the time."""
    while head := data[position]:
        position += 1
        if head < 16:
            position = _skip_varint(data, position)
        kind = head & 15
        if kind in INTEGERS:
            while data[position] > 0x7F:
                position += 1
            position += 1
        elif kind == BINARY and data[position] <= 0x7F:
            position += 1 + data[position]
        elif kind not in BOOLEANS:
            position = _skip_value(data, position, kind, depth)
    return position + 1


def _skip_value(data: bytes | memoryview, position: int, kind: int, depth: int) -> int:
    if kind == STRUCT and depth < MOST_NESTED:
        return _skip_fields(data, position, depth + 1)
    reader = _Reader(data, position)
    reader.value(kind, depth)
    return reader.position


def _skip_varint(data: bytes | memoryview, position: int) -> int:
    while data[position] > 0x7F:
        position += 1
    return position + 1


class _Reader:
    """Raises IndexError at the end of the data."""

    def __init__(self, data: bytes | memoryview, position: int = 0) -> None:
        self._data = data
        self.position = position

    def struct(self, depth: int) -> Struct:
        fields: dict[int, Field] = {}
        number = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            number = number + step if step else self.integer()
            fields[number] = kind, self.value(kind, depth)
        return Struct(fields)

    def value(self, kind: int, depth: int) -> Any:
        if kind in INTEGERS:
            return self.integer()
        if kind == BINARY:
            return self._take(self._varint())
        if kind in BOOLEANS:
            return kind == TRUE
        if kind == BYTE:
            return self._byte()
        if kind == DOUBLE:
            return self._take(DOUBLE_BYTES)
        if depth == MOST_NESTED:
            raise ThriftError("structs are nested too deep")
        if kind == STRUCT:
            return self.struct(depth + 1)
        if kind == LIST:
            return self._list(depth + 1)
        raise ThriftError(f"no kind {kind} is known")

    def _list(self, depth: int) -> tuple[int, list[Any]]:
        head = self._byte()
        length, kind = head >> 4, head & 15
        if length == 15:
            length = self._varint()
        if kind in BOOLEANS:
            return kind, [self._byte() for _ in range(length)]
        return kind, [self.value(kind, depth) for _ in range(length)]

    def integer(self) -> int:
        zigzag = self._varint()
        return zigzag >> 1 ^ -(zigzag & 1)

    def _varint(self) -> int:
        byte = self._byte()
        number, shift = byte & 0x7F, 7
        while byte > 0x7F:
            if shift >= LONGEST_VARINT_BITS:
                raise ThriftError("a number is too long")
            byte = self._byte()
            number |= (byte & 0x7F) << shift
            shift += 7
        return number

    def _byte(self) -> int:
        byte = self._data[self.position]
        self.position += 1
        return byte

    def _take(self, length: int) -> bytes:
        end = self.position + length
        if end > len(self._data):
            raise IndexError(end)
        taken = bytes(self._data[self.position : end])
        self.position = end
        return taken


def _write_struct(struct: Struct, out: bytearray) -> None:
    before = 0
    for number, (kind, value) in sorted(struct.fields.items()):
        step = number - before
        if 0 < step <= LARGEST_STEP:
            out.append(step << 4 | kind)
        else:
            out.append(kind)
            _write_integer(number, out)
        if kind not in BOOLEANS:
            _write_value(kind, value, out)
        before = number
    out.append(0)


def _write_value(kind: int, value: Any, out: bytearray) -> None:
    if kind in INTEGERS:
        _write_integer(value, out)
    elif kind == BINARY:
        _write_varint(len(value), out)
        out += value
    elif kind == DOUBLE:
        out += value
    elif kind == STRUCT:
        _write_struct(value, out)
    elif kind == LIST:
        _write_list(value, out)
    else:
        out.append(value)


def _write_list(value: tuple[int, list[Any]], out: bytearray) -> None:
    kind, items = value
    if len(items) < 15:
        out.append(len(items) << 4 | kind)
    else:
        out.append(15 << 4 | kind)
        _write_varint(len(items), out)
    for item in items:
        _write_value(kind, item, out)


def integer_field(step: int, number: int) -> bytes:
    """An integer of 32 bits as a field whose number is ``step`` above that of the one before."""
    out = bytearray((step << 4 | I32,))
    _write_integer(number, out)
    return bytes(out)


def _write_integer(number: int, out: bytearray) -> None:
    _write_varint(number << 1 if number >= 0 else ~number << 1 | 1, out)


def _write_varint(number: int, out: bytearray) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
