"""Compares databases with an export, and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, PartError, VerificationError, raise_problems
from dbrestore.export.layout import read_export
from dbrestore.memory import use_little_memory
from dbrestore.plan import choose_folders, plan_tables
from dbrestore.planning.findings import Findings
from dbrestore.planning.unmatched import find_unmatched
from dbrestore.surveying import choose_databases, for_each, survey_both
from dbrestore.target.connect import ConnectionSettings, open_pool
from dbrestore.target.deferral.policy import Policy
from dbrestore.verification.counting import compare_counts, count_tables
from dbrestore.verification.verdicts import Verification

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from dbrestore.databases import Databases
    from dbrestore.export.layout import Export
    from dbrestore.export.storage import Storage
    from dbrestore.patience import Patience
    from dbrestore.plan import Footers, PlannedTable
    from dbrestore.planning.choices import Choices
    from dbrestore.planning.draft import Draft
    from dbrestore.verification.verdicts import Verdict

OTHER_WRITER_HINT = "A trigger of the target, or somebody else, may have written to it during the restore."
DIFFERS_HINT = "Rows that were there before the restore, or were written after it, differ as well."


@dataclass(frozen=True, slots=True)
class Verified:
    """What the comparison of one database found."""

    export_id: str
    source_database: str
    target_database: str
    verdicts: tuple[Verdict, ...]
    findings: Findings = field(default_factory=Findings)

    @property
    def problems(self) -> list[DbrestoreError]:
        """A VerificationError for each table that differs."""
        return find_problems(self.verdicts, DIFFERS_HINT)


def find_problems(verdicts: Sequence[Verdict], hint: str) -> list[DbrestoreError]:
    """A VerificationError for each table that differs."""
    return [VerificationError(verdict.message, hint=hint) for verdict in verdicts if not verdict.is_right]


async def verify(
    storage: Storage,
    connection: ConnectionSettings,
    databases: Databases,
    choices: Choices,
    *,
    is_deep: bool = False,
    jobs: int = 1,
) -> list[Verified]:
    """Compare databases of an export with their targets: the rows of each table, or ``is_deep`` every row.

    Raises a DbrestoreError where a comparison is not possible; tables that differ are in what is returned.
    """
    use_little_memory()
    export = await read_export(storage)

    async def verify_one(name: str) -> Verified:
        async with open_pool(connection.of_database(name), jobs) as pool:
            return await _verify(export, storage, pool, name, choices, is_deep=is_deep, jobs=jobs)

    return await for_each(choose_databases(export, connection, databases), verify_one)


async def _verify(
    export: Export, storage: Storage, pool: asyncpg.Pool, name: str, choices: Choices, *, is_deep: bool, jobs: int
) -> Verified:
    draft, footers = await survey_both(export, storage, pool, name, choices)
    tables, findings = _plan(draft, footers)
    raise_problems(findings.problems)
    way = Verification.DEEP if is_deep else Verification.COUNTS
    verdicts = await compare(tables, way, storage, draft.catalog.server_version, {}, pool, jobs)
    return Verified(export.id, name, draft.catalog.database, tuple(verdicts), findings)


def _plan(draft: Draft, footers: Footers) -> tuple[list[PlannedTable], Findings]:
    """The tables to compare, by name."""
    chosen, partitions, inherited = choose_folders(draft, footers, Policy())
    planned, found = plan_tables(chosen, draft, footers, is_compared=True)
    findings = Findings(warnings=list(draft.export.warnings))
    for decided in (find_unmatched(draft, partitions), partitions.findings, inherited.findings, found):
        findings.add(decided)
    findings.problems += (footer for footer in footers.values() if isinstance(footer, PartError))
    if draft.target.journal.is_unfinished:
        findings.warnings.append("a restore of this database is unfinished")
    return sorted(planned.values(), key=lambda table: table.table.dotted), findings


async def compare(
    tables: Sequence[PlannedTable],
    way: Verification,
    storage: Storage,
    server_version: int,
    before: Mapping[int, int],
    pool: asyncpg.Pool,
    jobs: int,
    patience: Patience | None = None,
    known: Mapping[int, int] | None = None,
) -> list[Verdict]:
    """Compare tables with their parts. Of those that had rows ``before``, by oid, the rows are only counted.

    ``known`` are the rows of tables that have been counted by now.
    """
    if way is Verification.NONE:
        return []
    counted = [table for table in tables if way is Verification.COUNTS or before.get(table.table.oid)]
    counts = dict(known or {})
    uncounted = [table for table in counted if table.table.oid not in counts]
    counts.update(await count_tables(uncounted, pool, jobs, patience))
    verdicts = compare_counts(counted, counts, before)
    if way is Verification.COUNTS:
        return verdicts
    from dbrestore.verification.comparison import compare_contents  # noqa: PLC0415 - what is not the usual way

    others = [table for table in tables if not before.get(table.table.oid)]
    return [*verdicts, *await compare_contents(others, storage, server_version, pool, jobs, patience)]
