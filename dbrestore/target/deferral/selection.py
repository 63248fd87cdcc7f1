"""What of the post-data can come down for a load, and what has to stay, and why. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from dbrestore.target.deferral.model import Kept
from dbrestore.target.post_data import ForeignKey, Index

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

    from dbrestore.target.post_data import PostData

Member = TypeVar("Member", ForeignKey, Index)

LOCKS_PER_RELATION = 2
"""A table and its index, or a table and its trigger's."""
SHARE_OF_LOCKS = 0.5
"""Of the server's lock table; others need some as well."""


@dataclass(frozen=True, slots=True)
class Tree(Generic[Member]):
    """A key or index as it was declared, with what the partitions of its table have of it: they come down together."""

    root: Member
    members: tuple[Member, ...]
    """The root first, each before those below it."""

    @property
    def obstacle(self) -> str | None:
        """Why one of its members cannot come down."""
        return next((member.obstacle for member in self.members if member.obstacle), None)

    def keep(self, reason: str) -> Kept:
        """It, as something that stays in place."""
        return Kept(self.root.kind, self.root.identity, reason)


def grow_trees(members: Iterable[Member]) -> list[Tree[Member]]:
    """The trees that ``members`` make up."""
    roots: list[Member] = []
    children: dict[int, list[Member]] = defaultdict(list)
    for member in members:
        if member.parent is None:
            roots.append(member)
        else:
            children[member.parent].append(member)
    return [Tree(root, tuple(_below(root, children))) for root in roots]


def _below(root: Member, children: dict[int, list[Member]]) -> Iterator[Member]:
    waiting = [root]
    while waiting:
        member = waiting.pop()
        yield member
        waiting.extend(children[member.oid])


def locked_tables(tree: Tree[ForeignKey], partitions: Mapping[int, Sequence[int]]) -> set[int]:
    """Oids of the tables that taking down a foreign key locks; ``partitions`` has those below a table, at any depth."""
    ends = {oid for member in tree.members for oid in (member.table_oid, member.referenced_oid)}
    return ends | {below for oid in ends for below in partitions.get(oid, ())}


@dataclass(frozen=True, slots=True)
class Selection(Generic[Member]):
    """What can come down, and what cannot."""

    down: tuple[Tree[Member], ...] = ()
    kept: tuple[Kept, ...] = ()


def select_foreign_keys(
    post_data: PostData, loaded: Set[int], partitions: Mapping[int, Sequence[int]]
) -> Selection[ForeignKey]:
    """The foreign keys from and to the ``loaded`` tables, by whether they can come down.

    ``partitions`` has the oids below each partitioned table, at any depth.
    """
    down, kept = [], []
    for tree in grow_trees(post_data.foreign_keys):
        tables = locked_tables(tree, partitions)
        reason = tree.obstacle or _too_large(len(tables), post_data.lock_capacity)
        if tables.isdisjoint(loaded):
            continue
        if reason:
            kept.append(tree.keep(reason))
        else:
            down.append(tree)
    return Selection(tuple(down), tuple(kept))


def select_indexes(post_data: PostData, loaded: Set[int], staying: Iterable[ForeignKey]) -> Selection[Index]:
    """The indexes of the ``loaded`` tables, by whether they can come down while the keys ``staying`` stay."""
    needing = {key.index_oid: key.identity for key in staying}
    down, kept = [], []
    for tree in grow_trees(post_data.indexes):
        if loaded.isdisjoint(index.table_oid for index in tree.members):
            continue
        dependents = [dependent for index in tree.members for dependent in _dependents(index, needing)]
        reason = (
            tree.obstacle
            or (f"{dependents[0]} needs it" if dependents else None)
            or _too_large(len(tree.members), post_data.lock_capacity)
        )
        if reason:
            kept.append(tree.keep(reason))
        else:
            down.append(tree)
    return Selection(tuple(down), tuple(kept))


def _dependents(index: Index, needing: Mapping[int, str]) -> Iterator[str]:
    yield from index.dependents
    if index.oid in needing:
        yield needing[index.oid]


def _too_large(relations: int, lock_capacity: int) -> str | None:
    """Why the locks on so many tables cannot be had in one transaction."""
    locks = relations * LOCKS_PER_RELATION
    if locks <= lock_capacity * SHARE_OF_LOCKS:
        return None
    return f"taking it down would need {locks} locks at once: raise max_locks_per_transaction"
