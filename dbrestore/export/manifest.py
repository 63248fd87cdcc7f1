"""The JSON files that AWS writes beside an export's data, as models.

Only what a restore depends on is checked. Unknown keys are ignored, and a value that merely informs (a date, a
size, a progress) is None where it is missing or has an unknown form: exports of several years differ in these.
Key names and forms are those of real exports; AWS documents none of them.
"""

from __future__ import annotations

import codecs
import json
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar, cast

from pydantic import (
    AfterValidator,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel

from dbrestore.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPLETE = "COMPLETE"
"""The one status, of an export and of a table, that promises that all is there."""

SKIPPED_DATABASE = "skippedDatabase"
DATABASE_IS_EMPTY = "DATABASE_IS_EMPTY"

MOST_VALUES = 30_000_000
"""In a file: the manifest of 100,000 tables with 30 columns each has as many. Read they take up to 80 bytes each."""

MAX_ERRORS_SHOWN = 3
MAX_REASON_CHARACTERS = 300

_T = TypeVar("_T")
_LOCALE_FORMS = ("%b %d, %Y, %I:%M:%S %p", "%b %d, %Y %I:%M:%S %p")


def parse_moment(value: object) -> datetime | None:
    """A date of a manifest as a time in UTC, or None where its form is unknown.

    Seen are ``Oct 6, 2026, 7:35:27 PM``, the older ``Sep 10, 2020 6:50:05 AM``, both also with a narrow no-break
    space before AM or PM, and ISO 8601. None of the first has a zone: they are UTC.
    """
    if not isinstance(value, str):
        return None
    text = " ".join(value.split())
    for form in _LOCALE_FORMS:
        with suppress(ValueError):
            return datetime.strptime(text, form).replace(tzinfo=UTC)
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _none_if_odd(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    try:
        return handler(value)
    except ValidationError:
        return None


_Informative = Annotated[_T | None, WrapValidator(_none_if_odd)]
_Moment = Annotated[datetime | None, PlainValidator(parse_moment)]


class ExportInfo(BaseModel):
    """``export_info_<id>.json``: what was exported, when, and how that ended."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="ignore", frozen=True, hide_input_in_errors=True, populate_by_name=True
    )

    export_task_identifier: Annotated[str, Field(pattern=r"^[^\x00]+$")]
    status: str
    source_arn: _Informative[str] = None
    """Of a snapshot, or of a cluster (``…:cluster:<name>``) where a live cluster was exported."""
    export_only: _Informative[tuple[str, ...]] = None
    """What a partial export was limited to; empty or None for a whole one."""
    snapshot_time: _Moment = None
    """None for the export of a live cluster."""
    task_start_time: _Moment = None
    task_end_time: _Moment = None
    s3_bucket: _Informative[str] = None
    s3_prefix: _Informative[str] = None
    exported_files_path: _Informative[str] = None
    kms_key_id: _Informative[str] = None
    percent_progress: _Informative[int] = None
    """Says nothing: a real export that is COMPLETE has 0."""
    total_exported_gb: Annotated[_Informative[float], Field(alias="totalExportedDataInGB")] = None


@dataclass(frozen=True, slots=True)
class ManifestColumn:
    """A column as the manifest describes it: the Parquet footer, not this, says how its values are stored."""

    name: Annotated[str, Field(validation_alias="columnName")]
    type: Annotated[str, Field(validation_alias="originalType")]
    """``information_schema.columns.data_type``: ``ARRAY`` and ``USER-DEFINED`` say no more than that."""
    exported_type: Annotated[str, Field(validation_alias="expectedExportedType")]
    ordinal: Annotated[int, Field(validation_alias="ordinalPosition")] = 0
    """From 1. The place in the manifest where that (in older exports) does not say it."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning of a manifest's entry."""

    kind: str
    """For example ``skippedDatabase``; empty where the manifest gives a bare text."""
    reason: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}" if self.kind else self.reason


def parse_notices(value: object) -> tuple[Notice, ...]:
    """The warnings in a ``warningMessage``, which holds a list of reasons for each kind of warning."""
    return tuple(_notices(value))


def _notices(value: object) -> Iterator[Notice]:
    if isinstance(value, dict):
        for kind, items in value.items():
            for item in items if isinstance(items, list) else [items]:
                yield Notice(str(kind), _reason(item))
    elif value is not None:
        yield Notice("", _reason(value))


def _reason(item: object) -> str:
    if isinstance(item, dict) and item.keys() == {"reason"}:
        item = item["reason"]
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    return text if len(text) <= MAX_REASON_CHARACTERS else text[:MAX_REASON_CHARACTERS] + "…"


_Columns = tuple[ManifestColumn, ...]


def _numbered_and_shared(columns: _Columns, info: ValidationInfo) -> _Columns:
    """A database of 100,000 partitions has few different lists of columns: the context keeps each once."""
    numbered = tuple(
        column if column.ordinal else replace(column, ordinal=place) for place, column in enumerate(columns, start=1)
    )
    known = cast("dict[_Columns, _Columns]", info.context)
    return known.setdefault(numbered, numbered)


@dataclass(frozen=True, slots=True)
class TableEntry:
    """An entry of ``perTableStatus``: a table, or a database that was skipped."""

    target: str
    """``database.schema.table``, unescaped: with dots in a name it is ambiguous. A skipped database's name."""
    status: str | None = None
    size_gb: Annotated[_Informative[float], Field(validation_alias="sizeGB")] = None
    """GiB of the relation in the database, not of the Parquet files."""
    columns: Annotated[
        _Columns,
        Field(validation_alias=AliasPath("schemaMetadata", "originalTypeMappings")),
        AfterValidator(_numbered_and_shared),
    ] = ()
    notices: Annotated[tuple[Notice, ...], Field(validation_alias="warningMessage"), PlainValidator(parse_notices)] = ()

    @property
    def is_complete(self) -> bool:
        return self.status == COMPLETE

    @property
    def is_skipped_database(self) -> bool:
        return self.status is None and any(notice.kind == SKIPPED_DATABASE for notice in self.notices)

    @property
    def is_empty_database(self) -> bool:
        return self.is_skipped_database and all(notice.reason == DATABASE_IS_EMPTY for notice in self.notices)


@dataclass(frozen=True, slots=True)
class _TablesInfo:
    entries: Annotated[tuple[TableEntry, ...], Field(validation_alias="perTableStatus")]


_EXPORT_INFO = TypeAdapter(ExportInfo)
_TABLES_INFO = TypeAdapter(_TablesInfo)


def parse_export_info(data: bytes, key: str) -> ExportInfo:
    """The content of ``export_info_<id>.json``; ``key`` names the file in errors.

    Raises:
        ManifestError: it is not JSON in UTF-8, or a key that a restore needs is missing or has a wrong type.
    """
    return _parsed(_EXPORT_INFO, data, key)


def parse_tables_info(data: bytes, key: str) -> tuple[TableEntry, ...]:
    """The entries of an ``export_tables_info_<id>_from_<X>_to_<Y>.json``; ``key`` names the file in errors.

    Raises:
        ManifestError: as `parse_export_info` does.
    """
    return _parsed(_TABLES_INFO, data, key).entries


def _parsed(adapter: TypeAdapter[_T], data: bytes, key: str) -> _T:
    if sum(map(data.count, (b",", b"[", b"{"))) > MOST_VALUES:
        hint = "It is none of RDS's files: copy it from the export's bucket again."
        raise ManifestError(f"{key} holds more than a manifest does: over {MOST_VALUES:,} values", hint=hint)
    try:
        return adapter.validate_json(data.removeprefix(codecs.BOM_UTF8), context={})
    except ValidationError as error:
        raise _explained(error, key) from None


def _explained(error: ValidationError, key: str) -> ManifestError:
    details = error.errors(include_url=False, include_input=False)
    if details[0]["type"] == "json_invalid":
        return ManifestError(
            f"{key} is not valid JSON: {details[0]['ctx']['error']}",
            hint="It may be cut off or changed: copy it from the export's bucket again.",
        )
    shown = [
        ".".join(str(place) for place in detail["loc"] or ("the file",)) + f": {detail['msg']}"
        for detail in details[:MAX_ERRORS_SHOWN]
    ]
    more = f"; and {len(details) - len(shown)} more" if len(details) > len(shown) else ""
    return ManifestError(
        f"{key} is not an export's manifest as AWS writes it: {'; '.join(shown)}{more}",
        hint="If it is unchanged from the export's bucket, AWS has a new form of it: please report that.",
    )
