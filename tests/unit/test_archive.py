from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from dbrestore.archive.archive import check_format
from dbrestore.archive.entries import parse_entries
from dbrestore.archive.environment import program_target
from dbrestore.archive.programs import find_program
from dbrestore.errors import UsageError
from dbrestore.target.connect import ConnectionSettings

if TYPE_CHECKING:
    from pathlib import Path

LISTING = """;
; Archive created at 2026-11-26 19:50:43 UTC
;     TOC Entries: 31
;
; Selected TOC Entries:
;
7; 2615 16513 SCHEMA - my s postgres
2689; 0 0 COMMENT - EXTENSION hstore 
220; 1259 16523 TABLE my s c d postgres
2515; 0 0 TABLE ATTACH public pt1 postgres
2519; 2606 16520 CONSTRAINT public p p_pkey postgres
2527; 0 0 INDEX ATTACH public pt1_pkey postgres
2529; 2606 16527 FK CONSTRAINT my s c d c d_id_fkey postgres
2678; 0 16514 ROW SECURITY public p postgres
2681; 6106 16538 PUBLICATION TABLE public pp p postgres
2682; 2618 16600 RULE public v _RETURN postgres
"""  # noqa: W291 - as pg_restore prints it


def test_the_contents_of_an_archive_are_read() -> None:
    entries = list(parse_entries(LISTING))
    assert len(entries) == 10
    assert [entry.lasting_kind for entry in entries] == [
        None, None, None, None, "CONSTRAINT", None, "FK CONSTRAINT", None, None, None,
    ]  # fmt: skip
    assert [entry.is_of("TABLE") for entry in entries].count(True) == 1
    assert entries[2].name("TABLE", {"my s c d", "my s c"}) == "my s c d"
    assert entries[6].name("FK CONSTRAINT", {"my s c d c d_id_fkey"}) == "my s c d c d_id_fkey"
    assert entries[4].name("CONSTRAINT", {"public p p_pkey2"}) is None
    assert entries[4].shown == "constraint public p p_pkey"


@pytest.mark.parametrize(
    ("dsn", "places", "environment"),
    [
        (
            "postgresql://me:s%40cret@db:5433/shop?sslmode=require&statement_timeout=5s",
            "host='db' port='5433' user='me' dbname='shop'",
            {
                "PGPASSWORD": "s@cret",
                "PGSSLMODE": "require",
                "PGOPTIONS": "-c statement_timeout=5s -c work_mem=1\\ GB",
            },
        ),
        (
            "postgresql://me@[::1]:1,db:2/",
            "host='::1,db' port='1,2' user='me'",
            {"PGOPTIONS": "-c work_mem=1\\ GB"},
        ),
        (
            "postgresql:///o'shop?host=/run/pg",
            "host='/run/pg' dbname='o\\'shop'",
            {"PGOPTIONS": "-c work_mem=1\\ GB"},
        ),
    ],
)
def test_a_program_is_led_to_the_target_without_its_password_among_the_arguments(
    dsn: str, places: str, environment: dict[str, str]
) -> None:
    target = program_target(ConnectionSettings(SecretStr(dsn)), {"work_mem": "1 GB"})
    assert target.connection_string == places
    assert target.environment == environment | {"PGAPPNAME": "dbrestore pg_restore"}


def test_settings_come_before_the_dsn() -> None:
    settings = ConnectionSettings(SecretStr("postgresql://a@b:1/c"), host="h", port=2, user="u", database="d")
    assert program_target(settings, {}).connection_string == "host='h' port='2' user='u' dbname='d'"


@pytest.mark.parametrize("content", [b"--\n-- PostgreSQL database dump\n--\n", b"", b"toc.dat\0\0\0"])
def test_what_is_no_archive_is_refused_with_the_command_that_makes_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "schema.sql"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        check_format(path)
    assert caught.value.hint == 'Make one with: pg_dump --schema-only --format=custom --file=schema.dump "$SOURCE"'


def test_a_folder_without_contents_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"it has no toc\.dat"):
        check_format(tmp_path)
    with pytest.raises(UsageError, match=r"cannot be read: .*No such file"):
        check_format(tmp_path / "nowhere")


async def test_a_program_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"there is no pg_restore in {tmp_path}") as caught:
        await find_program("pg_restore", tmp_path)
    assert "--pg-bindir" in (caught.value.hint or "")
