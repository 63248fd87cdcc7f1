"""A plan, as people and programs read it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from dbrestore.printing import printable
from dbrestore.report.columns import aligned
from dbrestore.report.levels import level_graph
from dbrestore.report.quantities import counted, readable_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dbrestore.plan import Plan, PlannedTable
    from dbrestore.target.deferral.model import Deferral

KEPT_SHOWN = 20
"""Things of one sort that are listed, in a plan for people."""
TABLES_SHOWN = 30
"""In a short plan; one that is little longer is shown in full."""
LINES_SHOWN = 3
"""Of the terminal, for one thing that is said, in a short plan."""
WIDTH = 80
HEADING = ("LEVEL", "TABLE", "PARTS", "ROWS", "SIZE", "FORMAT")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a plan: a table, or the partitions of one."""

    name: str
    tables: tuple[PlannedTable, ...]

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(table.size for table in self.tables)

    @property
    def rows(self) -> str:
        """Of all, or a question mark."""
        return _rows(self.tables)

    @property
    def cells(self) -> tuple[str, ...]:
        """As the heading names them."""
        formats = {table.copy_format.value for table in self.tables}
        levels = sorted({table.level for table in self.tables})
        return (
            str(levels[0]) if len(levels) == 1 else f"{levels[0]}-{levels[-1]}",
            self.name,
            f"{sum(len(table.parts) for table in self.tables):,}",
            self.rows,
            readable_bytes(self.size),
            formats.pop() if len(formats) == 1 else "both",
        )


def plan_lines(plan: Plan, *, is_full: bool = True, width: int | None = None) -> Iterator[str]:
    """A plan for people: a summary, the tables, what comes down, and last what they have to know.

    One that is not ``is_full`` has the largest tables only, and a line for the partitions of one. ``width`` is the
    terminal's.
    """
    yield from map(printable, _head_lines(plan))
    yield from _table_lines(plan, is_full=is_full, width=width)
    most = None if is_full else LINES_SHOWN * (width or WIDTH)
    yield from (_cut(printable(line), most) for line in (*_detail_lines(plan, is_full=is_full), *_last_lines(plan)))


def _head_lines(plan: Plan) -> Iterator[str]:
    tables = plan.tables
    yield f"{plan.export_id}: {plan.source_database} into {plan.target_database}"
    schemas = {table.table.schema for table in tables}
    parts = sum(len(table.parts) for table in tables)
    size = sum(table.size for table in tables)
    line = counted(len(tables), "table") + (f" of {len(schemas)} schemas" if len(schemas) > 1 else "")
    yield f"{line}, {counted(parts, 'part')}, {_rows(tables)} rows, {readable_bytes(size)}"
    yield ""


def _rows(tables: Sequence[PlannedTable]) -> str:
    return f"{sum(table.rows for table in tables):,}" if all(table.is_counted for table in tables) else "?"


def _table_lines(plan: Plan, *, is_full: bool, width: int | None) -> Iterator[str]:
    entries = [Entry(table.table.dotted, (table,)) for table in plan.tables] if is_full else _grouped(plan)
    names = {entry.name for entry in entries}
    if not is_full and len(entries) > TABLES_SHOWN + TABLES_SHOWN // 2:
        names = {entry.name for entry in sorted(entries, key=lambda entry: -entry.size)[:TABLES_SHOWN]}
    shown = [entry for entry in entries if entry.name in names]
    yield from aligned([HEADING, *(entry.cells for entry in shown)], {0, 2, 3, 4}, width)
    if left := [entry for entry in entries if entry.name not in names]:
        tables = [table for entry in left for table in entry.tables]
        size = readable_bytes(sum(table.size for table in tables))
        yield f"and {len(tables):,} smaller tables, {_rows(tables)} rows, {size}: --full shows all"


def _grouped(plan: Plan) -> list[Entry]:
    """The tables in their order, with the partitions of one in the place of its first."""
    roots = plan.catalog.roots
    groups: dict[int, list[PlannedTable]] = defaultdict(list)
    for table in plan.tables:
        groups[roots[table.table.oid].oid].append(table)
    return [
        Entry(f"{roots[oid].dotted} ({counted(len(tables), 'partition')})", tuple(tables))
        if len(tables) > 1
        else Entry(tables[0].table.dotted, tuple(tables))
        for oid, tables in groups.items()
    ]


def _detail_lines(plan: Plan, *, is_full: bool) -> Iterator[str]:
    shown = None if is_full else KEPT_SHOWN
    if reasons := [f"  {table.table.dotted}.{reason}" for table in plan.tables for reason in table.text_reasons]:
        yield from ("", "as text, because of", *_first(reasons, shown))
    yield from _together_lines(plan)
    yield from _deferral_lines(plan.deferral, shown)
    if plan.notes:
        yield from ("", *_first([f"note: {note}" for note in plan.notes], shown))


def _cut(line: str, most: int | None) -> str:
    end = " …: --full shows all"
    return line if most is None or len(line) <= most else line[: most - len(end)].rpartition(" ")[0] + end


def _first(lines: Sequence[str], number: int | None) -> Iterator[str]:
    yield from islice(lines, number)
    if number is not None and len(lines) > number:
        yield f"  and {len(lines) - number:,} more, which --full shows"


def _last_lines(plan: Plan) -> Iterator[str]:
    """What people look for first, where a terminal shows it: at the end."""
    yield from (f"warning: {warning}" for warning in plan.warnings)
    yield ""
    if plan.problems:
        yield f"{counted(len(plan.problems), 'problem')} in the way of this restore:"
    else:
        yield "nothing is in the way of this restore"


def _together_lines(plan: Plan) -> Iterator[str]:
    for names in _together(plan):
        yield from ("", f"loaded in one transaction: {', '.join(sorted(names))}")


def _together(plan: Plan) -> Iterable[set[str]]:
    """The names of tables that are loaded in one transaction."""
    names = {table.table.oid: table.table.dotted for table in plan.tables}
    for oids in dict.fromkeys(table.together for table in plan.tables if table.together):
        yield {names[oid] for oid in oids}


def _deferral_lines(deferral: Deferral, shown: int | None) -> Iterator[str]:
    if deferral.objects:
        yield from ("", f"taken down for the load, and put back after it: {count_kinds(deferral)}")
    if deferral.spared:
        tables = counted(len(deferral.spared), "small table")
        yield from ("", f"stays in place unless something is in the way of a load: the indexes of {tables}")
    if deferral.kept:
        yield from ("", "stays in place")
        yield from _first([f"  {kept.identity}: {kept.reason}" for kept in deferral.kept], shown)


def count_kinds(deferral: Deferral) -> str:
    """What is taken down, by kind: ``foreign key: 4, index: 12``."""
    counts = Counter(str(deferred.kind) for deferred in deferral.objects)
    return ", ".join(f"{kind}: {number:,}" for kind, number in counts.items())


def plan_object(plan: Plan) -> dict[str, Any]:
    """A plan for programs: what `plan --json` prints."""
    graph = level_graph(plan)
    levels = {oid: node.level for node in graph.nodes for oid in node.oids}
    return {
        "export_id": plan.export_id,
        "source_database": plan.source_database,
        "target_database": plan.target_database,
        "foreign_keys_policy": plan.policy.foreign_keys.value,
        "indexes_policy": plan.policy.indexes.value,
        "tables": [_table_object(table, levels[table.table.oid]) for table in plan.tables],
        "foreign_keys": [
            {
                "name": edge.name,
                "from": graph.node(edge.child).name,
                "to": graph.node(edge.parent).name,
                "is_of_cycle": edge.is_of_cycle,
            }
            for edge in graph.edges
        ],
        "deferred": [{"kind": deferred.kind, "identity": deferred.identity} for deferred in plan.deferral.objects],
        "kept": [asdict(kept) for kept in plan.deferral.kept],
        "spared": [spared.identity for spared in plan.deferral.spared],
        "loaded_together": [sorted(names) for names in _together(plan)],
        "truncated": [table.dotted for group in plan.truncated for table in group],
        "notes": list(plan.notes),
        "warnings": list(plan.warnings),
        "problems": [
            {"message": problem.message, "hint": problem.hint, "exit_code": problem.exit_code}
            for problem in plan.problems
        ],
    }


def _table_object(table: PlannedTable, foreign_key_level: int) -> dict[str, Any]:
    return {
        "schema": table.table.schema,
        "name": table.table.name,
        "level": table.level,
        "foreign_key_level": foreign_key_level,
        "folder": table.folder,
        "parts": len(table.parts),
        "rows": table.rows if table.is_counted else None,
        "bytes": table.size,
        "format": table.copy_format.value,
        "text_reasons": list(table.text_reasons),
        "keeps_rows": table.keeps_rows,
    }
