from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from hypothesis import given, target
from hypothesis import strategies as st

from tests.unit.plans import Source, partitioned, plan, table

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from dbrestore.target.catalog import Table

ROOT, MIDDLE, ARCHIVE = "p", "m", "archive"


class Fate(Enum):
    """What became of a partition of the snapshot."""

    KEPT = "kept"
    DROPPED = "dropped from the target"
    DETACHED = "detached in the target"
    UNEXPORTED = "not in the export"


@dataclass(frozen=True)
class Leaf:
    name: str
    rows: int
    is_below_middle: bool
    fate: Fate


@st.composite
def snapshots(draw: DrawFn) -> list[Leaf]:
    """Partitions whose row counts are different powers of two: no two sets of them have the same sum."""
    fates = draw(st.lists(st.sampled_from(Fate), min_size=1, max_size=6))
    return [
        Leaf(f"p{number}", draw(st.sampled_from([0, 2**number])), draw(st.booleans()), fate)
        for number, fate in enumerate(fates)
    ]


def target_tables(leaves: list[Leaf], *, has_new: bool) -> list[Table]:
    tables = [partitioned(1, ROOT), partitioned(2, MIDDLE, parent=1)]
    for oid, leaf in enumerate(leaves, start=10):
        if leaf.fate is not Fate.DROPPED:
            above = 2 if leaf.is_below_middle else 1
            tables.append(table(oid, leaf.name, parent=None if leaf.fate is Fate.DETACHED else above))
    return [*tables, table(4, "new", parent=1)] if has_new else tables


def exported(leaves: list[Leaf], parents: set[str]) -> list[Source]:
    rows = {
        ROOT: sum(leaf.rows for leaf in leaves),
        MIDDLE: sum(leaf.rows for leaf in leaves if leaf.is_below_middle),
    }
    own = [Source(f"public.{leaf.name}", (leaf.rows,)) for leaf in leaves if leaf.fate is not Fate.UNEXPORTED]
    return [*(Source(f"public.{name}", (rows[name],)) for name in parents), *own]


@given(snapshots(), st.sets(st.sampled_from([ROOT, MIDDLE])), st.booleans(), st.sampled_from([None, 0, 100, 5000]))
def test_a_plan_without_problems_loads_every_row_once(
    leaves: list[Leaf], parents: set[str], has_new: bool, archived: int | None
) -> None:
    tables, sources = target_tables(leaves, has_new=has_new), exported(leaves, parents)
    if archived is not None:
        tables.append(table(3, ARCHIVE))
        sources.append(Source(f"public.{ARCHIVE}", (archived,)))
    made = plan(tables, sources)
    target(float(not made.problems))
    if made.problems:
        return
    loaded: Counter[str] = Counter()
    for planned in made.tables:
        name = planned.table.name
        loaded.update(
            leaf.name
            for leaf in leaves
            if leaf.name == name or name == ROOT or (name == MIDDLE and leaf.is_below_middle)
        )
    assert {leaf.name: loaded[leaf.name] for leaf in leaves if leaf.rows} == {
        leaf.name: 1 for leaf in leaves if leaf.rows
    }


@given(snapshots())
def test_partitions_that_were_only_dropped_need_no_choice(leaves: list[Leaf]) -> None:
    known = [
        replace(leaf, is_below_middle=False)
        for leaf in leaves
        if leaf.fate is Fate.KEPT or (leaf.fate is Fate.DROPPED and leaf.rows)
    ]
    assert plan(target_tables(known, has_new=True), exported(known, {ROOT, MIDDLE})).problems == ()
