"""A live view on a terminal: what was said scrolls by above, how far the run is stays below.

Everything is drawn from the event loop, so nothing has to be locked, and a busy loop is not held up more than twice a
second. The cursor stays visible: a process that is killed leaves the terminal as it should be.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dbrestore import events
from dbrestore.events import Kind, Level
from dbrestore.printing import printable
from dbrestore.report.columns import shortened
from dbrestore.report.quantities import clock, counted, readable_bytes, readable_seconds
from dbrestore.views.sentences import sentences, time_lines
from dbrestore.views.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, RenderableType

    from dbrestore.events import Activity, Event
    from dbrestore.tally import DatabaseTally, Tally

FIGURES_INTERVAL = 1.0
OTHER_LINES = 8
"""Of the view, besides one for each connection."""
WIDE = 60
"""Characters of a line from which there is room for a bar."""
ATTENTION_SHOWN = 10
SLOW_SECONDS = 1.0
"""That a table takes which is worth a line at the end."""
STYLES = {
    Kind.TAKE_DOWN: "magenta",
    Kind.LOAD: "cyan",
    Kind.PUT_BACK: "magenta",
    Kind.REFRESH: "green",
    Kind.MAINTAIN: "green",
    Kind.COUNT: "green",
}


class Terminal(View):
    """Draws how far a run is."""

    figures_interval = FIGURES_INTERVAL

    def __init__(self, console: Console, level: Level = Level.NORMAL) -> None:
        self._console = console
        self._level = level
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, vertical_overflow="ellipsis")
        self.wants_statements = level >= Level.TRACE

    def open(self) -> None:
        """Begin to draw."""
        self._live.start()
        self._console.show_cursor(True)

    def show(self, event: Event, tally: Tally) -> None:
        """Write what is said above what is drawn, and what was restored below it."""
        if isinstance(event, events.Finished) and tally.database:
            for line in _summary(event, tally.database, tally):
                self._console.print(line, no_wrap=True, overflow="ellipsis", highlight=False)
        elif event.level <= self._level and not isinstance(event, events.Observed):
            for sentence in sentences(event, tally):
                self._write(_styled(sentence))

    def tick(self, tally: Tally) -> None:
        """Draw how far the run is."""
        self._live.update(draw(tally, self._console.width, self._console.height), refresh=True)

    def close(self, tally: Tally) -> None:
        """Take away what is drawn, and say where the run stopped if it did."""
        with suppress(OSError):  # the terminal may be gone
            self._live.update(Text(""), refresh=True)
            self._live.transient = True
            self._live.stop()
            if tally.failed and tally.database:
                self._write(Text(_where_stopped(tally, tally.database), style="bold"))

    def _write(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True, highlight=False)


def _styled(sentence: str) -> Text:
    """Text takes no markup from names."""
    text = Text(sentence)
    if sentence.startswith("warning: "):
        text.stylize("yellow", 0, len("warning:"))
    return text


def draw(tally: Tally, width: int, height: int) -> RenderableType:
    """How far a run is, in at most ``height`` lines."""
    lines: list[RenderableType] = [_title(tally, width)]
    if tally.database is not None:
        lines += _bars(tally, tally.database, width)
    room = max(height - OTHER_LINES, 1)
    lines += _activities(tally, width, room)
    if attention := _attention(tally):
        lines.append(Text(attention, style="yellow", no_wrap=True, overflow="ellipsis"))
    return Group(*lines, Text(""))


def _title(tally: Tally, width: int) -> Text:
    time = clock(tally.elapsed)
    what = tally.stage
    if tally.database:
        planned = tally.database.planned
        what = f"{planned.export_id}: {planned.source_database} into {planned.target_database}, {tally.stage}"
    what = shortened(printable(what), max(width - len(time) - 2, 8))
    return Text.assemble((what, "bold"), " " * max(width - len(what) - len(time) - 1, 1), time, no_wrap=True)


def _bars(tally: Tally, database: DatabaseTally, width: int) -> Iterator[RenderableType]:
    planned = database.planned
    rows, size = tally.reached()
    rows, size = rows + planned.loaded_rows, size + planned.loaded_bytes
    rate, left = tally.rate(), tally.seconds_left()
    is_loading = size < planned.bytes
    yield _bar("loaded", size, planned.bytes, _amount(size, planned.bytes), width)
    facts = [f"{rows:,} of {planned.rows:,} rows", f"{database.tables_loaded:,} of {planned.tables:,} tables"]
    if is_loading:
        facts = [facts[0], f"{readable_bytes(rate.bytes)}/s", f"{rate.rows:,.0f} rows/s", facts[1]]
        if left is not None and size:
            facts.insert(1, f"{clock(left)} left")
    yield Text(f"         {', '.join(facts)}", no_wrap=True, overflow="ellipsis")
    if database.steps:
        taken = f"{database.steps_taken:,} of {counted(database.steps, 'step')}"
        yield _bar("put back", database.steps_taken, database.steps, taken, width)


def _amount(done: int, total: int) -> str:
    return f"{readable_bytes(done)} of {readable_bytes(total)}"


def _bar(name: str, done: int, total: int, amount: str, width: int) -> RenderableType:
    line = Table.grid(padding=(0, 1), expand=True)
    line.add_column(width=8, no_wrap=True)
    if width >= WIDE:
        line.add_column(ratio=1)
    line.add_column(no_wrap=True, justify="right", width=5)
    line.add_column(no_wrap=True, overflow="ellipsis", ratio=None if width >= WIDE else 1)
    share = done / total if total else 1.0
    bar = [ProgressBar(total=max(total, 1), completed=done if total else 1)] if width >= WIDE else []
    line.add_row(Text(name), *bar, Text(f"{int(share * 100)} %"), Text(amount))
    return line


def _activities(tally: Tally, width: int, room: int) -> Iterator[RenderableType]:
    activities = sorted(tally.activities.values(), key=lambda activity: activity.started)
    shown = activities if len(activities) <= room else activities[: room - 1]
    if not shown:
        return
    lines = Table.grid(padding=(0, 1), expand=True)
    lines.add_column(no_wrap=True, width=12)
    lines.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    if width >= WIDE:
        lines.add_column(no_wrap=True, justify="right", overflow="ellipsis", max_width=width // 2)
    lines.add_column(no_wrap=True, justify="right", min_width=5)
    for activity in shown:
        how_far = [Text(_how_far(activity, tally), style="dim")] if width >= WIDE else []
        since = Text(clock(tally.elapsed - activity.started))
        kind = Text(str(activity.kind), style=STYLES[activity.kind])
        lines.add_row(kind, Text(printable(activity.name)), *how_far, since)
    yield lines
    if len(shown) < len(activities):
        yield Text(f"and {len(activities) - len(shown)} more", style="dim")


def _how_far(activity: Activity, tally: Tally) -> str:
    figure = tally.figures.get(activity.pid)
    if activity.kind is Kind.LOAD:
        done = min(figure.done, activity.rows) if figure else 0
        return f"{done:,} of {activity.rows:,} rows" if figure else f"{activity.rows:,} rows"
    if figure is None:
        return ""
    phase = figure.phase.removeprefix("building index: ")
    return phase if figure.share is None else f"{phase} {figure.share:.0%}"


def _attention(tally: Tally) -> str:
    facts = []
    if tally.retries:
        last = tally.retries[-1]
        facts.append(f"{counted(len(tally.retries), 'fault')} borne, the last: {last.error}")
    if tally.warnings:
        facts.append(counted(len(tally.warnings), "warning"))
    return printable(", ".join(facts))


def _where_stopped(tally: Tally, database: DatabaseTally) -> str:
    planned = database.planned
    return (
        f"stopped while {tally.stage}, after {readable_seconds(tally.elapsed)}: "
        f"{planned.loaded_rows + database.rows:,} of {planned.rows:,} rows, "
        f"{database.tables_loaded:,} of {planned.tables:,} tables are loaded"
    )


def _summary(event: events.Finished, database: DatabaseTally, tally: Tally) -> Iterator[Text]:
    first, *_ = sentences(event, tally)
    done, _, rest = first.partition(" in ")
    yield Text(done, style="bold green")
    yield Text(f"  in {rest}")
    slowest = [table for table in database.slowest() if table.all_seconds >= SLOW_SECONDS]
    names = [printable(table.planned.table.dotted) for table in slowest]
    for place, (name, table) in enumerate(zip(names, slowest, strict=True)):
        times = ", ".join(f"{kind} {readable_seconds(seconds)}" for kind, seconds in table.seconds.items())
        begin = "  slowest  " if place == 0 else " " * 11
        yield Text(f"{begin}{name.ljust(max(map(len, names)))}  {times}")
    yield from (Text(f"  {line}", style="dim") for line in time_lines(event.times))
    yield from _needing_attention(tally)


def _needing_attention(tally: Tally) -> Iterator[Text]:
    found = [f"{counted(len(tally.retries), 'fault')} borne"] if tally.retries else []
    found += tally.warnings[:ATTENTION_SHOWN]
    if more := len(tally.warnings[ATTENTION_SHOWN:]):
        found.append(f"and {counted(more, 'more warning')}")
    for place, line in enumerate(found):
        yield Text(f"{'  look at  ' if place == 0 else ' ' * 11}{printable(line)}", style="yellow")
