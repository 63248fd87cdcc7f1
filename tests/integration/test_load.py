from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dbrestore import load, streams
from dbrestore.errors import (
    ConnectError,
    ConstraintError,
    DataError,
    DbrestoreError,
    InvalidValueError,
    PartError,
)
from dbrestore.target.deferral.policy import ForeignKeys, Policy
from dbrestore.wire.registry import CopyFormat
from tests.integration.locked_rows import locked_rows
from tests.integration.round_trip import (
    DEFAULT_POLICY,
    export_database,
    fetch,
    on_both_engines,
    problems_of,
    restore_export,
    wait_for_sessions,
)

if TYPE_CHECKING:
    from pathlib import Path

    from dbrestore.testing.databases import Database

ORDERED = Policy(ForeignKeys.ORDERED)
SLOWLY = """
    CREATE FUNCTION slowly(int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.05); RETURN true; END $$;
    CREATE TABLE items (id int CHECK (slowly(id)), word text);
"""
PART_COUNT = "count(*) FILTER (WHERE (id - 1) / 100 = {})"


def items(word: str = "NULL", identity: str = "n") -> str:
    """300 rows, in the order of ``n``, of which the one of 142 is odd."""
    return f"""
        CREATE TABLE items (id int, word text);
        INSERT INTO items SELECT CASE n WHEN 142 THEN {identity} ELSE n END, CASE n WHEN 142 THEN {word} END
        FROM generate_series(1, 300) AS n;
    """


async def export_into(database: Database, folder: Path, source: str, target: str, rows_per_part: int = 100) -> Path:
    """Export what ``source`` makes, and put what ``target`` makes in its place."""
    database.execute(source)
    exported = await export_database(database, folder, rows_per_part=rows_per_part)
    database.execute(f"DROP SCHEMA public CASCADE; CREATE SCHEMA public; {target}")
    return exported


async def failure(
    exported: Path,
    database: Database,
    *,
    jobs: int = 1,
    user: str | None = None,
    policy: Policy = DEFAULT_POLICY,
) -> DbrestoreError:
    with pytest.raises(DbrestoreError) as caught:
        await restore_export(exported, database, jobs=jobs, user=user, policy=policy)
    return caught.value


def parts(exported: Path, table: str = "public.items") -> list[Path]:
    return sorted(exported.glob(f"*/{table}/1/*.parquet"))


def second_part(exported: Path) -> str:
    return parts(exported)[1].relative_to(exported).as_posix()


async def rows_by_part(database: Database) -> list[int]:
    """How many of the ids 1 to 100, 101 to 200 and 201 to 300 were loaded."""
    [counts] = await fetch(database, "SELECT {}, {}, {} FROM items".format(*map(PART_COUNT.format, range(3))))
    return list(counts)


@pytest.mark.parametrize(
    ("bad", "kind", "shown"),
    [
        ("not-a-uuid", "uuid", ": 'not-a-uuid' is not a uuid"),
        ("2024-13-45", "date", ": '2024-13-45' is not a date"),
        ("12x", "numeric", ": '12x' is not a number"),
        ("12345", "numeric(4, 1)", ", value '12345': numeric field overflow (A field with precision 4, scale 1"),
        ("{", "jsonb", ", value '{': invalid input syntax for type json"),
        ("blue", "public.colour", ", value 'blue': invalid input value for enum colour"),
        ("longer than ten", "varchar(10)", ": 'longer than ten' is longer than 10 characters"),
        ("(1,", "point", ", value '(1,': invalid input syntax for type point"),
        ("7", "public.small", ", value '7': value for domain small violates check constraint"),
    ],
)
async def test_a_value_that_its_column_cannot_hold_is_shown_with_its_place(
    bad: str, kind: str, shown: str, database: Database, tmp_path: Path
) -> None:
    target = f"""
        CREATE TYPE colour AS ENUM ('red'); CREATE DOMAIN small AS numeric CHECK (VALUE < 5);
        CREATE TABLE items (id int, word {kind});
    """
    exported = await export_into(database, tmp_path, items(f"'{bad}'"), target)
    error = await failure(exported, database)
    assert isinstance(error, DataError)
    assert error.exit_code == 5
    assert error.message.startswith(f"public.items, {second_part(exported)}, row 42, column word{shown}")
    assert (await rows_by_part(database))[1] == 0


def spoil(part: Path, kind: pa.DataType, values: dict[int, Any]) -> None:
    """Put values into the column ``word`` of a part, which is of another type then."""
    table = pq.ParquetFile(part).read()
    words = [values.get(row) for row in range(table.num_rows)]
    array = pa.array(words, pa.binary()).view(kind) if pa.types.is_string(kind) else pa.array(words, kind)
    pq.write_table(table.set_column(table.schema.get_field_index("word"), "word", array), part)


NO_CHARACTER = 'invalid byte sequence for encoding "UTF8"'


@pytest.mark.parametrize(
    ("content", "kind", "in_binary", "in_text"),
    [
        (b"caf\xe9", "text", rf", value 'caf\\\\xe9': {NO_CHARACTER}: 0xe9", r": 'caf\\\\xe9' is not UTF-8"),
        (
            b"\xed\xa0\x80",
            "varchar(9)",
            rf", value '.*': {NO_CHARACTER}: 0xed",
            r": '\\\\xed\\\\xa0\\\\x80' is not UTF-8",
        ),
        (b"\xff" * 500, "jsonb", r", value '.*… \(\d+ characters\): ", r": '.*… \(\d+ characters\) is not UTF-8"),
        (b"a\0b", "text", rf", value 'a\\x00b': {NO_CHARACTER}: 0x00", r": 'a\\x00b' has a NUL character"),
        (b"a\0b", "colour", rf", value 'a\\x00b': {NO_CHARACTER}: 0x00", r": 'a\\x00b' has a NUL character"),
        (b'{"\xff"}', "text[]", rf", value '{{\"\\\\xff\"}}': {NO_CHARACTER}", r": '{\"\\\\xff\"}' is not UTF-8"),
        (b'{"\xff\\\\"}', "text[]", rf", value '.*': {NO_CHARACTER}", r": '.*' is not UTF-8"),
        (b"\xff", "inet", r": '\\\\xff' is not an address", r": '\\\\xff' is not UTF-8"),
        (b"\xff", "interval", r": '\\\\xff' is not an interval", r": '\\\\xff' is not UTF-8"),
        (b"\xff", "numeric", r": '\\\\xff' is not a number", r": '\\\\xff' is not UTF-8"),
        (b"12x", "integer", ": '12x' is not an integer", ", value '12x': invalid input syntax"),
        (b"1e999", "float8", ": '1e999' is out of range", ": '1e999' is out of range"),
        (
            b"9" * 200,
            "numeric(5)",
            r", value '9+… .*: numeric field overflow",
            r", value '9+… .*: numeric field overflow",
        ),
        (
            b"too long",
            "varchar(7)",
            ": 'too long' is longer than 7 characters",
            ": 'too long' is longer than 7 characters",
        ),
        (b"too long", "char(7)", ", value 'too long': value too long", ", value 'too long': value too long"),
        (b"2020-02-30", "date[]", ": '2020-02-30' is not an array", ": '2020-02-30' is not an array"),
        (b"{2020-02-30}", "date[]", ": '2020-02-30' is not a date", ": '2020-02-30' is not a date"),
        (b"10.0.0.1/8", "cidr", ", value '10.0.0.1/8': invalid external", ", value '10.0.0.1/8': invalid cidr value"),
    ],
)
@pytest.mark.parametrize("copy_format", CopyFormat)
async def test_a_value_that_cannot_be_is_shown_with_its_place_in_both_formats(
    content: bytes,
    kind: str,
    in_binary: str,
    in_text: str,
    copy_format: CopyFormat,
    database: Database,
    tmp_path: Path,
) -> None:
    decides = "point" if copy_format is CopyFormat.TEXT else "uuid"
    target = f"CREATE TYPE colour AS ENUM ('red'); CREATE TABLE items (id int, word {kind}, other {decides})"
    source = items("'x'") + f"ALTER TABLE items ADD other {decides}"
    exported = await export_into(database, tmp_path, source, target)
    for number, part in enumerate(parts(exported)):
        spoil(part, pa.string(), {41: content, 60: content} if number == 1 else {})
    error = await failure(exported, database)
    assert isinstance(error, DataError)
    told = in_text if copy_format is CopyFormat.TEXT else in_binary
    assert re.match(rf"public\.items, {second_part(exported)}, row 42, column word{told}", error.message)
    assert len(error.message) < 500
    assert (await rows_by_part(database))[1] == 0


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (pa.timestamp("ns"), 1_000_000_000_001_000, "1970-01-12 13:46:40.000001000"),
        (pa.timestamp("us"), 2**62, "148108-07-06 14:00:27.387904"),
        (pa.timestamp("ms", "UTC"), 10**15, "33658-09-27 01:46:40.000+00"),
    ],
)
async def test_a_moment_that_python_does_not_have_is_shown_all_the_same(
    kind: pa.DataType, value: int, shown: str, database: Database, tmp_path: Path
) -> None:
    target = """
        CREATE DOMAIN early AS timestamptz CHECK (VALUE < '1970-01-01');
        CREATE TABLE items (id int, word early);
    """
    exported = await export_into(database, tmp_path, items(), target)
    for number, part in enumerate(parts(exported)):
        spoil(part, kind, {41: value} if number == 1 else {})
    error = await failure(exported, database)
    assert f"row 42, column word, value '{shown}': value for domain early violates" in error.message


async def test_an_integer_that_is_too_large_is_shown_with_its_place(database: Database, tmp_path: Path) -> None:
    exported = await export_into(
        database, tmp_path, items(identity="70000"), "CREATE TABLE items (id smallint, word text)"
    )
    error = await failure(exported, database)
    assert isinstance(error, InvalidValueError)
    assert f"{second_part(exported)}, row 42, column id: 70000 is not within -32768 and 32767" in error.message


@pytest.mark.parametrize(
    ("kind", "reason"), [("uuid", " is not a uuid"), ("point", ": invalid input syntax for type point")]
)
async def test_a_long_value_is_cut_in_the_message(kind: str, reason: str, database: Database, tmp_path: Path) -> None:
    exported = await export_into(
        database, tmp_path, items("repeat('x', 100000)"), f"CREATE TABLE items (id int, word {kind})"
    )
    error = await failure(exported, database)
    assert f"xxx… (100002 characters){reason}" in error.message
    assert len(error.message) < 1000


@on_both_engines
@pytest.mark.parametrize(
    ("identity", "constraint", "shown"),
    [
        ("143", "UNIQUE", "row 43: duplicate key value violates unique constraint"),
        ("0", "CHECK (id > 0)", 'row 42: new row for relation "items" violates check constraint'),
        ("NULL", "NOT NULL", 'row 42: null value in column "id" of relation "items" violates not-null constraint'),
        ("301", "REFERENCES ids", '(Key (id)=(301) is not present in table "ids".)'),
    ],
)
async def test_a_row_that_a_constraint_refuses_is_shown_with_its_place(
    identity: str,
    constraint: str,
    shown: str,
    database: Database,
    tmp_path: Path,
) -> None:
    ids = "INSERT INTO ids SELECT generate_series(1, 300);"
    table = "CREATE TABLE ids (id int PRIMARY KEY);"
    target = f"{table} CREATE TABLE items (id int {constraint}, word text)"
    exported = await export_into(database, tmp_path, table + ids + items(identity=identity), target)
    error = await failure(exported, database, policy=ORDERED)
    assert isinstance(error, ConstraintError)
    assert error.exit_code == 5
    assert error.message.startswith(f"public.items, {second_part(exported)}")
    assert shown in error.message
    assert (await rows_by_part(database))[1] == 0


async def test_a_row_that_a_trigger_refuses_is_shown_with_its_place_and_hint(
    database: Database, tmp_path: Path
) -> None:
    body = "BEGIN IF NEW.id = 142 THEN RAISE EXCEPTION 'no 142 here' USING HINT = 'try 143'; END IF; RETURN NEW; END"
    role = f"writer_{database.name}"
    target = f"""
        CREATE TABLE items (id int, word text);
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$;
        CREATE TRIGGER refuse BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION refuse();
        CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA public TO {role}; GRANT SELECT, INSERT ON items TO {role};
    """
    exported = await export_into(database, tmp_path, items(), target)
    error = await failure(exported, database, user=role)
    assert isinstance(error, DataError)
    assert error.message == f"public.items, {second_part(exported)}, row 42: no 142 here"
    assert error.hint == "try 143"


@on_both_engines
async def test_rows_of_one_copy_of_several_parts_are_counted_in_their_part(database: Database, tmp_path: Path) -> None:
    target = "CREATE TABLE items (id int PRIMARY KEY REFERENCES items, word char(3))"
    exported = await export_into(database, tmp_path, items("'long'"), target)
    error = await failure(exported, database, policy=ORDERED)
    assert f"{second_part(exported)}, row 42, column word, value 'long'" in error.message
    assert await rows_by_part(database) == [0, 0, 0]


async def test_a_part_that_is_cut_off_stops_the_restore_before_it_begins(database: Database, tmp_path: Path) -> None:
    exported = await export_into(database, tmp_path, items(), "CREATE TABLE items (id int, word text)")
    part = parts(exported)[1]
    part.write_bytes(part.read_bytes()[:-100])
    error = await failure(exported, database)
    assert isinstance(error, PartError)
    assert error.exit_code == 3
    assert second_part(exported) in error.message
    assert await rows_by_part(database) == [0, 0, 0]


@on_both_engines
async def test_a_part_with_damaged_pages_is_rolled_back(database: Database, tmp_path: Path) -> None:
    exported = await export_into(database, tmp_path, items(), "CREATE TABLE items (id int, word text)")
    part = parts(exported)[1]
    content = bytearray(part.read_bytes())
    content[60:200] = bytes(140)
    part.write_bytes(content)
    error = await failure(exported, database)
    assert isinstance(error, PartError)
    assert error.message.startswith(f"{second_part(exported)} cannot be read: ")
    assert (await rows_by_part(database))[1] == 0


@pytest.mark.parametrize("jobs", [1, 3])
async def test_a_cancelled_restore_leaves_neither_rows_nor_connections(
    jobs: int, database: Database, tmp_path: Path
) -> None:
    exported = await export_into(database, tmp_path, items(), SLOWLY)
    work = asyncio.create_task(restore_export(exported, database, jobs=jobs))
    await wait_for_sessions(database, jobs, copying=True)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await wait_for_sessions(database, 0)
    assert await rows_by_part(database) == [0, 0, 0]


async def test_rows_that_are_too_large_for_each_other_are_loaded_one_part_after_the_other(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LARGE_ROW_BYTES", 1)
    monkeypatch.setattr(load, "LARGE_ROWS_BYTES", 1)
    exported = await export_into(database, tmp_path, items(), "CREATE TABLE items (id int, word text)")
    async with locked_rows(database, "items") as let_go:
        restoring = asyncio.create_task(restore_export(exported, database, jobs=3))
        first = await wait_for_sessions(database, 1, copying=True)
        await asyncio.sleep(0.1)
        assert await wait_for_sessions(database, 1, copying=True) == first
        await let_go()
        await restoring
    assert await fetch(database, "SELECT count(*), sum(id) FROM items") == [(300, 45150)]


@on_both_engines
async def test_a_connection_that_the_server_ends_is_an_error_that_says_why(database: Database, tmp_path: Path) -> None:
    exported = await export_into(database, tmp_path, items(), SLOWLY)
    work = asyncio.create_task(restore_export(exported, database, jobs=2, retry_for=0))
    [pid, _] = await wait_for_sessions(database, 2, copying=True)
    await fetch(database, f"SELECT pg_terminate_backend({pid})")
    with pytest.raises(ConnectError, match=r"public\.items, .*: terminating connection due to administrator command"):
        await work
    await wait_for_sessions(database, 0)
    assert await rows_by_part(database) == [0, 0, 0]


@on_both_engines
async def test_failures_of_several_tables_leave_nothing_of_either(database: Database, tmp_path: Path) -> None:
    words = "AS SELECT n AS id, 'word' AS word FROM generate_series(1, 300) AS n;"
    exported = await export_into(
        database,
        tmp_path,
        f"CREATE TABLE items {words} CREATE TABLE others {words}",
        "CREATE TABLE items (id int, word varchar(3)); CREATE TABLE others (id int, word varchar(3))",
    )
    error = await failure(exported, database, jobs=4)
    assert all(isinstance(problem, InvalidValueError) for problem in problems_of(error))
    assert error.exit_code == 5
    assert await rows_by_part(database) == [0, 0, 0]
    assert await fetch(database, "SELECT * FROM others") == []


@on_both_engines
async def test_what_was_loaded_before_a_failure_stays(database: Database, tmp_path: Path) -> None:
    done = "CREATE TABLE done (id int PRIMARY KEY);"
    exported = await export_into(
        database,
        tmp_path,
        f"{done} INSERT INTO done SELECT generate_series(1, 300); {items(identity='301')}",
        f"{done} CREATE TABLE items (id int REFERENCES done, word text)",
    )
    assert isinstance(await failure(exported, database, policy=ORDERED), ConstraintError)
    assert await fetch(database, "SELECT count(*) FROM done") == [(300,)]
