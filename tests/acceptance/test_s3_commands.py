from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING

import pytest

from dbrestore.scheduler import AHEAD_PER_JOB
from dbrestore.testing.compare import differences
from dbrestore.testing.s3_faults import ACCESS_DENIED, INTERNAL_ERROR, NO_SUCH_BUCKET, CutBody, Fault, HangUp, ShortBody
from tests.acceptance.commands import COMMAND, failed, run

if TYPE_CHECKING:
    from dbrestore.testing.databases import Database, MakeDatabase
    from dbrestore.testing.s3 import S3Server

SCHEMA = """
    CREATE TABLE shelves (id int PRIMARY KEY, name varchar(20));
    CREATE TABLE books (id int PRIMARY KEY, shelf int REFERENCES shelves, title text);
    CREATE TABLE "Odd, name" (id int, empty text);
"""
ROWS = """
    INSERT INTO shelves SELECT n, 'shelf ' || n FROM generate_series(1, 20) AS n;
    INSERT INTO books SELECT n, 1 + n % 20, repeat(md5(n::text), 20) FROM generate_series(1, 5000) AS n;
"""


@pytest.fixture
def endpoint(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, which every command knows from its environment."""
    monkeypatch.setenv("DBRESTORE_AWS_ENDPOINT_URL", s3.url)
    return s3


@pytest.fixture
def source(make_database: MakeDatabase) -> Database:
    database = make_database()
    database.execute(SCHEMA + ROWS)
    return database


@pytest.fixture
def target(make_database: MakeDatabase) -> Database:
    database = make_database()
    database.execute(SCHEMA)
    return database


def simulate(source: Database, bucket: str, export_id: str = "friday", rows_per_part: int = 500) -> str:
    result = run("simulate", f"s3://{bucket}/exports/", "--export-id", export_id,
                 "--rows-per-part", rows_per_part, "--dsn", source.dsn)  # fmt: skip
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    assert f"s3://{bucket}/exports/{export_id}" in result.stderr
    return f"s3://{bucket}/exports/{export_id}"


async def assert_equal(source: Database, target: Database) -> None:
    async with source.connect() as ours, target.connect() as theirs:
        assert await differences(ours, theirs) == []


async def test_what_simulate_writes_to_s3_is_restored_from_there(
    endpoint: S3Server, bucket: str, source: Database, target: Database
) -> None:
    export = simulate(source, bucket)
    result = run("restore", export, "--dsn", target.dsn)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    await assert_equal(source, target)


async def test_a_restore_while_every_tenth_request_fails_is_equal_to_its_source(
    endpoint: S3Server, bucket: str, source: Database, target: Database
) -> None:
    export = simulate(source, bucket, rows_per_part=100)
    endpoint.faults += [Fault(action, every=10) for action in (INTERNAL_ERROR, CutBody(), HangUp(), ShortBody(7))]
    result = run("restore", export, "--dsn", target.dsn)
    assert result.returncode == 0, result.stderr
    assert all(fault.struck for fault in endpoint.faults)
    await assert_equal(source, target)


def test_list_and_plan_work_on_s3_and_read_no_part_whole(
    endpoint: S3Server, bucket: str, source: Database, target: Database
) -> None:
    export = simulate(source, bucket)
    listed = run("list", export, "--tables")
    assert listed.returncode == 0, listed.stderr
    assert re.search(r"public\.books +10 ", listed.stdout)
    endpoint.requests.clear()
    planned = run("plan", export, "--dsn", target.dsn, "--json")
    assert planned.returncode == 0, planned.stderr
    assert {table["name"]: table["rows"] for table in json.loads(planned.stdout)["tables"]} == {
        "books": 5000, "shelves": 20, "Odd, name": 0,
    }  # fmt: skip


def test_a_plan_without_rows_reads_one_footer_for_each_table(
    endpoint: S3Server, bucket: str, source: Database, target: Database
) -> None:
    export = simulate(source, bucket)
    endpoint.requests.clear()
    planned = run("plan", export, "--dsn", target.dsn, "--no-rows")
    assert planned.returncode == 0, planned.stderr
    assert re.search(r"public\.books +10 +\? ", planned.stdout)
    assert sum(request.key.endswith(".parquet") for request in endpoint.requests) == 3


async def test_parts_are_fetched_while_a_copy_waits_for_the_server(
    endpoint: S3Server, bucket: str, source: Database, target: Database
) -> None:
    export = simulate(source, bucket)
    # The lock lets nothing be taken down.
    arguments = ["restore", export, "--dsn", target.dsn, "--jobs", "1", "--foreign-keys", "ordered"]
    async with target.connect() as locker:
        transaction = locker.transaction()
        await transaction.start()
        await locker.execute("LOCK TABLE books IN SHARE MODE")
        endpoint.requests.clear()
        restore = await asyncio.create_subprocess_exec(COMMAND, *arguments, stderr=asyncio.subprocess.PIPE)
        async with asyncio.timeout(30):
            # A footer of each of the 10 parts, the part of the COPY that waits, and those after it.
            while sum("public.books" in request.key for request in endpoint.requests) < 11 + AHEAD_PER_JOB:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await locker.fetchval("SELECT count(*) FROM books") == 0
        await transaction.commit()
    _, said = await restore.communicate()
    assert restore.returncode == 0, said
    await assert_equal(source, target)


async def test_the_latest_export_that_is_complete_is_taken(
    endpoint: S3Server, bucket: str, source: Database, target: Database
) -> None:
    simulate(source, bucket, "monday")
    source.execute("DELETE FROM books WHERE id > 100")
    simulate(source, bucket, "tuesday")
    info = b'{"exportTaskIdentifier": "wednesday", "status": "IN_PROGRESS", "snapshotTime": "2099-01-01"}'
    endpoint.put(bucket, "exports/wednesday/export_info_wednesday.json", info)
    endpoint.put(bucket, "exports/notes/readme.txt", b"nothing")
    result = run("restore", f"s3://{bucket}/exports", "--latest", "--dsn", target.dsn)
    assert result.returncode == 0, result.stderr
    assert "warning: wednesday is passed over: its status is IN_PROGRESS" in result.stderr
    assert "warning: notes is passed over" in result.stderr
    assert "is tuesday" in result.stderr
    await assert_equal(source, target)


def test_without_any_complete_export_there_is_no_latest(endpoint: S3Server, bucket: str) -> None:
    endpoint.put(bucket, "exports/monday/other.json", b"{}")
    assert "holds no complete export" in failed("list", f"s3://{bucket}/exports", "--latest", exit_code=3)


def test_simulate_does_not_write_over_what_is_there(endpoint: S3Server, bucket: str, source: Database) -> None:
    simulate(source, bucket)
    before = endpoint.keys(bucket)
    message = failed("simulate", f"s3://{bucket}/exports", "--export-id", "friday", "--dsn", source.dsn, exit_code=2)
    assert f"s3://{bucket}/exports/friday is not empty" in message
    assert endpoint.keys(bucket) == before


def test_a_fault_that_does_not_pass_is_one_line_and_a_hint(endpoint: S3Server, bucket: str, target: Database) -> None:
    endpoint.faults.append(Fault(NO_SUCH_BUCKET))
    message = failed("restore", f"s3://{bucket}/exports/friday", "--dsn", target.dsn, exit_code=3)
    assert [line.partition(":")[0] for line in message.splitlines()] == ["error", "hint"]
    assert f"there is no bucket {bucket}" in message


def test_a_part_that_cannot_be_fetched_leaves_no_part_half_loaded(
    endpoint: S3Server, bucket: str, source: Database, target: Database
) -> None:
    export = simulate(source, bucket)
    # The first ten requests are for the footers.
    endpoint.faults.append(Fault(ACCESS_DENIED, key="*public.books*.parquet", every=15, times=1))
    message = failed("restore", export, "--dsn", target.dsn, "--jobs", 1, exit_code=3)
    assert "AccessDenied" in message
    assert "kms:Decrypt" in message
    assert int(target.execute("SELECT count(*) FROM books")) in range(0, 5000, 500)


@pytest.mark.parametrize("source_name", ["https://bucket.s3.amazonaws.com/x", "gs://bucket/x", "s3://"])
def test_an_address_that_is_none_is_wrong_usage(source_name: str) -> None:
    failed("list", source_name, exit_code=2)
