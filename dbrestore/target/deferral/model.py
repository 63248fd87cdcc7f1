"""What is taken down, and the graph of steps that puts it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction of putting something back; without statements a milestone, which only comes between others."""

    key: str
    """Its name within the run."""
    table_oid: int
    """The table whose rows it is about."""
    identity: str = ""
    """What it puts back, as people call it."""
    statements: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """Keys of steps that have to be done before, or it cannot be."""
    after: tuple[str, ...] = ()
    """Keys of steps that have to be over before, done or not."""
    alone: tuple[int, ...] = ()
    """Oids of tables that no other step which names them may work on meanwhile."""
    reads_rows: bool = False
    """It reads all rows of a table, with as much memory as it is given."""
    fallback: tuple[str, ...] | None = None
    """What is done where rows are in the way; None leaves it down."""
    orphans: str | None = None
    """A query for the keys that are in its way, as text in the column ``key``."""
    validation: str = ""
    """The statement that a user has to run after ``fallback``, when the rows are repaired."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Something that comes down as a whole: with what its partitions have of it."""

    kind: str
    identity: str
    """As people call it: ``index items_word_idx of public.items``."""
    down: tuple[str, ...]
    relations: int
    """Tables that are locked to take it down."""
    steps: tuple[Step, ...]

    @property
    def table_oid(self) -> int:
        """The table whose rows it is about, the uppermost one where there are partitions."""
        return self.steps[0].table_oid


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that stays in place during the load."""

    kind: str
    identity: str
    reason: str


@dataclass(frozen=True, slots=True)
class Deferral:
    """All that is taken down and put back."""

    objects: tuple[Deferred, ...] = ()
    """In the order of taking down."""
    milestones: tuple[Step, ...] = ()
    kept: tuple[Kept, ...] = ()
    spared: tuple[Deferred, ...] = ()
    """What stays in place unless something is in the way of a load: of each small table its indexes, as one object."""

    @property
    def steps(self) -> Iterator[Step]:
        """All steps and milestones."""
        for deferred in self.objects:
            yield from deferred.steps
        yield from self.milestones
