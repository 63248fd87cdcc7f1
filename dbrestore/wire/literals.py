"""Literals with elements: arrays (PostgreSQL documentation, "Array Input and Output Syntax") and vectors.

Those of one dimension are taken apart in arrays, all of a batch at once; the others one by one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbrestore.wire.fields import Array, string_buffers

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMA, QUOTE, BACKSLASH = b',"\\'
HIDDEN_QUOTE, HIDDEN_BACKSLASH = b"\x01\x02"
SPACE, FIRST_BLANK, BLANKS = ord(" "), ord("\t"), len("\t\n\v\f\r")
"""What array_isspace takes for a blank: array_out puts these into quotes."""
MAX_DIMENSIONS = 6
BOUNDS_PATTERN = re.compile(r"((?:\[-?\d{1,10}:-?\d{1,10}\])+)=", re.ASCII)
BOUND_PATTERN = re.compile(r"\[(-?\d+):(-?\d+)\]", re.ASCII)
TOKEN_PATTERN = re.compile(r'([{},])|"((?:[^"\\]|\\.)*)"|([^{},"\\ \t-\r]+)', re.DOTALL)
ESCAPE_PATTERN = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of many literals."""

    texts: pa.Array
    """One literal after the other, unquoted; null where NULL."""
    starts: Array
    """Where the elements of each literal begin, and where the last one's end."""

    @property
    def counts(self) -> Array:
        """How many elements each literal has."""
        return np.diff(self.starts)


def hide_escapes(texts: pa.Array) -> pa.Array | None:
    """Texts in which one character stands for each escaped quote or backslash, so that quotes do no more than delimit.

    None if a text has such characters of its own, or another escape. ``show_escapes`` brings back what was escaped.
    """
    _, data = string_buffers(texts)
    if not (data == BACKSLASH).any():
        return texts
    if (data == HIDDEN_QUOTE).any() or (data == HIDDEN_BACKSLASH).any():
        return None
    for character, hidden in (("\\", HIDDEN_BACKSLASH), ('"', HIDDEN_QUOTE)):
        texts = pc.replace_substring(texts, f"\\{character}", chr(hidden))
    _, data = string_buffers(texts)
    return None if (data == BACKSLASH).any() else texts


def show_escapes(pieces: pa.Array) -> pa.Array:
    """The same pieces of text with what was hidden in them; none of them changes its length."""
    data = pieces.buffers()[2]
    content = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    for character, hidden in (("\\", HIDDEN_BACKSLASH), ('"', HIDDEN_QUOTE)):
        if (content == hidden).any():
            pieces = pc.replace_substring(pieces, chr(hidden), character)
    return pieces


def split_literals(texts: pa.Array, brackets: bytes) -> Elements | None:
    """Take literals of one dimension apart; None if one of them is anything else, or has an unusual escape."""
    unescaped = hide_escapes(texts)
    if unescaped is None:
        return None
    elements = _split(unescaped, brackets)
    return elements if elements is None or unescaped is texts else replace(elements, texts=show_escapes(elements.texts))


def _split(texts: pa.Array, brackets: bytes) -> Elements | None:
    offsets, data = string_buffers(texts)
    is_quote = data == QUOTE
    has_quotes = is_quote.any()
    outside = ~np.bitwise_xor.accumulate(is_quote) if has_quotes else np.True_
    if (_is_blank(data) & outside).any():
        return None
    opening, closing = (np.flatnonzero((data == bracket) & outside) for bracket in brackets)
    if not (np.array_equal(opening, offsets[:-1]) and np.array_equal(closing, offsets[1:] - 1)):
        return None
    limits = np.flatnonzero(((data == COMMA) | (data == brackets[0]) | (data == brackets[1])) & outside)
    is_first = data[limits] == brackets[0]
    is_last = data[limits] == brackets[1]
    starts, ends = limits[~is_last] + 1, limits[~is_first]
    firsts = np.flatnonzero(is_first) - np.arange(len(texts))
    is_element = (ends > starts) | (data[starts - 1] == COMMA) | (data[np.minimum(ends, len(data) - 1)] == COMMA)
    if not is_element.all():
        starts, ends = starts[is_element], ends[is_element]
        firsts -= np.concatenate([[0], np.cumsum(~is_element)])[firsts]
    is_quoted = data[np.minimum(starts, len(data) - 1)] == QUOTE
    if ((ends == starts) | (is_quoted & (data[ends - 1] != QUOTE))).any():
        return None
    if has_quotes and np.count_nonzero(is_quote) != 2 * np.count_nonzero(is_quoted):
        return None
    elements = _with_nulls(gather(data, starts + is_quoted, ends - is_quoted), is_quoted)
    return Elements(elements, np.append(firsts, len(starts)))


def _is_blank(data: Array) -> Array:
    is_blank: Array = data <= SPACE
    if is_blank.any():
        is_blank &= (data == SPACE) | (data - FIRST_BLANK < BLANKS)
    return is_blank


def _with_nulls(elements: pa.Array, is_quoted: Array) -> pa.Array:
    may_be_null = ~is_quoted & (np.asarray(pc.binary_length(elements)) == len("NULL"))
    if not may_be_null.any():
        return elements
    is_null = may_be_null & np.asarray(pc.equal(pc.ascii_upper(elements), "NULL"))
    _, offsets, data = elements.buffers()
    bitmap = pa.py_buffer(np.packbits(~is_null, bitorder="little"))
    return pa.StringArray.from_buffers(len(elements), offsets, data, bitmap)


def gather(data: Array, starts: Array, ends: Array) -> pa.Array:
    """The texts ``data[start:end]``, which may not overlap and come in order."""
    bounds = np.empty(2 * len(starts), np.int32)
    bounds[0::2], bounds[1::2] = starts, ends
    if len(starts) == 0:
        return pa.array([], pa.string())
    alternating = pa.StringArray.from_buffers(len(bounds) - 1, pa.py_buffer(bounds), pa.py_buffer(data))
    return alternating.take(pa.array(np.arange(0, len(bounds) - 1, 2)))


@dataclass(frozen=True, slots=True)
class ArrayLiteral:
    """An array: its elements in row-major order, and its shape."""

    elements: list[str | None]
    lengths: list[int]
    """Of each dimension."""
    lower_bounds: list[int]
    """Of each dimension."""


def parse_array_literal(text: str) -> ArrayLiteral:
    """Parse what array_out writes, of any shape. Raises ValueError for anything else."""
    bounds = BOUNDS_PATTERN.match(text)
    tokens = _tokens(text, bounds.end() if bounds else 0)
    if next(tokens)[1] != "{":
        raise ValueError(text)
    braces = _Braces(tokens)
    braces.read(0)
    lengths = [length for _, length in sorted(braces.lengths.items())]
    lower_bounds = [int(lower) for lower, _ in BOUND_PATTERN.findall(bounds[1])] if bounds else [1] * len(lengths)
    if next(tokens, None) is not None or len(lower_bounds) != len(lengths) or braces.depths - {len(lengths)}:
        raise ValueError(text)
    if bounds and _bounds(lengths, lower_bounds) != bounds[1]:
        raise ValueError(text)
    return ArrayLiteral(braces.elements, lengths, lower_bounds)


def _bounds(lengths: list[int], lower_bounds: list[int]) -> str:
    """As array_out writes them."""
    pairs = zip(lengths, lower_bounds, strict=True)
    return "".join(f"[{lower}:{lower + length - 1}]" for length, lower in pairs)


def _tokens(text: str, position: int) -> Iterator[re.Match[str]]:
    while position < len(text):
        match = TOKEN_PATTERN.match(text, position)
        if match is None:
            raise ValueError(text)
        yield match
        position = match.end()


class _Braces:
    """Nested braces; all of one depth have the same number of items, and all elements the same depth."""

    def __init__(self, tokens: Iterator[re.Match[str]]) -> None:
        self._tokens = tokens
        self.elements: list[str | None] = []
        self.lengths: dict[int, int] = {}
        self.depths: set[int] = set()

    def read(self, depth: int) -> None:
        """Take in everything up to the brace that closes the one just read."""
        if depth == MAX_DIMENSIONS:
            raise ValueError(depth)
        count = 0
        match = self._next()
        while match[1] != "}":
            self._read_item(match, depth)
            count += 1
            match = self._next()
            if match[1] == ",":
                match = self._next()
                if match[1] == "}":
                    raise ValueError(match)
            elif match[1] != "}":
                raise ValueError(match)
        if self.lengths.setdefault(depth, count) != count:
            raise ValueError(count)

    def _read_item(self, match: re.Match[str], depth: int) -> None:
        _, quoted, bare = match.groups()
        if match[1] == "{":
            self.read(depth + 1)
        elif match[1] is not None:
            raise ValueError(match)
        else:
            self.depths.add(depth + 1)
            text = ESCAPE_PATTERN.sub(r"\1", quoted) if quoted is not None else bare
            self.elements.append(None if bare is not None and bare.upper() == "NULL" else text)

    def _next(self) -> re.Match[str]:
        match = next(self._tokens, None)
        if match is None:
            raise ValueError("braces are not closed")
        return match
