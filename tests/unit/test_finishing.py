from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbrestore.finishing import Finishing, FinishingOptions
from dbrestore.progress import Progress
from dbrestore.target.deferral.model import Step
from tests.unit.plans import partitioned, plan, table

if TYPE_CHECKING:
    from dbrestore.target.catalog import Table

ITEMS, ORDERS = table(1, "items"), table(2, "orders")
STEPS = [Step("build", 1, statements=("CREATE INDEX",)), Step("check", 2, statements=("ALTER TABLE",), alone=(1, 2))]


def early(*tables: Table, options: FinishingOptions | None = None) -> dict[object, tuple[set[object], set[object]]]:
    """Of each ANALYZE that need not wait for the end: what it comes after, and what it claims."""
    finishing = Finishing(plan(tables), options or FinishingOptions(), Progress())
    tasks = finishing.early_tasks(STEPS, {each.oid: {each.oid} for each in tables}, jobs=1)
    return {task.key: (set(task.after), set(task.claims)) for task in tasks}


def test_a_table_is_analyzed_when_it_is_loaded_and_has_its_own_keys_and_indexes() -> None:
    assert early(ITEMS, ORDERS) == {("analyze", 1): ({1, "build"}, {1}), ("analyze", 2): ({2, "check"}, {2})}


@pytest.mark.parametrize("options", [FinishingOptions(vacuum=True), FinishingOptions(analyze=False)], ids=repr)
def test_nothing_is_analyzed_early_that_is_vacuumed_or_not_wanted(options: FinishingOptions) -> None:
    assert early(ITEMS, ORDERS, options=options) == {}


def test_what_is_analyzed_with_others_waits_for_the_end() -> None:
    days = partitioned(3, "days")
    heir = table(5, "heirs", inherits=(1,))
    assert set(early(ITEMS, ORDERS, days, table(4, "days_1", parent=3), heir)) == {("analyze", 2), ("analyze", 5)}
