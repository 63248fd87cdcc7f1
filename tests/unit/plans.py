"""Exports and catalogues made by hand, for tests of what is planned from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dbrestore.errors import PartError
from dbrestore.export.layout import Export, ExportedTable
from dbrestore.export.manifest import ExportInfo, ManifestColumn
from dbrestore.export.parquet import Footer
from dbrestore.export.storage import StoredFile
from dbrestore.plan import Plan, build_plan
from dbrestore.planning.choices import Choices
from dbrestore.planning.draft import draft_plan
from dbrestore.target.catalog import NO_TYPMOD, Catalog, Column, Table, TableKind, Type
from dbrestore.target.deferral.policy import ForeignKeys, Policy
from dbrestore.target.post_data import ForeignKey, PostData
from dbrestore.target.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from dbrestore.errors import ExportError
    from dbrestore.target.recorded import RecordedRun

ID = pa.schema([("id", pa.int32())])
INTEGER = Type(23, "int4recv", NO_TYPMOD, None)
TEXT = Type(25, "textrecv", NO_TYPMOD, None)
ORDERED = Policy(ForeignKeys.ORDERED)
LOCK_CAPACITY = 6400
POINT = Type(600, "point_recv", NO_TYPMOD, None)


def column(name: str, kind: Type = INTEGER, type_name: str = "integer", **changes: bool) -> Column:
    usual = {"is_not_null": False, "has_default": False, "is_generated": False, "is_identity": False}
    return Column(name=name, type=kind, type_name=type_name, **(usual | changes))


def table(oid: int, name: str, *columns: Column, schema: str = "public", **changes: Any) -> Table:
    """A table; one column ``id`` if none is given."""
    usual: dict[str, Any] = {
        "kind": TableKind.TABLE,
        "parent": None,
        "inherits": (),
        "is_unlogged": False,
        "is_of_extension": False,
        "is_writable": True,
        "is_truncatable": True,
        "filters_rows": False,
    }
    return Table(oid=oid, schema=schema, name=name, columns=columns or (column("id"),), **(usual | changes))


def partitioned(oid: int, name: str, **changes: Any) -> Table:
    return table(oid, name, kind=TableKind.PARTITIONED, **changes)


@dataclass(frozen=True)
class Source:
    """A table of an export, with a part for each number of ``rows``, or for what is wrong with that part."""

    name: str
    rows: tuple[int | PartError, ...] = (10,)
    schema: pa.Schema = ID
    schemas: tuple[pa.Schema, ...] = ()
    """Of each part, where they are not all ``schema``."""
    part_bytes: int = 100
    problems: tuple[ExportError, ...] = ()

    @property
    def exported(self) -> ExportedTable:
        folder = f"shop/{self.name}"
        parts = (StoredFile(f"{folder}/1/{number}.parquet", self.part_bytes, "1") for number in range(len(self.rows)))
        columns = (ManifestColumn(field.name, str(field.type), "", place) for place, field in enumerate(self.schema, 1))
        return ExportedTable("shop", self.name, folder, tuple(columns), tuple(parts), self.problems)

    @property
    def footers(self) -> dict[str, Footer | PartError]:
        schemas = self.schemas or (self.schema,) * len(self.rows)
        return {
            part.key: rows if isinstance(rows, PartError) else Footer(rows, 8 * rows, schema)
            for part, rows, schema in zip(self.exported.parts, self.rows, schemas, strict=True)
        }


def export(sources: Sequence[Source], *, problems: Sequence[ExportError] = (), warnings: Sequence[str] = ()) -> Export:
    return Export(
        id="friday",
        url="/exports/friday",
        info=ExportInfo(export_task_identifier="friday", status="COMPLETE"),
        tables={"shop": tuple(source.exported for source in sources)},
        warnings=tuple(warnings),
        problems=(*problems, *(problem for source in sources for problem in source.problems)),
    )


def foreign_key(oid: int, table_oid: int, referenced_oid: int, **changes: Any) -> ForeignKey:
    """A key that can come down."""
    usual: dict[str, Any] = {
        "index_oid": 0,
        "parent": None,
        "schema": "public",
        "table_name": f"t{table_oid}",
        "name": f"key_{table_oid}_{referenced_oid}",
        "referenced": f"public.t{referenced_oid}",
        "is_partitioned": False,
        "references_partitioned": False,
        "definition": "FOREIGN KEY (a) REFERENCES b",
        "comment": None,
        "is_validated": True,
        "is_enforced": True,
        "is_deferrable": False,
        "orphans": None,
        "obstacle": None,
    }
    return ForeignKey(oid=oid, table_oid=table_oid, referenced_oid=referenced_oid, **(usual | changes))


def plan(
    tables: Sequence[Table],
    sources: Sequence[Source] | None = None,
    *,
    keys: Iterable[tuple[int, int] | ForeignKey] = (),
    policy: Policy = ORDERED,
    filled: Collection[int] = (),
    problems: Sequence[ExportError] = (),
    warnings: Sequence[str] = (),
    resumed: RecordedRun | None = None,
    **choices: Any,
) -> Plan:
    """The plan for ``tables``; ``sources`` is by default one for each of them.

    ``keys`` are child and parent of keys that cannot come down, or keys.
    """
    if sources is None:
        sources = [Source(entry.dotted) for entry in tables]
    target = survey_of(tables, keys, filled)
    draft = draft_plan(export(sources, problems=problems, warnings=warnings), "shop", target, Choices(**choices))
    footers = {key: footer for source in sources for key, footer in source.footers.items()}
    return build_plan(draft, {file.key: footers[file.key] for file in draft.files()}, policy, resumed)


def survey_of(
    tables: Sequence[Table], keys: Iterable[tuple[int, int] | ForeignKey] = (), filled: Collection[int] = ()
) -> Survey:
    foreign_keys = tuple(
        key if isinstance(key, ForeignKey) else foreign_key(1000 + number, *key, obstacle="it is nailed down")
        for number, key in enumerate(keys)
    )
    catalog = Catalog("target", 170000, tuple(tables), frozenset(filled))
    return Survey(catalog, PostData((), foreign_keys, LOCK_CAPACITY))


def messages(made: Plan) -> list[str]:
    return [problem.message for problem in made.problems]


def loaded(made: Plan) -> list[str]:
    """The names of the tables that have something to load or nothing, in order."""
    return [entry.table.name for entry in made.tables]
