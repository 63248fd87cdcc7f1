"""The order of loading: levels of the foreign-key graph, and the cycles that have none."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Set

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


def find_levels(after: Mapping[Node, Set[Node]], milestones: Set[Node] = frozenset()) -> dict[Node, int]:
    """The level of each node: 0 where nothing comes before it, else one more than the highest before it.

    A milestone is as high as the highest before it. Raises ``graphlib.CycleError`` if there is a cycle.
    """
    levels: dict[Node, int] = {}
    for node in TopologicalSorter(after).static_order():
        step = 0 if node in milestones else 1
        levels[node] = max((levels[earlier] + step for earlier in after.get(node, ())), default=0)
    return levels
