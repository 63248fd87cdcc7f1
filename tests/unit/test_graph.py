from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbrestore.graph import find_components, find_cycle, find_cyclic_components, find_levels

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

Graph = dict[int, set[int]]


@st.composite
def graphs(draw: DrawFn) -> Graph:
    nodes = list(range(draw(st.integers(0, 8))))
    return {node: draw(st.sets(st.sampled_from(nodes), max_size=4)) for node in nodes}


@st.composite
def acyclic_graphs(draw: DrawFn) -> Graph:
    names = draw(st.permutations(range(draw(st.integers(0, 12)))))
    return {
        node: draw(st.sets(st.sampled_from(names[:place]), max_size=4)) if place else set()
        for place, node in enumerate(names)
    }


def is_cycle(cycle: list[int], after: Graph) -> bool:
    return all(earlier in after[later] for earlier, later in zip([cycle[-1], *cycle], cycle, strict=False))


def test_an_empty_graph_has_no_levels() -> None:
    assert find_levels({}) == {}


def test_a_node_that_waits_for_nothing_is_at_level_0() -> None:
    assert find_levels({"countries": set(), "settings": set()}) == {"countries": 0, "settings": 0}


def test_a_level_is_one_more_than_the_highest_before_it() -> None:
    after = {"lines": {"orders", "products"}, "orders": {"customers"}, "customers": set(), "products": set()}
    assert find_levels(after) == {"customers": 0, "products": 0, "orders": 1, "lines": 2}


def test_a_cycle_has_no_levels() -> None:
    with pytest.raises(CycleError):
        find_levels({"a": {"b"}, "b": {"a"}})


@given(acyclic_graphs())
def test_levels_respect_every_edge_and_leave_no_gap(after: Graph) -> None:
    levels = find_levels(after)
    assert levels.keys() == after.keys()
    for node, earlier in after.items():
        assert levels[node] == 1 + max((levels[other] for other in earlier), default=-1)


@given(acyclic_graphs())
def test_an_acyclic_graph_has_neither_cycle_nor_component(after: Graph) -> None:
    assert find_cycle(after) is None
    assert find_cyclic_components(after) == []


def test_a_node_before_itself_is_a_cycle_of_one_but_no_component() -> None:
    assert find_cycle({"a": {"a"}}) == ["a"]
    assert find_cyclic_components({"a": {"a"}}) == []


def test_in_a_cycle_each_node_comes_before_the_next() -> None:
    cycle = find_cycle({1: {3}, 2: {1}, 3: {2}})
    assert cycle is not None
    start = cycle.index(1)
    assert cycle[start:] + cycle[:start] == [1, 2, 3]


def test_cycles_that_share_a_node_are_one_component() -> None:
    assert find_cyclic_components({1: {2, 3}, 2: {1}, 3: {1}, 4: {1}, 5: set()}) == [{1, 2, 3}]


def test_cycles_of_which_one_comes_before_the_other_are_two_components() -> None:
    components = find_cyclic_components({1: {2}, 2: {1}, 3: {4, 1}, 4: {3}})
    assert sorted(map(sorted, components)) == [[1, 2], [3, 4]]


@given(graphs())
def test_cutting_the_cycles_that_are_found_leaves_none(after: Graph) -> None:
    remaining = {node: set(earlier) for node, earlier in after.items()}
    while (cycle := find_cycle(remaining)) is not None:
        assert is_cycle(cycle, remaining)
        remaining[cycle[0]].discard(cycle[-1])
    TopologicalSorter(remaining).prepare()


@given(graphs())
def test_nodes_share_a_component_if_they_come_before_each_other(after: Graph) -> None:
    def earlier(node: int) -> set[int]:
        found, waiting = set(), [*after[node]]
        while waiting:
            if (other := waiting.pop()) not in found:
                found.add(other)
                waiting.extend(after[other])
        return found

    component = {node: number for number, nodes in enumerate(find_cyclic_components(after)) for node in nodes}
    for one in after:
        for other in after.keys() - {one}:
            are_mutual = one in earlier(other) and other in earlier(one)
            assert are_mutual == (one in component and component[one] == component.get(other))


@given(graphs())
def test_looking_for_cycles_does_not_change_the_graph(after: Graph) -> None:
    before = {node: set(earlier) for node, earlier in after.items()}
    find_cycle(after)
    find_cyclic_components(after)
    assert after == before


def test_links_lead_both_ways() -> None:
    assert find_components({1: [2], 3: [2], 4: [], 5: [6]}) == [{1, 2, 3}, {4}, {5, 6}]


def test_a_milestone_is_as_high_as_the_highest_before_it() -> None:
    assert find_levels({"p1": set(), "p": {"p1"}, "a": {"p"}}, {"p"}) == {"p1": 0, "p": 0, "a": 1}
