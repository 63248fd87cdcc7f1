"""The order of loading: levels of the foreign-key graph, and the cycles that have none."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Set

    Node = TypeVar("Node", bound=Hashable)


def find_cycles(after: Mapping[Node, Set[Node]], milestones: Set[Node] = frozenset()) -> list[list[Node]]:
    """Cycles of a graph, one for each that has to be cut open until none is left.

    ``after`` gives for each node those that come before it. In each cycle a node comes before the next one, and the
    last before the first, where it is cut; a node that comes before itself is a cycle of one. A cycle through one of
    the ``milestones`` is cut behind that, where it stands for all that the milestone does.
    """
    remaining = {node: set(earlier) for node, earlier in after.items()}
    cycles = []
    while (cycle := _find_cycle(remaining)) is not None:
        cut = next((place for place, node in enumerate(cycle, start=1) if node in milestones), 0)
        cycles.append([*cycle[cut:], *cycle[:cut]])
        remaining[cycles[-1][0]].discard(cycles[-1][-1])
    return cycles


def _find_cycle(after: Mapping[Node, Set[Node]]) -> list[Node] | None:
    try:
        TopologicalSorter(after).prepare()
    except CycleError as error:
        cycle: list[Node] = error.args[1]
        return cycle[1:]
    return None


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


def find_levels(after: Mapping[Node, Set[Node]], milestones: Set[Node] = frozenset()) -> dict[Node, int]:
    """The level of each node: 0 where nothing comes before it, else one more than the highest before it.

    A milestone is as high as the highest before it. Raises ``graphlib.CycleError`` if there is a cycle.
    """
    levels: dict[Node, int] = {}
    for node in TopologicalSorter(after).static_order():
        step = 0 if node in milestones else 1
        levels[node] = max((levels[earlier] + step for earlier in after.get(node, ())), default=0)
    return levels
