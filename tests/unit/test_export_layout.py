from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbrestore.errors import LayoutError, ManifestError
from dbrestore.export import layout
from dbrestore.export.layout import Export, ExportedTable, read_export
from dbrestore.export.local import LocalStorage
from dbrestore.export.naming import possible_places, some_of
from dbrestore.testing.hostile import MemoryStorage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from dbrestore.export.storage import StoredFile

PART = "part-00000-d868200e-b629-4445-bd96-d34b6674b09d-c000.gz.parquet"
INFO = "export_info_ci.json"
TABLES = "export_tables_info_ci_from_1_to_9.json"


def info(**keys: Any) -> bytes:
    return json.dumps({"exportTaskIdentifier": "ci", "status": "COMPLETE"} | keys).encode()


def tables(*entries: str | dict[str, Any]) -> bytes:
    complete = [{"target": entry, "status": "COMPLETE"} if isinstance(entry, str) else entry for entry in entries]
    return json.dumps({"perTableStatus": complete}).encode()


def whole_export(*targets: str | dict[str, Any]) -> dict[str, bytes]:
    """The manifest of tables, of which none has a folder yet."""
    return {INFO: info(), TABLES: tables(*targets)}


def folder(name: str, *parts: str) -> dict[str, bytes]:
    return {f"{name}/_SUCCESS": b""} | {f"{name}/{part}": b"PAR1" for part in parts}


@dataclass
class Files(MemoryStorage):
    url: str = "s3://bucket/ci"
    listed: int = 0

    async def list_files(self, prefix: str = "") -> AsyncIterator[StoredFile]:
        self.listed += 1
        async for file in super().list_files(prefix):
            yield file


async def read(*contents: dict[str, bytes]) -> Export:
    return await read_export(Files({key: data for content in contents for key, data in content.items()}))


async def problems_of(*contents: dict[str, bytes]) -> list[str]:
    return [problem.message for problem in (await read(*contents)).problems]


def names(export: Export, database: str = "db") -> list[str]:
    return [table.name for table in export.tables[database]]


def keys(table: ExportedTable) -> list[str]:
    return [part.key.removeprefix(table.folder + "/") for part in table.parts]


async def test_an_export_on_disk_is_read_with_all_that_it_says(tmp_path: Path) -> None:
    columns = [{"columnName": "id", "originalType": "integer", "expectedExportedType": "int32"}]
    entry = {"target": "db.public.t", "status": "COMPLETE", "schemaMetadata": {"originalTypeMappings": columns}}
    (tmp_path / "db/public.t/1").mkdir(parents=True)
    (tmp_path / INFO).write_bytes(info())
    (tmp_path / TABLES).write_bytes(tables(entry))
    (tmp_path / "db/public.t/1/_SUCCESS").touch()
    pq.write_table(pa.table({"id": pa.array([1], pa.int32())}), tmp_path / "db/public.t/1" / PART)

    export = await read_export(LocalStorage(tmp_path))

    assert (export.id, export.url, export.problems, export.warnings) == ("ci", str(tmp_path), (), ())
    (table,) = export.tables["db"]
    assert (table.database, table.name, table.folder) == ("db", "public.t", "db/public.t")
    assert [(column.name, column.type, column.ordinal) for column in table.columns] == [("id", "integer", 1)]
    assert keys(table) == [f"1/{PART}"]


async def test_a_real_export_has_its_tables_and_no_problem(samples: Path) -> None:
    export = await read_export(LocalStorage(samples / "aurora-mysql-tpcc"))
    assert (export.id, export.warnings, export.problems) == ("ci", (), ())
    assert names(export, "test")[:3] == ["test.customer", "test.district", "test.history"]
    assert [len(table.parts) for table in export.tables["test"]] == [1] * 9
    assert export.tables["test"][0].columns[20].ordinal == 21


async def test_the_storage_is_listed_once() -> None:
    files = Files(whole_export("db.public.t") | folder("db/public.t/1", PART))
    await read_export(files)
    assert files.listed == 1


async def test_both_namings_and_any_batch_folder_give_the_parts_by_key() -> None:
    export = await read(
        whole_export("db.public.old", "db.public.new"),
        folder("db/public.old", "part-2.parquet", "part-1.parquet"),
        folder("db/public.new/2", "part-1.parquet"),
        folder("db/public.new/a", "part-1.parquet"),
        folder("db/public.new/1/deeper", "part-1.parquet"),
    )
    new, old = export.tables["db"]
    assert export.problems == ()
    assert keys(old) == ["part-1.parquet", "part-2.parquet"]
    assert keys(new) == ["1/deeper/part-1.parquet", "2/part-1.parquet", "a/part-1.parquet"]


async def test_an_empty_table_has_a_folder_and_no_parts() -> None:
    export = await read(whole_export("db.public.t"), folder("db/public.t/1"))
    assert export.problems == ()
    assert export.tables["db"][0].parts == ()


async def test_what_is_no_data_is_left_alone() -> None:
    export = await read(
        whole_export("db.public.t"),
        folder("db/public.t/1", PART, f".{PART}.crc", "_committed_1", ".DS_Store"),
        {"db/public.t/1/": b"", "db/": b"", ".DS_Store": b"", "README": b"", "part.parquet": b"", "x.json": b""},
        {"db/.DS_Store": b"", "db/notes.txt": b"", "db/public.t/.DS_Store": b""},
        {"db/public.t/1/.hidden/x.parquet": b"", ".cache/a.parquet": b"", ".cache/a/b/c.parquet": b""},
    )
    assert export.problems == ()
    assert keys(export.tables["db"][0]) == [f"1/{PART}"]


async def test_entries_of_all_manifest_files_are_read() -> None:
    export = await read(
        {INFO: info()},
        {"export_tables_info_ci_from_2_to_2.json": tables("db.public.b")},
        {"export_tables_info_ci_from_1_to_1.json": tables("db.public.a")},
        folder("db/public.a/1", PART),
        folder("db/public.b/1", PART),
    )
    assert export.problems == ()
    assert names(export) == ["public.a", "public.b"]


async def test_a_manifest_file_without_numbers_is_read() -> None:
    files = {INFO: info(), "export_tables_info_ci.json": tables("db.public.a")}
    assert names(await read(files, folder("db/public.a", PART))) == ["public.a"]


async def test_each_database_has_its_own_tables() -> None:
    export = await read(
        whole_export("b.public.t", "a.public.t"), folder("a/public.t/1", PART), folder("b/public.t/1", PART)
    )
    assert {database: [t.folder for t in found] for database, found in export.tables.items()} == {
        "a": ["a/public.t"],
        "b": ["b/public.t"],
    }
    assert list(export.tables) == ["a", "b"]


async def test_names_with_spaces_and_quotes_are_found_in_the_folders_that_aws_gives_them() -> None:
    export = await read(
        whole_export('my db.My Schema.a"b`c\\d', "my db.Öffentlich.Größe"),
        folder("my_db/My_Schema.a_b_c_d/1", PART),
        folder("my_db/Öffentlich.Größe/1", PART),
    )
    assert export.problems == ()
    assert names(export, "my db") == ['My Schema.a"b`c\\d', "Öffentlich.Größe"]


@pytest.mark.parametrize(
    ("place", "database", "name"),
    [("a/b.c.d", "a", "b.c.d"), ("a.b/c.d", "a.b", "c.d")],
)
async def test_the_folder_says_which_database_a_target_with_dots_belongs_to(
    place: str, database: str, name: str
) -> None:
    export = await read(whole_export("a.b.c.d"), folder(f"{place}/1", PART))
    assert export.problems == ()
    assert [(table.database, table.name) for table in export.tables[database]] == [(database, name)]


async def test_two_tables_with_the_same_target_take_a_folder_each() -> None:
    export = await read(whole_export("a.b.c.d", "a.b.c.d"), folder("a/b.c.d/1", PART), folder("a.b/c.d/1", PART))
    assert export.problems == ()
    assert {name: len(found) for name, found in export.tables.items()} == {"a": 1, "a.b": 1}


async def test_a_table_without_a_folder_belongs_to_a_database_that_has_folders() -> None:
    export = await read(whole_export("a.b.c.d", "a.b.c.e"), folder("a.b/c.d/1", PART))
    assert names(export, "a.b") == ["c.d", "c.e"]
    assert [problem.message for problem in export.problems] == [
        "the manifest lists a.b.c.e, but its folder a.b/c.e is missing or empty"
    ]


NAME = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1).filter(
    lambda name: not name.startswith(".")
)


@settings(deadline=None)
@given(database=NAME, schema=NAME, table=NAME)
async def test_every_name_is_found_in_its_folder(database: str, schema: str, table: str) -> None:
    path = f"{database}/{schema}.{table}"
    for special in '\\`" ':
        path = path.replace(special, "_")
    export = await read(whole_export(f"{database}.{schema}.{table}"), folder(f"{path}/1", PART))
    assert export.problems == ()
    assert [(t.database, t.name) for t in export.tables[database]] == [(database, f"{schema}.{table}")]


@settings(deadline=None)
@given(st.text(st.sampled_from("ab.")))
def test_every_reading_of_a_target_puts_together_the_target(target: str) -> None:
    places = list(possible_places(target))
    assert len(places) == max(0, target.count(".") - 1)
    assert all(f"{place.database}.{place.name}" == target for place in places)


def test_long_lists_of_names_are_cut_short() -> None:
    assert some_of("cab") == "a, b, c"
    assert some_of("gfedcba") == "a, b, c, d, e and 2 more"


async def test_an_export_that_is_not_complete_is_a_problem() -> None:
    assert await problems_of({INFO: info(status="IN_PROGRESS"), TABLES: tables()}) == [
        "the export ci is not complete: its status is IN_PROGRESS"
    ]


async def test_a_table_that_is_not_complete_is_a_problem_with_its_reason() -> None:
    skipped = {"skippedTable": [{"reason": "COLUMN_WITH_UNSUPPORTED_CHARACTER_IN_NAME"}]}
    messages = await problems_of(
        whole_export(
            {"target": "db.public.failed", "status": "FAILED"},
            {"target": "db.public.odd", "warningMessage": skipped},
        )
    )
    assert messages == [
        "db.public.failed was not exported completely: its status is FAILED",
        (
            "db.public.odd was not exported completely: it has no status, "
            "skippedTable: COLUMN_WITH_UNSUPPORTED_CHARACTER_IN_NAME"
        ),
    ]


async def test_a_skipped_database_is_a_warning_unless_it_was_empty() -> None:
    export = await read(
        whole_export(
            {"target": "postgres", "warningMessage": {"skippedDatabase": [{"reason": "DATABASE_IS_EMPTY"}]}},
            {"target": "other", "warningMessage": {"skippedDatabase": [{"reason": "PERMISSIONS_DO_NOT_EXIST"}]}},
        )
    )
    assert export.problems == ()
    assert export.warnings == ("AWS left out the database other: skippedDatabase: PERMISSIONS_DO_NOT_EXIST",)
    assert export.tables == {}


async def test_a_warning_of_a_complete_table_is_passed_on() -> None:
    entry = {"target": "db.public.t", "status": "COMPLETE", "warningMessage": "a row was odd"}
    export = await read(whole_export(entry), folder("db/public.t/1", PART))
    assert export.warnings == ("AWS warns of db.public.t: a row was odd",)


@pytest.mark.parametrize(
    ("unfinished", "shown"),
    [
        ([f"db/public.t/{PART}"], "db/public.t"),
        ([f"db/public.t/7/{PART}", f"db/public.t/8/{PART}"], "db/public.t/7, db/public.t/8"),
        ([f"db/public.t/7/_temporary/0/{PART}"], "db/public.t/7"),
    ],
)
async def test_a_batch_folder_without_success_is_a_problem(unfinished: list[str], shown: str) -> None:
    messages = await problems_of(
        whole_export("db.public.t"), folder("db/public.t/1", PART), dict.fromkeys(unfinished, b"PAR1")
    )
    assert messages == [f"db.public.t has no _SUCCESS in {shown}"]


async def test_a_listed_table_without_a_folder_is_a_problem() -> None:
    export = await read(whole_export("db.public.t", "db.public.u"), {"db/public.u/.DS_Store": b""})
    assert [problem.message for problem in export.problems] == [
        "the manifest lists db.public.t, but its folder db/public.t is missing or empty",
        "the manifest lists db.public.u, but its folder db/public.u is missing or empty",
    ]
    assert names(export) == ["public.t", "public.u"]


async def test_folders_that_no_manifest_lists_are_a_problem_for_each_database() -> None:
    messages = await problems_of(
        whole_export("db.public.t"),
        folder("db/public.t/1", PART),
        folder("db/public.u/1", PART),
        folder("db/public.v", PART),
        folder("other/public.t/1", PART),
    )
    assert messages == [
        "no manifest lists db/public.u, db/public.v",
        "no manifest lists other/public.t",
    ]


async def test_parts_outside_of_a_tables_folder_are_a_problem() -> None:
    assert await problems_of(whole_export(), {f"db/{PART}": b"PAR1"}) == [
        f"parts lie outside of any table's folder: db/{PART}"
    ]


async def test_a_file_of_unknown_form_in_a_tables_folder_is_a_problem() -> None:
    messages = await problems_of(
        whole_export("db.public.t"), folder("db/public.t/1", PART, "part-1.orc", f"{PART}.tmp")
    )
    assert messages == [
        f"db.public.t has files that are not Parquet parts: db/public.t/1/{PART}.tmp, db/public.t/1/part-1.orc"
    ]


async def test_two_tables_with_one_folder_are_a_problem() -> None:
    export = await read(whole_export("db.public.a b", "db.public.a_b"), folder("db/public.a_b/1", PART))
    assert [problem.message for problem in export.problems] == [
        "db.public.a b and db.public.a_b have one folder, db/public.a_b: their rows cannot be told apart"
    ]
    assert names(export) == ["public.a b"]


async def test_a_table_that_is_listed_twice_is_a_problem() -> None:
    messages = await problems_of(whole_export("db.public.t", "db.public.t"), folder("db/public.t/1", PART))
    assert messages == ["the manifest lists db.public.t twice, but it has one folder: db/public.t"]


@pytest.mark.parametrize("target", ["db", "db.t", ""])
async def test_an_entry_that_names_no_table_is_a_problem(target: str) -> None:
    assert await problems_of(whole_export(target)) == [f"the manifest lists {target}: not database.schema.table"]


async def test_a_gap_between_manifest_files_is_a_problem() -> None:
    messages = await problems_of(
        {INFO: info()},
        {f"export_tables_info_ci_from_{span}.json": tables() for span in ("3_to_9", "10_to_12", "15_to_15")},
    )
    assert messages == [
        "no export_tables_info file is there for the entries 1 to 2",
        "no export_tables_info file is there for the entries 13 to 14",
    ]


async def test_a_manifest_file_of_another_export_is_a_problem() -> None:
    messages = await problems_of(whole_export(), {"export_tables_info_old_from_1_to_1.json": tables("a.b.c")})
    assert messages == [f"export_tables_info_old_from_1_to_1.json belongs to another export than {INFO}"]


async def test_all_problems_are_found_at_once() -> None:
    messages = await problems_of(
        {INFO: info(status="FAILED"), TABLES: tables("db.public.gone", {"target": "db.public.bad", "status": "X"})},
        folder("db/public.extra/1", PART),
    )
    assert len(messages) == 4


async def test_a_folder_above_exports_says_which_are_below() -> None:
    below = {f"2026/{name}/export_info_{name}.json": info() for name in ("b", "a")}
    with pytest.raises(LayoutError, match=r"s3://bucket/ci is not an export, but holds 2 exports: 2026/a, 2026/b") as e:
        await read(below, {"2026/a/db/public.t/1/part.parquet": b""})
    assert e.value.hint == "Name one of them: s3://bucket/ci/2026/a"


async def test_a_folder_with_the_manifests_of_two_exports_is_refused() -> None:
    with pytest.raises(LayoutError, match=r"s3://bucket/ci holds the manifests of 2 exports: ci, old"):
        await read(whole_export(), {"export_info_old.json": info()})


@pytest.mark.parametrize(
    ("files", "what"), [({}, "no files"), (folder("db/public.t/1", PART), "no export_info_<id>.json")]
)
async def test_a_folder_without_an_export_is_refused_with_a_hint(files: dict[str, bytes], what: str) -> None:
    with pytest.raises(LayoutError, match=f"s3://bucket/ci is not an export: it holds {what}") as caught:
        await read(files)
    assert caught.value.hint == "Name the folder that holds export_info_<id>.json."


async def test_an_export_without_a_list_of_tables_is_refused() -> None:
    with pytest.raises(ManifestError, match=r"export_info_ci.json has no export_tables_info_ci_from_<X>_to_<Y>.json"):
        await read({INFO: info()})


@pytest.mark.parametrize("broken", [INFO, TABLES])
async def test_an_unreadable_manifest_is_refused_by_name(broken: str) -> None:
    with pytest.raises(ManifestError, match=f"{broken} is not valid JSON"):
        await read(whole_export(), {broken: b'{"status": '})


async def test_a_manifest_of_absurd_size_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MAX_MANIFEST_BYTES", 10)
    with pytest.raises(ManifestError, match=r"export_info_ci.json has \d+ bytes, too many for a manifest"):
        await read(whole_export())


async def test_problems_end_a_run_as_errors_of_the_export() -> None:
    export = await read(whole_export("db.public.t"), folder("db/public.x/1", PART))
    assert [problem.exit_code for problem in export.problems] == [3, 3]
    assert all(problem.hint for problem in export.problems)


async def test_a_file_that_is_listed_twice_would_be_loaded_twice() -> None:
    class Twice(Files):
        async def list_files(self, prefix: str = "") -> AsyncIterator[StoredFile]:
            for _ in range(2):
                async for file in super().list_files(prefix):
                    yield file

    content = whole_export("shop.public.a") | folder("shop/public.a/1", PART)
    found = await read_export(Twice(content))
    assert [problem.message for problem in found.problems] == ["the listing of shop/public.a names a file twice"]
