"""Which Parquet type a PostgreSQL type is exported as."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbrestore.simulate.catalog import SourceColumn


@dataclass(frozen=True, slots=True)
class ExportedType:
    """One Parquet type under its three names."""

    arrow: pa.DataType
    manifest: str
    """``expectedExportedType`` in the manifest; no real one with ``float`` or ``binary`` has been seen."""
    spark: str


STRING = ExportedType(pa.string(), "binary (UTF8)", "string")

# Keyed by oid, which are fixed (src/include/catalog/pg_type.dat). A domain has an oid of its own, and AWS
# documents domains as strings whatever is below them.
_NOT_STRING = {
    16: ExportedType(pa.bool_(), "boolean", "boolean"),
    17: ExportedType(pa.binary(), "binary", "binary"),
    20: ExportedType(pa.int64(), "int64", "long"),
    21: ExportedType(pa.int16(), "int32 (INT(16, true))", "short"),
    23: ExportedType(pa.int32(), "int32", "integer"),
    700: ExportedType(pa.float32(), "float", "float"),
    701: ExportedType(pa.float64(), "double", "double"),
}


def exported_type(type_oid: int) -> ExportedType:
    """The exported form of the type; every type without a form of its own is a string.

    Source: Amazon RDS User Guide, "Data conversion when exporting to an Amazon S3 bucket", "PostgreSQL data
    type mapping to Parquet".
    """
    return _NOT_STRING.get(type_oid, STRING)


def arrow_schema(columns: Sequence[SourceColumn]) -> pa.Schema:
    """The schema of a table's parts: every column optional, with the metadata that Spark leaves behind."""
    types = [exported_type(column.type_oid) for column in columns]
    fields = [pa.field(column.name, type_.arrow) for column, type_ in zip(columns, types, strict=True)]
    spark_fields = [
        {"name": column.name, "type": type_.spark, "nullable": True, "metadata": {}}
        for column, type_ in zip(columns, types, strict=True)
    ]
    row = json.dumps({"type": "struct", "fields": spark_fields}, separators=(",", ":"), ensure_ascii=False)
    return pa.schema(fields, metadata={"org.apache.spark.sql.parquet.row.metadata": row})
