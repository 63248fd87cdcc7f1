"""Restores that only their events tell of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbrestore.events import Kind
from dbrestore.progress import Progress
from dbrestore.timing import RestoreTimes, Stage, TableTimes
from tests.unit.plans import Source, foreign_key, plan, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbrestore.plan import Plan
    from dbrestore.views.view import View

HOSTILE = '<script>alert(1)</script>[red]"&\x1b[31m\n'
SHOWN_HOSTILE = '<script>alert(1)</script>[red]"&\\x1b[31m\\n'
SECONDS_OF_A_RUN = 100.0


@dataclass
class Connection:
    """What a view asks of a connection."""

    pid: int = 7

    def get_server_pid(self) -> int:
        return self.pid


TIMES = RestoreTimes({Stage.LOADING: 2.0}, {1: TableTimes(waiting_for_server=1.5, encoding=0.25)})


def small_plan(**changes: Any) -> Plan:
    """Two tables, one of which has a name that nobody should have."""
    tables = [table(1, "orders"), table(2, HOSTILE)]
    sources = [Source("public.orders", (1000, 500), part_bytes=2048), Source(f"public.{HOSTILE}", (10,))]
    return plan(tables, sources, keys=[foreign_key(9, 2, 1)], **changes)


def load(progress: Progress, made: Plan, connection: Any = None) -> None:
    """Load all of a plan, one part after the other."""
    for entry in made.tables:
        for part in entry.parts:
            with progress.doing(Kind.LOAD, entry.table.dotted, connection or Connection(), entry.table.oid, [part]):
                pass
            progress.loaded(entry, [part])


def whole_run(views: Iterable[View], **changes: Any) -> Progress:
    """A restore that does all."""
    progress, made = Progress(views), small_plan(**changes)
    with progress.shown():
        progress.enter("loading")
        progress.planned(made)
        load(progress, made)
        progress.finished(made, TIMES)
    return progress
