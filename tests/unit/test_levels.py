from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from dbrestore.report.drawing import lay_out
from dbrestore.report.levels import level_graph
from dbrestore.report.mermaid import mermaid_lines
from dbrestore.report.rendering import render_levels
from dbrestore.target.deferral.policy import Policy
from tests.unit.plans import foreign_key, partitioned, plan, table
from tests.unit.runs import HOSTILE, SHOWN_HOSTILE, small_plan

if TYPE_CHECKING:
    from dbrestore.report.levels import LevelGraph

SVG = "{http://www.w3.org/2000/svg}"


def graph(names: str, keys: list[tuple[int, int]]) -> LevelGraph:
    """Tables with a letter each, the first of which is 1; ``keys`` are child and parent."""
    tables = [table(number, name) for number, name in enumerate(names, 1)]
    found = [foreign_key(100 + number, *key) for number, key in enumerate(keys)]
    return level_graph(plan(tables, keys=found, policy=Policy()))


def levels(drawn: LevelGraph) -> dict[str, int]:
    return {node.name.removeprefix("public."): node.level for node in drawn.nodes if node.is_linked}


def test_a_table_is_a_level_above_all_that_it_references_also_where_the_keys_come_down() -> None:
    assert levels(graph("abcd", [(2, 1), (3, 2), (3, 1), (4, 1)])) == {"a": 0, "b": 1, "c": 2, "d": 1}


def test_the_tables_of_a_cycle_have_one_level_and_are_marked() -> None:
    drawn = graph("abcd", [(1, 2), (2, 1), (3, 2), (1, 4)])
    assert levels(drawn) == {"d": 0, "a": 1, "b": 1, "c": 2}
    assert {node.name for node in drawn.nodes if node.is_of_cycle} == {"public.a", "public.b"}
    assert [(edge.child, edge.parent) for edge in drawn.edges if edge.is_of_cycle] == [(1, 2), (2, 1)]


def test_a_table_that_references_itself_alone_is_linked_with_nothing() -> None:
    [node] = graph("a", [(1, 1)]).alone
    assert node.references_itself
    assert not node.is_of_cycle


def test_partitions_are_one_with_their_table() -> None:
    leaves = [table(number, f"e{number}", parent=1) for number in (2, 3)]
    tables = [partitioned(1, "events"), *leaves, table(4, "notes")]
    drawn = level_graph(plan(tables, keys=[foreign_key(9, 4, 1)], partitions="leaves"))
    assert [node.name for node in drawn.nodes] == ["public.events (2 partitions)", "public.notes"]
    assert [node.level for node in drawn.nodes] == [0, 1]


def test_a_mermaid_flowchart_has_a_subgraph_for_each_level_and_marks_cycles() -> None:
    lines = list(mermaid_lines(graph("abcd", [(2, 1), (3, 2), (2, 3)])))
    assert lines == [
        "flowchart RL",
        '  subgraph level0["level 0"]',
        '    t1["public.a"]',
        "  end",
        '  subgraph level1["level 1"]',
        '    t2["public.b"]',
        '    t3["public.c"]',
        "  end",
        '  subgraph alone["without foreign keys: 1"]',
        '    t4["public.d"]',
        "  end",
        "  t2 --> t1",
        "  t3 -. cycle .-> t2",
        "  t2 -. cycle .-> t3",
        "  classDef cycle stroke:#d33,stroke-width:2px",
        "  class t2,t3 cycle",
    ]


def test_a_name_is_no_syntax_of_mermaid() -> None:
    [line] = [line for line in mermaid_lines(level_graph(small_plan())) if "script" in line and "t2[" in line]
    assert line == (
        '    t2["public.#60;script#62;alert#40;1#41;#60;/script#62;#91;red#93;#34;#38;#92;x1b#91;31m#92;n"]'
    )


def test_a_picture_is_well_formed_and_escapes_names() -> None:
    root = ET.fromstring(render_levels(level_graph(small_plan())))
    texts = [element.text or "" for element in root.iter(f"{SVG}text")]
    titles = [element.text or "" for element in root.iter(f"{SVG}title")]
    assert "public.orders" in texts
    assert any(title.startswith(f"public.{SHOWN_HOSTILE}: 10 rows") for title in titles)
    assert not list(root.iter(f"{SVG}script"))
    assert HOSTILE not in texts


@pytest.mark.parametrize("tables", [0, 1, 10, 1000])
def test_no_table_lies_on_another_and_all_are_in_the_picture(tables: int) -> None:
    made = plan(
        [table(number, f"table_{number}" * (1 + number % 3)) for number in range(1, tables + 1)],
        keys=[foreign_key(5000 + number, number, number // 3 + 1) for number in range(10, tables - 200)],
        policy=Policy(),
    )
    picture = lay_out(level_graph(made))
    assert len(picture.boxes) == tables
    rows: dict[float, list[tuple[float, float]]] = {}
    for box in picture.boxes:
        assert box.x >= 0
        assert box.x + box.width <= picture.width
        assert box.y + 20 <= picture.height
        rows.setdefault(box.y, []).append((box.x, box.x + box.width))
    for row in rows.values():
        ends = [end for pair in sorted(row) for end in pair]
        assert ends == sorted(ends)
