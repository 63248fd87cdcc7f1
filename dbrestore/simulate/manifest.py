"""The JSON files of an export: export_info and export_tables_info."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbrestore.simulate.parquet_types import exported_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from dbrestore.simulate.catalog import SourceColumn, SourceTable

TABLES_PER_FILE = 200
"""Tables that one export_tables_info file lists. How many AWS lists in one is not known."""

GIB = 1024**3

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_ACCOUNT = "123456789012"
"""The account of the examples in AWS's documentation."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ExportedTable:
    """A table that has been written."""

    source: SourceTable
    started: datetime
    ended: datetime
    parts: int
    rows: int


def format_date(moment: datetime) -> str:
    """``moment``, in UTC, the way AWS writes it: ``Oct 6, 2026, 7:35:27 PM`` whatever the locale is."""
    hour = moment.hour % 12 or 12
    half = "AM" if moment.hour < 12 else "PM"
    day = f"{_MONTHS[moment.month - 1]} {moment.day}, {moment.year}"
    return f"{day}, {hour}:{moment:%M:%S} {half}"


def export_info(export_id: str, *, snapshot: datetime, started: datetime, ended: datetime, size_bytes: int) -> Json:
    """The content of ``export_info_<export id>.json``."""
    return {
        "exportTaskIdentifier": export_id,
        "sourceArn": f"arn:aws:rds:us-east-1:{_ACCOUNT}:snapshot:{export_id}",
        "exportOnly": [],
        "snapshotTime": format_date(snapshot),
        "taskStartTime": format_date(started),
        "taskEndTime": format_date(ended),
        "s3Bucket": "simulated-export",
        "s3Prefix": "",
        "exportedFilesPath": export_id,
        "iamRoleArn": f"arn:aws:iam::{_ACCOUNT}:role/simulated-export",
        "kmsKeyId": f"arn:aws:kms:us-east-1:{_ACCOUNT}:key/00000000-0000-0000-0000-000000000000",
        "status": "COMPLETE",
        "percentProgress": 100,
        "totalExportedDataInGB": size_bytes / GIB,
    }


def tables_info(export_id: str, database: str, tables: Sequence[ExportedTable]) -> Iterator[tuple[str, Json]]:
    """Names and contents of the export_tables_info files; a database without tables is listed as skipped."""
    entries = [_table_entry(database, table) for table in tables] or [_empty_database_entry(database)]
    for start in range(0, len(entries), TABLES_PER_FILE):
        chunk = entries[start : start + TABLES_PER_FILE]
        name = f"export_tables_info_{export_id}_from_{start + 1}_to_{start + len(chunk)}.json"
        yield name, {"perTableStatus": chunk}


def _empty_database_entry(database: str) -> Json:
    return {"target": database, "warningMessage": {"skippedDatabase": [{"reason": "DATABASE_IS_EMPTY"}]}}


def _table_entry(database: str, table: ExportedTable) -> Json:
    return {
        "target": f"{database}.{table.source.full_name}",
        "tableStatistics": {
            "extractionStartTime": format_date(table.started),
            "extractionEndTime": format_date(table.ended),
            "partitioningInfo": _partitioning_info(table),
        },
        "schemaMetadata": {"originalTypeMappings": [_type_mapping(column) for column in table.source.columns]},
        "status": "COMPLETE",
        "sizeGB": table.source.bytes / GIB,
    }


def _partitioning_info(table: ExportedTable) -> Json:
    """How the table was split for the export, which has nothing to do with partitions of the table itself."""
    counts: Json = {"numberOfPartitions": table.parts, "numberOfCompletedPartitions": table.parts}
    if table.source.partitioned:
        return counts
    ctid = {
        "columnType": "TID",
        "columnName": "ctid",
        "min": "(0,1)",
        "max": f"({table.source.pages},1)",
    }
    return counts | {"constraintType": "CTID", "partitionColumns": [ctid]}


def _type_mapping(column: SourceColumn) -> Json:
    return {
        "columnName": column.name,
        "originalType": column.data_type,
        "expectedExportedType": exported_type(column.type_oid).manifest,
        "originalCharMaxLength": column.max_length,
        "originalNumPrecision": column.numeric_precision,
        "originalDateTimePrecision": column.datetime_precision,
        "ordinalPosition": column.position,
    }
