"""What an export holds, as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbrestore.printing import printable
from dbrestore.report.columns import aligned
from dbrestore.report.quantities import readable_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbrestore.export.layout import Export, ExportedTable


def export_lines(export: Export, *, with_tables: bool) -> Iterator[str]:
    """An export's databases, or its tables, for people."""
    yield printable(f"{export.id}: {export.info.status}, {export.url}")
    yield ""
    if with_tables:
        rows = [
            (table.database, table.name, f"{len(table.parts):,}", readable_bytes(_size(table)))
            for tables in export.tables.values()
            for table in tables
        ]
        yield from aligned([("DATABASE", "TABLE", "PARTS", "SIZE"), *rows], right={2, 3})
    else:
        rows = [
            (
                database,
                f"{len(tables):,}",
                f"{sum(len(table.parts) for table in tables):,}",
                readable_bytes(sum(map(_size, tables))),
            )
            for database, tables in export.tables.items()
        ]
        yield from aligned([("DATABASE", "TABLES", "PARTS", "SIZE"), *rows], right={1, 2, 3})


def _size(table: ExportedTable) -> int:
    return sum(part.size for part in table.parts)
