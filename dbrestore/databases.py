"""Which databases of an export are restored, where it has more than one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, ExportError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbrestore.export.layout import Export
    from dbrestore.plan import Plan


NOTHING_HINT = "Nothing was exported, or all of it failed: `dbrestore list` shows what is there."


@dataclass(frozen=True, slots=True)
class Databases:
    """The choice among the databases of an export."""

    names: tuple[str, ...] = ()
    """None: the only one that the export has."""
    is_all: bool = False
    """All that have tables."""

    @property
    def may_be_several(self) -> bool:
        """Whether more than one was asked for."""
        return self.is_all or len(self.names) > 1

    def of(self, export: Export) -> tuple[str, ...]:
        """The databases that were chosen. Raises ExportError, with the names that there are."""
        known = tuple(sorted(export.tables))
        shown = ", ".join(known) or "none"
        if unknown := [name for name in self.names if name not in known]:
            message = f"the export {export.id} has no database {', '.join(unknown)}; it has: {shown}"
            raise ExportError(message, hint="Look at --source-db: upper and lower case count.")
        if self.is_all and known:
            return known
        if self.names:
            return tuple(dict.fromkeys(self.names))
        if len(known) == 1:
            return known
        hint = "Choose one or more with --source-db, or --all-databases." if known else NOTHING_HINT
        raise ExportError(f"the export {export.id} has {len(known)} databases: {shown}", hint=hint)


def problems_of(plans: Sequence[Plan]) -> list[DbrestoreError]:
    """The problems of all plans; of several, each with its database."""
    if len(plans) == 1:
        return list(plans[0].problems)
    return [problem.within(plan.source_database) for plan in plans for problem in plan.problems]
