"""The levels of the foreign-key graph as a picture: where each table goes, and each key.

A level is a band of columns, the tables that reference nothing on the left. Within a level a table is as near as can
be to those that it references, which keeps lines short. Tables without foreign keys are listed below.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.printing import printable
from dbrestore.report.columns import shortened
from dbrestore.report.quantities import counted, readable_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbrestore.report.levels import LevelGraph, Node

ROW = 26
"""Pixels from one table to the next."""
BOX = 20
"""Pixels of a table's height."""
CHARACTER = 6.7
"""Pixels of a letter's width at the size of the text."""
HEADING_CHARACTER = 7.5
"""The same of a heading, which is bold."""
NAME_SHOWN = 34
COLUMN_GAP = 14
"""Pixels between two columns of one level."""
LEVEL_GAP = 90
"""Pixels between two levels, for the lines."""
MARGIN = 16
BOW = 44
"""Pixels at the left of a level, at most, for the keys between its own tables."""
HEAD = 34
FEWEST_ROWS = 12
ROWS_TO_COLUMNS = 3.0
"""The more tables a level has, the more columns: so many times as many rows as columns."""
REFERENCES_SHOWN = 8
"""When the pointer is over a table."""
ALONE_WIDTH = 4
"""Columns of the tables without foreign keys, at least."""


@dataclass(frozen=True, slots=True)
class Box:
    """A table in the picture; pixels."""

    x: float
    y: float
    width: float
    label: str
    title: str
    kind: str
    """A class of the style: cycle, itself, or nothing."""


@dataclass(frozen=True, slots=True)
class Line:
    """A foreign key in the picture, from the child to the parent."""

    path: str
    title: str
    kind: str


@dataclass(frozen=True, slots=True)
class Heading:
    """What a band of columns is."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """All of it; pixels."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    headings: tuple[Heading, ...]


def lay_out(graph: LevelGraph) -> Picture:
    """Give each table of ``graph`` its place."""
    references: dict[int, list[str]] = defaultdict(list)
    for edge in graph.edges:
        references[edge.child].append(graph.node(edge.parent).name)
    places = _Places(references)
    order: dict[int, float] = {}
    for number, nodes in enumerate(graph.levels):
        placed = _ordered(nodes, graph, order)
        order |= {node.oid: place / max(len(placed), 1) for place, node in enumerate(placed)}
        places.add_level(f"level {number}: {counted(len(placed), 'table')}", placed)
    if graph.alone:
        places.add_alone(f"without foreign keys: {counted(len(graph.alone), 'table')}", graph.alone)
    lines = tuple(
        Line(
            _path(places.boxes[edge.child], places.boxes[edge.parent]),
            f"{graph.node(edge.child).name} → {graph.node(edge.parent).name}: {edge.name}",
            "cycle" if edge.is_of_cycle else "",
        )
        for edge in graph.edges
    )
    return Picture(places.width, places.height, tuple(places.boxes.values()), lines, tuple(places.headings))


def _ordered(nodes: Sequence[Node], graph: LevelGraph, order: Mapping[int, float]) -> list[Node]:
    """Those of cycles, which reference each other, then by the mean place of what they reference."""
    parents: dict[int, list[float]] = defaultdict(list)
    for edge in graph.edges:
        if edge.parent in order:
            parents[edge.child].append(order[edge.parent])

    def place(node: Node) -> tuple[bool, float, str]:
        above = parents.get(node.oid, [0.0])
        return not node.is_of_cycle, sum(above) / len(above), node.name

    return sorted(nodes, key=place)


class _Places:
    """Fills bands of columns from the left, then what is alone below them."""

    def __init__(self, references: Mapping[int, Sequence[str]]) -> None:
        self._references = references
        self.boxes: dict[int, Box] = {}
        self.headings: list[Heading] = []
        self._x: float = BOW
        self.width: float = 2 * MARGIN
        self.height: float = 2 * MARGIN

    def add_level(self, heading: str, nodes: Sequence[Node]) -> None:
        """A band of columns."""
        self.headings.append(Heading(self._x, MARGIN + 12, heading))
        rows = max(FEWEST_ROWS, round((len(nodes) * ROWS_TO_COLUMNS) ** 0.5))
        right = max(self._fill(nodes, rows, self._x, MARGIN + HEAD), self._x + len(heading) * HEADING_CHARACTER)
        self.width = max(self.width, right + MARGIN)
        self._x = right + LEVEL_GAP

    def add_alone(self, heading: str, nodes: Sequence[Node]) -> None:
        """What no key connects."""
        top = self.height + MARGIN if self.boxes else MARGIN
        self.headings.append(Heading(BOW, top + 12, heading))
        columns = max(ALONE_WIDTH, int(self.width / (NAME_SHOWN * CHARACTER)))
        self._fill(nodes, -(-len(nodes) // columns), BOW, top + HEAD)
        self.width = max(self.width, BOW + MARGIN + len(heading) * HEADING_CHARACTER)

    def _fill(self, nodes: Sequence[Node], rows: int, left: float, top: float) -> float:
        """Columns of so many rows; where the last one ends."""
        right = left
        for start in range(0, len(nodes), rows):
            column = nodes[start : start + rows]
            labels = [shortened(printable(node.name), NAME_SHOWN) for node in column]
            width = max(map(len, labels)) * CHARACTER + 14
            for row, (node, label) in enumerate(zip(column, labels, strict=True)):
                y = top + row * ROW
                title = _title(node, self._references.get(node.oid, ()))
                self.boxes[node.oid] = Box(left, y, width, label, title, _kind(node))
                self.height = max(self.height, y + ROW + MARGIN)
            right = left + width
            left = right + COLUMN_GAP
        self.width = max(self.width, right + MARGIN)
        return right


def _title(node: Node, references: Sequence[str]) -> str:
    facts = f"{node.name}: {node.rows:,} rows, {readable_bytes(node.size)}"
    names = [*references[:REFERENCES_SHOWN], *(["…"] if len(references) > REFERENCES_SHOWN else [])]
    names += ["itself"] if node.references_itself else []
    return f"{facts}, references {', '.join(names)}" if names else facts


def _kind(node: Node) -> str:
    if node.is_of_cycle:
        return "cycle"
    return "itself" if node.references_itself else ""


def _path(child: Box, parent: Box) -> str:
    """A curve from the left of the child to the right of the parent, or a bow at the left of both."""
    child_y, parent_y = child.y + BOX / 2, parent.y + BOX / 2
    start, end = child.x, parent.x + parent.width
    if end < start:
        bend = max((start - end) / 2, 30)
        return _curve((start, child_y), start - bend, end + bend, (end, parent_y))
    end = parent.x
    left = min(start, end) - min(20 + abs(child_y - parent_y) / 6, BOW)
    return _curve((start, child_y), left, left, (end, parent_y))


def _curve(start: tuple[float, float], first: float, second: float, end: tuple[float, float]) -> str:
    """From ``start`` to ``end``, level at both; ``first`` and ``second`` are where it is drawn to sideways."""
    moved, *drawn = (f"{x:.0f} {y:.0f}" for x, y in (start, (first, start[1]), (second, end[1]), end))
    return f"M{moved}C{' '.join(drawn)}"
