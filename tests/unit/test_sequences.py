from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dbrestore.target.sequences import NumberedColumn, NumberSequence, find_position, plan_probes


def column(table_oid: int, name: str = "id", **changes: Any) -> NumberedColumn:
    usual: dict[str, Any] = {"is_plain": True, "is_comparable": True, "is_indexed": True}
    return NumberedColumn(table_oid, "public", f"t{table_oid}", name, **(usual | changes))


def sequence(*columns: NumberedColumn, oid: int = 1, **changes: Any) -> NumberSequence:
    usual: dict[str, Any] = {"start": 1, "increment": 1, "minimum": 1, "maximum": 1000, "is_settable": True}
    return NumberSequence(oid=oid, schema="public", name=f"s{oid}", columns=columns, **(usual | changes))


INCREMENTS = st.integers(-50, 50).filter(bool)


@given(st.data(), INCREMENTS)
def test_the_next_value_is_past_those_there_are_and_in_step(data: st.DataObject, increment: int) -> None:
    low, start, high = sorted(data.draw(st.tuples(*[st.integers(-500, 500)] * 3)))
    reached = data.draw(st.none() | st.integers(low, high))
    one = sequence(start=start, increment=increment, minimum=low, maximum=high)
    position = find_position(one, reached)
    following = position.value + (increment if position.is_called else 0)
    assert low <= position.value <= high
    assert (following - start) % increment == 0
    assert following == start if reached is None else (following - reached) * increment > 0


def test_tables_are_looked_into_many_at_a_time_where_an_index_serves() -> None:
    one = sequence(*(column(oid) for oid in range(120)))
    assert [len(probe.tables) for probe in plan_probes([one])] == [50, 50, 20]


def test_a_table_that_has_to_be_scanned_is_looked_into_once_and_by_itself() -> None:
    first = sequence(column(7, "a", is_indexed=False), column(9))
    second = sequence(column(7, "b", is_indexed=False), column(8), oid=2)
    scan, *others = plan_probes([first, second])
    assert [(number.oid, scanned.name) for number, scanned in scan.columns] == [(1, "a"), (2, "b")]
    assert [probe.tables for probe in others] == [{8, 9}]


def test_what_cannot_be_compared_is_not_looked_into() -> None:
    assert plan_probes([sequence(column(7, is_comparable=False))]) == ()
