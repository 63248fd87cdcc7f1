"""The levels of the foreign-key graph as a Mermaid flowchart (mermaid.js.org), which GitHub and GitLab draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbrestore.printing import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbrestore.report.levels import LevelGraph, Node

ALONE_LISTED = 12
MOST_EDGES = 500
"""That Mermaid draws unless it is configured to draw more (maxEdges)."""
_ENTITIES = str.maketrans({character: f"#{ord(character)};" for character in '#"<>&`\\[]{}()|;*_~'})


def mermaid_lines(graph: LevelGraph) -> Iterator[str]:
    """A flowchart of ``graph``: a subgraph for each level, a dotted arrow for a key of a cycle."""
    if len(graph.edges) > MOST_EDGES:
        yield f"%% {len(graph.edges)} keys: Mermaid needs a larger maxEdges and maxTextSize; --graph svg needs neither"
    yield "flowchart RL"
    for number, nodes in enumerate(graph.levels):
        yield f'  subgraph level{number}["level {number}"]'
        yield from (f"    {_declared(node)}" for node in nodes)
        yield "  end"
    if graph.alone:
        yield f'  subgraph alone["without foreign keys: {len(graph.alone)}"]'
        yield from (f"    {_declared(node)}" for node in graph.alone[:ALONE_LISTED])
        if len(graph.alone) > ALONE_LISTED:
            yield f'    more["and {len(graph.alone) - ALONE_LISTED} more"]'
        yield "  end"
    for edge in graph.edges:
        arrow = "-. cycle .->" if edge.is_of_cycle else "-->"
        yield f"  t{edge.child} {arrow} t{edge.parent}"
    yield from (f"  t{node.oid} --> t{node.oid}" for node in graph.nodes if node.references_itself)
    yield "  classDef cycle stroke:#d33,stroke-width:2px"
    if cyclic := [f"t{node.oid}" for node in graph.nodes if node.is_of_cycle]:
        yield f"  class {','.join(cyclic)} cycle"


def _declared(node: Node) -> str:
    return f't{node.oid}["{printable(node.name).translate(_ENTITIES)}"]'
