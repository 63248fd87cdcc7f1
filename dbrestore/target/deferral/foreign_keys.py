"""How foreign keys come down and go back.

A key is added NOT VALID, which looks at no row, and then validated, which lets others read and write meanwhile. Where
a server has no such thing (keys of partitioned tables, before 18) the keys of the partitions go back like that first;
their parent's finds them there, valid, and takes them over without looking at a row again (tryAttachPartitionForeignKey
in src/backend/commands/tablecmds.c).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.target.deferral.model import Deferred, Step
from dbrestore.target.deferral.selection import locked_tables
from dbrestore.target.post_data import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dbrestore.target.deferral.selection import Tree
    from dbrestore.target.post_data import ForeignKey

NOT_VALID = " NOT VALID"
VALIDATES_PARTITIONS = 180000
"""Since this version VALIDATE CONSTRAINT marks the constraints of a referenced table's partitions too."""


def ready_key(table_oid: int) -> str:
    """The milestone of a table that has its rows, and its indexes as far as they can be had."""
    return f"ready {table_oid}"


@dataclass(frozen=True, slots=True)
class ForeignKeySteps:
    """Makes the steps of foreign keys."""

    server_version: int
    partitions: Mapping[int, Sequence[int]]
    """Oids of the tables below a partitioned one, at any depth."""
    whole_indexes: Mapping[int, str]
    """By the oid of an index that comes down too, the key of the step after which it can be referenced."""

    def defer(self, tree: Tree[ForeignKey]) -> Deferred:
        """A foreign key and what partitions have of it, as they come down and go back."""
        root = tree.root
        children: dict[int, list[ForeignKey]] = defaultdict(list)
        if root.is_validated and root.is_enforced:
            for key in tree.members[1:]:
                children[key.parent or 0].append(key)
        members = (root, *(key for group in children.values() for key in group))
        steps = tuple(step for key in members for step in self._steps(key, children[key.oid]))
        down = f"ALTER TABLE {root.table_sql} DROP CONSTRAINT {root.name_sql}"
        relations = len(locked_tables(tree, self.partitions))
        return Deferred(Kind.FOREIGN_KEY, root.identity, (down,), relations, steps)

    def _steps(self, key: ForeignKey, children: Sequence[ForeignKey]) -> Iterator[Step]:
        if not (key.is_validated and key.is_enforced):
            yield self._add(key, key.definition)
        elif key.is_partitioned or (key.references_partitioned and self.server_version < VALIDATES_PARTITIONS):
            fallback = None if key.is_partitioned or key.parent else _add(key, key.definition + NOT_VALID)
            needs = tuple(map(self._last_key, children))
            yield self._add(key, key.definition, needs, fallback, reads_rows=not key.is_partitioned)
        else:
            yield self._add(key, key.definition + NOT_VALID)
            yield self._validate(key)

    def _last_key(self, key: ForeignKey) -> str:
        *_, last = self._steps(key, ())
        return last.key

    def _add(
        self,
        key: ForeignKey,
        definition: str,
        needs: tuple[str, ...] = (),
        fallback: tuple[str, ...] | None = None,
        *,
        reads_rows: bool = False,
    ) -> Step:
        ends = (key.table_oid, key.referenced_oid)
        index = self.whole_indexes.get(key.index_oid)
        return Step(
            f"add {key.oid}",
            key.table_oid,
            key.identity,
            _add(key, definition),
            needs=(*needs, *([index] if index else [])),
            after=tuple(map(ready_key, ends)),
            alone=tuple({*ends, *(below for end in ends for below in self.partitions.get(end, ()))}),
            reads_rows=reads_rows,
            fallback=fallback,
            orphans=key.orphans,
            validation=validation(key),
        )

    def _validate(self, key: ForeignKey) -> Step:
        return Step(
            f"validate {key.oid}",
            key.table_oid,
            key.identity,
            (validation(key),),
            needs=(f"add {key.oid}",),
            alone=(key.table_oid,),
            reads_rows=True,
            fallback=None if key.parent else (),
            orphans=key.orphans,
            validation=validation(key),
        )


def validation(key: ForeignKey) -> str:
    """The statement that a user has to run when the rows are repaired."""
    return f"ALTER TABLE {key.table_sql} VALIDATE CONSTRAINT {key.name_sql}"


def _add(key: ForeignKey, definition: str) -> tuple[str, ...]:
    add = f"ALTER TABLE {key.table_sql} ADD CONSTRAINT {key.name_sql} {definition}"
    if key.comment is None:
        return (add,)
    return (add, f"COMMENT ON CONSTRAINT {key.name_sql} ON {key.table_sql} IS {key.comment}")
