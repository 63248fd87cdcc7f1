"""All that comes down, in order, and the graph of steps that puts it back. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dbrestore.target.deferral.foreign_keys import ForeignKeySteps, ready_key
from dbrestore.target.deferral.indexes import built_key, defer_index, last_key, whole_key
from dbrestore.target.deferral.model import Deferral, Deferred, Step
from dbrestore.target.deferral.policy import ForeignKeys, Indexes, Policy
from dbrestore.target.deferral.selection import Selection, select_foreign_keys, select_indexes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

    from dbrestore.target.deferral.selection import Tree
    from dbrestore.target.post_data import ForeignKey, Index, PostData
    from dbrestore.target.triggers import TriggerSuspension


@dataclass(frozen=True)
class DeferralPlanner:
    """Decides what comes down, in two steps: between them the tables are ordered by the keys that stay."""

    post_data: PostData
    loaded: Set[int]
    """Oids of the tables to be loaded, with the tables that these are partitions of and their own partitions."""
    partitions: Mapping[int, Sequence[int]]
    """Oids below each partitioned table, at any depth."""
    policy: Policy
    server_version: int
    """Like 170010."""
    small: Set[int] = frozenset()
    """Oids of tables with so few rows that building an index again would take longer than keeping it."""

    @cached_property
    def _keys(self) -> Selection[ForeignKey]:
        return select_foreign_keys(self.post_data, self.loaded, self.partitions)

    @property
    def removable(self) -> set[int]:
        """Oids of the foreign keys that could come down."""
        return {tree.root.oid for tree in self._keys.down}

    @property
    def binding(self) -> list[ForeignKey]:
        """The foreign keys that rows have to heed during the load, as they were declared."""
        if self.policy.foreign_keys is ForeignKeys.UNCHECKED:
            return []
        down = self.removable if self.policy.foreign_keys is ForeignKeys.REBUILD else frozenset()
        return [key for key in self.post_data.foreign_keys if _binds(key) and key.oid not in down]

    def plan(self, closing: Set[int], suspensions: Iterable[TriggerSuspension]) -> Deferral:
        """What comes down and how it goes back; ``closing`` are foreign keys that come down whatever the policy is."""
        keys = self._select_keys(closing)
        indexes = self._select_indexes({tree.root.oid for tree in keys.down})
        steps = ForeignKeySteps(self.server_version, self.partitions, dict(_whole_indexes(indexes.down)))
        deferred_keys, triggers = list(map(steps.defer, keys.down)), list(map(_defer_trigger, suspensions))
        down, spared = self._spare(indexes.down, _tables_of((*deferred_keys, *triggers)))
        deferred_indexes = [defer_index(tree) for tree in down]
        objects = (*deferred_keys, *deferred_indexes, *triggers)
        milestones = _milestones(objects, deferred_indexes, self.partitions)
        return Deferral(objects, tuple(milestones), (*keys.kept, *indexes.kept), tuple(map(_defer_together, spared)))

    def _spare(
        self, trees: Iterable[Tree[Index]], concerned: Set[int]
    ) -> tuple[list[Tree[Index]], list[list[Tree[Index]]]]:
        """Those that come down, and those that stay for now, by table: of none that is ``concerned`` by other steps."""
        free = self.small - concerned
        by_table: dict[int, list[Tree[Index]]] = defaultdict(list)
        for tree in trees:
            by_table[tree.root.table_oid].append(tree)
        spared = [group for oid, group in by_table.items() if oid in free and all(map(_is_cheap, group))]
        kept = {tree.root.oid for group in spared for tree in group}
        return [tree for tree in trees if tree.root.oid not in kept], spared

    def _select_keys(self, closing: Set[int]) -> Selection[ForeignKey]:
        if self.policy.foreign_keys is ForeignKeys.REBUILD:
            return self._keys
        return Selection(tuple(tree for tree in self._keys.down if tree.root.oid in closing))

    def _select_indexes(self, keys_down: Set[int]) -> Selection[Index]:
        if self.policy.foreign_keys is ForeignKeys.ORDERED or self.policy.indexes is Indexes.KEEP:
            return Selection()
        staying = [key for key in self.post_data.foreign_keys if key.parent is None and key.oid not in keys_down]
        return select_indexes(self.post_data, self.loaded, staying)


def _binds(key: ForeignKey) -> bool:
    return key.is_enforced and key.parent is None


def _whole_indexes(trees: Iterable[Tree[Index]]) -> Iterator[tuple[int, str]]:
    for tree in trees:
        yield from ((index.oid, last_key(index)) for index in tree.members)
        yield tree.root.oid, whole_key(tree.root)


def _defer_trigger(suspension: TriggerSuspension) -> Deferred:
    oid = suspension.table_oid
    step = Step(suspension.identity, oid, suspension.identity, suspension.up, after=(built_key(oid),), alone=(oid,))
    return Deferred("trigger", suspension.identity, suspension.down, 1, (step,))


def _tables_of(objects: Iterable[Deferred]) -> set[int]:
    """Oids of the tables that steps are about, or need for themselves."""
    return {oid for deferred in objects for step in deferred.steps for oid in (step.table_oid, *step.alone)}


def _is_cheap(tree: Tree[Index]) -> bool:
    """A row more costs it no more than a look-up."""
    return len(tree.members) == 1 and not tree.root.is_partitioned and tree.root.is_plain_btree


def _defer_together(trees: Sequence[Tree[Index]]) -> Deferred:
    """All indexes of one table, with their milestones: they come down alone, if they ever do."""
    indexes = [defer_index(tree) for tree in trees]
    root = trees[0].root
    identity = ", ".join(index.identity for index in indexes)
    steps = (*(step for index in indexes for step in index.steps), *_milestones(indexes, indexes, {}))
    return Deferred(root.kind, identity, tuple(down for index in indexes for down in index.down), len(indexes), steps)


def _milestones(
    objects: Iterable[Deferred], indexes: Iterable[Deferred], partitions: Mapping[int, Sequence[int]]
) -> Iterator[Step]:
    """For each table: when its indexes are built, and when all of them are what they were."""
    index_steps: dict[int, list[Step]] = defaultdict(list)
    for deferred in indexes:
        for step in deferred.steps:
            if step.statements:
                index_steps[step.table_oid].append(step)
    tables = _tables_of(objects)
    for oid in sorted(tables):
        settled = tuple(step.key for step in index_steps[oid])
        built = tuple(step.key for step in index_steps[oid] if not step.after)
        yield Step(built_key(oid), oid, after=built)
        below = (ready_key(partition) for partition in partitions.get(oid, ()) if partition in tables)
        yield Step(ready_key(oid), oid, after=(built_key(oid), *settled, *below))
