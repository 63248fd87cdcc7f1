from __future__ import annotations

from dataclasses import replace

from dbrestore.progress import Progress
from dbrestore.timing import RestoreTimes
from tests.unit.runs import load, small_plan


def test_a_database_that_is_planned_again_is_counted_once() -> None:
    progress, made = Progress(), small_plan()
    progress.planned(made)
    began = progress.tally.databases[0].began
    first = made.tables[0].parts[0]
    progress.loaded(made.tables[0], [first])
    progress.planned(made, {first.file.key})
    [database] = progress.tally.databases
    assert database.began == began
    assert (database.rows, database.planned.loaded_rows) == (0, first.rows)


def test_each_database_of_several_is_counted_by_itself() -> None:
    progress, made = Progress(), small_plan()
    other = replace(made, catalog=replace(made.catalog, database="other"))
    for each in (made, other):
        progress.planned(each)
        load(progress, each)
        progress.finished(each, RestoreTimes({}, {}))
    assert [database.rows for database in progress.tally.databases] == [1510, 1510]


def test_a_run_that_has_loaded_all_is_said_to_put_back() -> None:
    progress = Progress()
    progress.planned(small_plan())
    progress.enter("loading")
    assert progress.tally.stage == "loading"
    load(progress, small_plan())
    assert progress.tally.stage == "putting back"
