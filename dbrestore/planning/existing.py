"""What to do with tables of the target that have rows already."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, PrivilegeError, SchemaError, TargetError
from dbrestore.graph import find_components
from dbrestore.planning.choices import IfNotEmpty
from dbrestore.planning.findings import Findings
from dbrestore.planning.naming import list_names
from dbrestore.target.catalog import TableKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence, Set

    from dbrestore.planning.families import Families
    from dbrestore.target.catalog import Table
    from dbrestore.target.post_data import ForeignKey
    from dbrestore.target.recorded import RecordedRun
    from dbrestore.target.survey import Survey

TABLES_PER_TRUNCATE = 500
"""Each is locked with its indexes and its TOAST table: a server has room for 6,400 locks by default."""


@dataclass(frozen=True, slots=True)
class ExistingRows:
    """What becomes of the tables that are not empty."""

    skipped: set[int] = field(default_factory=set)
    """Oids of tables that are not loaded."""
    appended: set[int] = field(default_factory=set)
    """Oids of tables that keep their rows and are loaded."""
    truncated: tuple[tuple[Table, ...], ...] = ()
    """What each TRUNCATE has to list; of a partitioned table all of its partitions are meant."""
    findings: Findings = field(default_factory=Findings)


def treat_existing(tables: Sequence[Table], families: Families, target: Survey, choice: IfNotEmpty) -> ExistingRows:
    """Decide for ``tables``, which are those to be loaded."""
    filled = [
        table for table in tables if any(member.oid in target.catalog.filled for member in families.members(table))
    ]
    if not filled:
        return ExistingRows()
    names = list_names([table.dotted for table in filled])
    if choice is IfNotEmpty.ERROR:
        hint = "Empty them first, or choose --if-not-empty skip, truncate or append."
        problem = TargetError(f"already with rows in the target: {names}", hint=hint)
        return ExistingRows(findings=Findings(problems=[problem]))
    oids = {table.oid for table in filled}
    if choice is IfNotEmpty.SKIP:
        return ExistingRows(skipped=oids, findings=Findings([f"not restored, because they have rows: {names}"]))
    if choice is IfNotEmpty.APPEND:
        return ExistingRows(appended=oids, findings=Findings([f"added to the rows that are there: {names}"]))
    return _Truncation(families, tables, target.post_data.declared_keys).of(filled)


def keep_recorded(tables: Iterable[Table], run: RecordedRun) -> ExistingRows:
    """What an unfinished run decided for ``tables``: some have rows by now that it loaded itself."""
    recorded = {table.oid for table in run.tables}
    return ExistingRows(
        skipped={table.oid for table in tables if table.oid not in recorded}, appended=set(run.rows_before)
    )


class _Truncation:
    """Finds what a TRUNCATE has to list.

    The server refuses to truncate a table unless every table with a foreign key to it is listed as well, empty or
    not (heap_truncate_check_FKs in src/backend/catalog/heap.c). The partitions of both have copies of the key.
    """

    def __init__(self, families: Families, loaded: Iterable[Table], keys: Iterable[ForeignKey]) -> None:
        self._families = families
        self._ours = {member.oid for table in loaded for member in families.members(table)}
        self._referencing: dict[int, list[ForeignKey]] = defaultdict(list)
        for key in keys:
            if key.referenced_oid in families.tables and key.table_oid in families.tables:
                self._referencing[key.referenced_oid].append(key)

    def of(self, filled: Sequence[Table]) -> ExistingRows:
        """Empty ``filled``, and list with them what the server asks for."""
        truncated: set[int] = set()
        followed: set[ForeignKey] = set()
        outside: dict[int, ForeignKey] = {}
        waiting = list(filled)
        while waiting:
            members = self._families.members(waiting.pop())
            truncated.update(member.oid for member in members)
            for key in self._keys_to(members) - followed:
                followed.add(key)
                referencing = self._families.members(self._families.tables[key.table_oid])
                waiting += [member for member in referencing if self._is_ours(member)]
                outside |= {leaf.oid: key for leaf in referencing if self._is_outside(leaf)}
        listed = self._listed(truncated)
        notes = [f"emptied first: {list_names([table.dotted for table in listed])}"]
        problems = [*self._outside(outside), *_forbidden(listed)]
        return ExistingRows(
            truncated=tuple(self._statements(listed, truncated)), findings=Findings(notes, problems=problems)
        )

    def _keys_to(self, members: Iterable[Table]) -> set[ForeignKey]:
        """Those to the tables or to what they are partitions of."""
        referenced = {line.oid for member in members for line in (member, *self._families.above(member))}
        return {key for oid in referenced for key in self._referencing.get(oid, ())}

    def _is_ours(self, table: Table) -> bool:
        """A partitioned table has no rows but those of its partitions."""
        if table.kind is TableKind.PARTITIONED:
            return all(self._is_ours(child) for child in self._families.children(table))
        return table.oid in self._ours

    def _is_outside(self, table: Table) -> bool:
        return table.kind is TableKind.TABLE and table.oid not in self._ours

    def _listed(self, truncated: Set[int]) -> tuple[Table, ...]:
        """Tables, and partitioned tables without their partitions."""
        tables = [self._families.tables[oid] for oid in truncated]
        whole = {table.oid for table in tables if self._is_whole(table, truncated)}
        listed = (
            table
            for table in tables
            if (table.kind is TableKind.TABLE or table.oid in whole)
            and not any(above.oid in whole for above in self._families.above(table))
        )
        return tuple(sorted(listed, key=attrgetter("dotted")))

    def _statements(self, listed: Sequence[Table], truncated: Set[int]) -> Iterator[tuple[Table, ...]]:
        """Tables that keys connect go together; the others do not lock more than they have to at a time."""
        statement: list[Table] = []
        for component in find_components(self._links(listed, truncated)):
            statement += sorted((self._families.tables[oid] for oid in component), key=attrgetter("dotted"))
            if len(statement) >= TABLES_PER_TRUNCATE:
                yield tuple(statement)
                statement = []
        if statement:
            yield tuple(statement)

    def _links(self, listed: Sequence[Table], truncated: Set[int]) -> dict[int, list[int]]:
        """Between ``listed`` tables, by oid: a foreign key of one, or of a partition of it, to the other."""
        owners = {member.oid: table.oid for table in listed for member in self._families.members(table)}
        links: dict[int, list[int]] = {table.oid: [] for table in listed}
        for referenced_oid, keys in self._referencing.items():
            referenced = self._families.members(self._families.tables[referenced_oid])
            if truncated.isdisjoint(member.oid for member in referenced):
                continue
            for key in keys:
                members = [*referenced, *self._families.members(self._families.tables[key.table_oid])]
                first, *others = (owners[member.oid] for member in members if member.oid in owners)
                links[first] += others
        return links

    def _is_whole(self, table: Table, truncated: Set[int]) -> bool:
        return table.kind is TableKind.PARTITIONED and all(
            child.oid in truncated for child in self._families.below(table)
        )

    def _outside(self, keys: dict[int, ForeignKey]) -> list[DbrestoreError]:
        if not keys:
            return []
        names = [
            f"{self._families.tables[oid].dotted} ({key.name} to {self._families.tables[key.referenced_oid].dotted})"
            for oid, key in keys.items()
        ]
        return [
            SchemaError(
                f"tables that are not restored reference tables that would be emptied: {list_names(names)}",
                hint="Restore them as well, or drop these foreign keys for the time of the restore.",
            )
        ]


def _forbidden(tables: Iterable[Table]) -> list[DbrestoreError]:
    names = [table.dotted for table in tables if not table.is_truncatable]
    hint = "GRANT TRUNCATE on the tables, or use the role that owns them."
    return [PrivilegeError(f"the role may not truncate {list_names(names)}", hint=hint)] if names else []
