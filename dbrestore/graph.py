"""The order of loading: levels of the foreign-key graph, and the cycles that have none."""

from __future__ import annotations

from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Set

    Node = TypeVar("Node", bound=Hashable)


def find_cycle(after: Mapping[Node, Set[Node]]) -> list[Node] | None:
    """A cycle of a graph, if it has one.

    ``after`` gives for each node those that come before it. In the cycle a node comes before the next one, and the
    last before the first; a node that comes before itself is a cycle of one.
    """
    try:
        TopologicalSorter(after).prepare()
    except CycleError as error:
        cycle: list[Node] = error.args[1]
        return cycle[1:]
    return None


def find_levels(after: Mapping[Node, Set[Node]], milestones: Set[Node] = frozenset()) -> dict[Node, int]:
    """The level of each node: 0 where nothing comes before it, else one more than the highest before it.

    A milestone is as high as the highest before it. Raises ``graphlib.CycleError`` if there is a cycle.
    """
    levels: dict[Node, int] = {}
    for node in TopologicalSorter(after).static_order():
        step = 0 if node in milestones else 1
        levels[node] = max((levels[earlier] + step for earlier in after.get(node, ())), default=0)
    return levels


def find_reachable(start: Node, edges: Mapping[Node, Iterable[Node]]) -> set[Node]:
    """``start`` and all nodes that edges lead to from there."""
    found, waiting = {start}, [start]
    while waiting:
        new = [node for node in edges.get(waiting.pop(), ()) if node not in found]
        found.update(new)
        waiting.extend(new)
    return found


def find_components(links: Mapping[Node, Iterable[Node]]) -> list[set[Node]]:
    """Sets of nodes that are linked, however many links lead from one to another. Links lead both ways."""
    edges: dict[Node, list[Node]] = {node: list(others) for node, others in links.items()}
    for node, others in links.items():
        for other in others:
            edges.setdefault(other, []).append(node)
    components: list[set[Node]] = []
    known: set[Node] = set()
    for node in edges:
        if node not in known:
            components.append(find_reachable(node, edges))
            known |= components[-1]
    return components


def find_cyclic_components(after: Mapping[Node, Set[Node]]) -> list[set[Node]]:
    """The largest sets of two or more nodes that all come before each other (Kosaraju's algorithm)."""
    before: dict[Node, set[Node]] = defaultdict(set)
    for node, earlier in after.items():
        for other in earlier:
            before[other].add(node)
    left = set(after)
    components = []
    for start in reversed(_by_finish(after)):
        component = _reach(start, before, left)
        left -= component
        if len(component) > 1:
            components.append(component)
    return components


def _by_finish(edges: Mapping[Node, Set[Node]]) -> list[Node]:
    """The nodes in the order in which a search in depth is done with them."""
    seen: set[Node] = set()
    finished: list[Node] = []
    for start in edges:
        path = [(start, iter(edges[start]))] if start not in seen else []
        seen.add(start)
        while path:
            node, neighbours = path[-1]
            following = next((other for other in neighbours if other not in seen), None)
            if following is None:
                finished.append(node)
                path.pop()
            else:
                seen.add(following)
                path.append((following, iter(edges.get(following, ()))))
    return finished


def _reach(start: Node, edges: Mapping[Node, Set[Node]], among: Set[Node]) -> set[Node]:
    """What can be reached from ``start`` without leaving ``among``."""
    reached: set[Node] = set()
    waiting = [start]
    while waiting:
        node = waiting.pop()
        if node in among and node not in reached:
            reached.add(node)
            waiting.extend(edges.get(node, ()))
    return reached
