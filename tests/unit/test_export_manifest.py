from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbrestore.errors import ManifestError
from dbrestore.export.manifest import (
    ExportInfo,
    ManifestColumn,
    Notice,
    TableEntry,
    parse_export_info,
    parse_moment,
    parse_tables_info,
)

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
COLUMN = {"columnName": "id", "originalType": "integer", "expectedExportedType": "int32", "ordinalPosition": 1}
MINIMAL_INFO = {"exportTaskIdentifier": "ci", "status": "COMPLETE"}


def info(**keys: Any) -> ExportInfo:
    return parse_export_info(json.dumps(MINIMAL_INFO | keys).encode(), "export_info_ci.json")


def entry(**keys: Any) -> TableEntry:
    data = json.dumps({"perTableStatus": [{"target": "db.public.t", "status": "COMPLETE"} | keys]})
    return parse_tables_info(data.encode(), "export_tables_info_ci_from_1_to_1.json")[0]


def skipped(reason: str) -> TableEntry:
    return entry(target="postgres", status=None, warningMessage={"skippedDatabase": [{"reason": reason}]})


@pytest.mark.parametrize(
    "text",
    [
        "Oct 6, 2026, 7:35:27 PM",
        "Oct 6, 2026, 7:35:27\N{NARROW NO-BREAK SPACE}PM",
        "Oct 6, 2026 7:35:27 PM",
        "2026-10-06T19:35:27Z",
        "2026-10-06T21:35:27+02:00",
        "2026-10-06 19:35:27",
    ],
)
def test_every_known_form_of_a_date_is_a_time_in_utc(text: str) -> None:
    assert parse_moment(text) == datetime(2026, 10, 6, 19, 35, 27, tzinfo=UTC)


@pytest.mark.parametrize("value", ["06.10.2026", "", None, 1791315327, ["Oct"]])
def test_a_date_of_unknown_form_is_none(value: object) -> None:
    assert parse_moment(value) is None


def test_export_info_reads_what_real_exports_hold() -> None:
    read = info(
        snapshotTime="Sep 10, 2020 6:50:05 AM",
        exportOnly=["db.public"],
        percentProgress=0,
        totalExportedDataInGB=1.5,
        kmsKeyId="arn:aws:kms:eu-west-1:1:key/2",
        databaseOid=16401,
    )
    assert read.snapshot_time == datetime(2020, 9, 10, 6, 50, 5, tzinfo=UTC)
    assert read.export_only == ("db.public",)
    assert (read.percent_progress, read.total_exported_gb) == (0, 1.5)
    assert read.kms_key_id == "arn:aws:kms:eu-west-1:1:key/2"


def test_the_export_of_a_live_cluster_has_no_snapshot_time() -> None:
    assert info(sourceArn="arn:aws:rds:eu-west-1:1:cluster:main").snapshot_time is None


def test_what_only_informs_never_stops_a_restore() -> None:
    read = info(percentProgress="all of it", exportOnly=None, taskEndTime={}, s3Prefix=3)
    assert (read.percent_progress, read.export_only, read.task_end_time, read.s3_prefix) == (None,) * 4


def test_a_table_entry_has_its_columns_and_size() -> None:
    read = entry(sizeGB=38.17, schemaMetadata={"originalTypeMappings": [COLUMN | {"originalNumPrecision": 32}]}, x=[])
    assert read.columns == (ManifestColumn("id", "integer", "int32", 1),)
    assert (read.size_gb, read.is_complete, read.notices) == (38.17, True, ())


def test_columns_without_a_position_are_numbered_as_they_come() -> None:
    columns = [{key: COLUMN[key] for key in COLUMN if key != "ordinalPosition"}] * 2
    assert [c.ordinal for c in entry(schemaMetadata={"originalTypeMappings": columns}).columns] == [1, 2]


def test_equal_columns_of_two_tables_are_one_object() -> None:
    table = {"target": "db.public.t", "schemaMetadata": {"originalTypeMappings": [COLUMN]}}
    first, second = parse_tables_info(json.dumps({"perTableStatus": [table, table]}).encode(), "key")
    assert first.columns is second.columns


def test_an_empty_database_and_one_that_could_not_be_read_are_told_apart() -> None:
    empty, forbidden = skipped("DATABASE_IS_EMPTY"), skipped("PERMISSIONS_DO_NOT_EXIST")
    assert (empty.is_skipped_database, empty.is_empty_database) == (True, True)
    assert (forbidden.is_skipped_database, forbidden.is_empty_database) == (True, False)


@pytest.mark.parametrize(
    ("message", "notices"),
    [
        (None, ()),
        ("odd", (Notice("", "odd"),)),
        ({"skippedTable": "TOO_LARGE"}, (Notice("skippedTable", "TOO_LARGE"),)),
        ({"skippedRows": [{"reason": "R", "rows": 3}]}, (Notice("skippedRows", '{"reason": "R", "rows": 3}'),)),
        ([1], (Notice("", "[1]"),)),
    ],
)
def test_a_warning_of_any_form_keeps_its_text(message: object, notices: tuple[Notice, ...]) -> None:
    assert entry(warningMessage=message).notices == notices


def test_a_byte_order_mark_is_accepted() -> None:
    assert parse_tables_info(b'\xef\xbb\xbf{"perTableStatus": []}', "key") == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "manifest.json is not valid JSON: EOF while parsing a value at line 1 column 0"),
        (b'{"perTableStatus": [', "manifest.json is not valid JSON: EOF .* at line 1 column 20"),
        (b"[" * 1_000_000, "manifest.json is not valid JSON: recursion limit exceeded"),
        (b'{"x": ' + b"9" * 100_000 + b"}", "manifest.json is not valid JSON: number out of range"),
        (b'{"x": "\xff"}', "manifest.json is not valid JSON: invalid unicode code point"),
        ('{"x": 1}'.encode("utf-16"), "manifest.json is not valid JSON"),
        (b'{"x": "\\ud800"}', "manifest.json is not valid JSON: .* column 14"),
        (b"null", "manifest.json is not an export's manifest .*: the file: Input should be an object"),
        (b"{}", "manifest.json is not .*: perTableStatus: Field required"),
        (b'{"perTableStatus": [{"target": 3}]}', "perTableStatus.0.target: Input should be a valid string"),
        (b'{"perTableStatus": [1, 2, 3, 4, 5]}', "perTableStatus.2: .*; and 2 more$"),
    ],
)
def test_an_unusable_manifest_is_refused_with_its_name_and_the_place(data: bytes, message: str) -> None:
    with pytest.raises(ManifestError, match=message) as caught:
        parse_tables_info(data, "manifest.json")
    assert caught.value.hint


def test_an_export_info_without_a_status_is_refused() -> None:
    with pytest.raises(ManifestError, match=r"export_info_a.json is not .*: status: Field required"):
        parse_export_info(b'{"exportTaskIdentifier": "a"}', "export_info_a.json")


@settings(deadline=None)
@given(JSON)
def test_arbitrary_json_is_read_or_refused_as_a_manifest(value: object) -> None:
    columns = {"schemaMetadata": {"originalTypeMappings": [COLUMN | {"ordinalPosition": value}, value]}}
    shapes = [
        value,
        {"perTableStatus": value},
        {"perTableStatus": [value, {"target": "a.b.c", "warningMessage": value, "sizeGB": value}]},
        {"perTableStatus": [{"target": "a.b.c"} | columns]},
        MINIMAL_INFO | {"snapshotTime": value, "exportOnly": value, "percentProgress": value},
    ]
    for shape in shapes:
        for parse in (parse_export_info, parse_tables_info):
            assert refusal(parse, json.dumps(shape).encode()).startswith(("none", "key is not "))


@settings(deadline=None)
@given(st.binary())
def test_arbitrary_bytes_are_refused_as_a_manifest(data: bytes) -> None:
    with pytest.raises(ManifestError):
        parse_tables_info(data, "key")


def refusal(parse: Callable[[bytes, str], object], data: bytes) -> str:
    try:
        parse(data, "key")
    except ManifestError as error:
        return error.message
    return "none"
