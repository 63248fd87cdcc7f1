from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from dbrestore.archive import failures
from dbrestore.archive import schema as schemas
from dbrestore.archive.archive import Archive, ArchiveOptions
from dbrestore.errors import (
    ConstraintError,
    PrivilegeError,
    SchemaError,
    SeveralProblemsError,
    TargetError,
    UnfinishedRunError,
    UsageError,
)
from dbrestore.running import Unfinished
from dbrestore.testing.sample import Sample, data_sql, schema_sql
from dbrestore.testing.schema_text import dump_schema
from tests.integration.round_trip import (
    abort_restore,
    export_database,
    fetch,
    find_differences,
    on_both_engines,
    restore_export,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dbrestore.archive.entries import Entry
    from dbrestore.archive.programs import Output
    from dbrestore.testing.databases import Database, MakeDatabase, MakeTemplate

FAMILY = """
    CREATE TABLE parents (id int PRIMARY KEY, name text);
    CREATE TABLE children (id int PRIMARY KEY, parent int CONSTRAINT known REFERENCES parents, word text);
    CREATE INDEX by_word ON children (word);
    CREATE VIEW words AS SELECT id, count(*) FROM children GROUP BY id;
    CREATE VIEW grouped AS SELECT c.id, c.word FROM children c GROUP BY c.id;
    CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS children FROM children;
    CREATE UNIQUE INDEX one_total ON totals (children);
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON children FOR EACH ROW EXECUTE FUNCTION refuse();
    ALTER TABLE children ENABLE ROW LEVEL SECURITY;
    CREATE POLICY all_of_them ON children USING (true);
    COMMENT ON INDEX by_word IS 'a comment';
    CREATE STATISTICS both_columns ON parent, word FROM children;
"""
FAMILY_ROWS = """
    SET session_replication_role = replica;
    INSERT INTO parents SELECT i, 'parent ' || i FROM generate_series(1, 50) i;
    INSERT INTO children SELECT i, i % 50 + 1, 'word ' || i FROM generate_series(1, 500) i;
    REFRESH MATERIALIZED VIEW totals;
"""


def archive_of(database: Database, folder: Path, form: str = "custom", **options: Any) -> ArchiveOptions:
    """An archive of the schema of ``database``."""
    path = folder / f"{database.name}.{form}"
    command = [
        str(database.server.tool("pg_dump")),
        "--schema-only",
        f"--format={form}",
        f"--file={path}",
        database.dsn,
    ]
    subprocess.run(command, check=True)
    return ArchiveOptions(path, database.server.bin_dir, **options)


def create_creator(database: Database) -> str:
    """A role that may create things in ``database``, and nothing else."""
    role = f"creator_{database.name}"
    database.execute(f"CREATE ROLE {role} LOGIN; GRANT CREATE ON DATABASE {database.name} TO {role}")
    database.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
    return role


@pytest.fixture
def source(make_database: MakeDatabase) -> Database:
    database = make_database()
    database.execute(FAMILY + FAMILY_ROWS)
    return database


@on_both_engines
@pytest.mark.parametrize("form", ["custom", "directory"])
async def test_an_empty_database_becomes_what_the_source_is(
    source: Database, database: Database, tmp_path: Path, form: str
) -> None:
    exported = await export_database(source, tmp_path / "export")
    role = create_creator(database)
    await restore_export(exported, database, user=role, schema=archive_of(source, tmp_path, form))
    assert await find_differences(source, database) == []
    assert dump_without_owners(database) == dump_without_owners(source)
    assert await fetch(database, "SELECT children FROM totals") == [(500,)]
    assert await fetch(database, "SELECT count(*) FROM pg_namespace WHERE nspname = 'dbrestore'") == [(0,)]
    owners = "SELECT DISTINCT tableowner::text FROM pg_tables WHERE schemaname = 'public'"
    assert await fetch(database, owners) == [(role,)]


def dump_without_owners(database: Database) -> str:
    lines = (dump_schema(database) or "").splitlines()
    ours = (line for line in lines if not line.startswith(("ALTER", "--", "GRANT", "REVOKE")) or "OWNER TO" not in line)
    return "\n".join(line for line in ours if line and not line.startswith(("--", "GRANT", "REVOKE")))


async def test_all_of_the_sample_comes_back(
    make_database: MakeDatabase, template: MakeTemplate, tmp_path: Path
) -> None:
    source = make_database(template(f"{Sample.SHOP} rows", schema_sql() + data_sql()))
    target = make_database()
    exported = await export_database(source, tmp_path / "export")
    await restore_export(exported, target, schema=archive_of(source, tmp_path))
    assert await find_differences(source, target) == []
    assert dump_schema(target) == dump_schema(source)


async def test_rows_that_break_a_key_are_told_of_and_everything_else_is_made(
    source: Database, database: Database, tmp_path: Path
) -> None:
    schema = archive_of(source, tmp_path)
    source.execute("SET session_replication_role = replica; UPDATE children SET parent = 99 WHERE id = 7")
    source.execute("ALTER TABLE parents DROP CONSTRAINT parents_pkey CASCADE; INSERT INTO parents VALUES (1)")
    exported = await export_database(source, tmp_path / "export")
    with pytest.raises(SeveralProblemsError) as caught:
        await restore_export(exported, database, schema=schema)
    unique, *_ = caught.value.problems
    assert isinstance(unique, ConstraintError)
    assert unique.message.startswith("making constraint public parents parents_pkey: could not create unique index")
    assert unique.message.endswith("it is not made")
    assert caught.value.exit_code == 4
    assert await fetch(database, "SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'") == [(3,)]


async def test_a_foreign_key_that_rows_break_is_left_not_valid(
    source: Database, database: Database, tmp_path: Path
) -> None:
    schema = archive_of(source, tmp_path)
    source.execute("SET session_replication_role = replica; UPDATE children SET parent = 99 WHERE id IN (7, 8)")
    exported = await export_database(source, tmp_path / "export")
    with pytest.raises(ConstraintError) as caught:
        await restore_export(exported, database, schema=schema)
    assert caught.value.exit_code == 5
    assert "rows without a match: 2, with the keys (99); it is there, but NOT VALID" in caught.value.message
    assert caught.value.hint == 'Repair the rows, then ALTER TABLE "public"."children" VALIDATE CONSTRAINT "known".'
    assert await fetch(database, "SELECT conname::text, convalidated FROM pg_constraint WHERE contype = 'f'") == [
        ("known", False)
    ]
    assert await fetch(database, "SELECT count(*) FROM pg_trigger WHERE tgname = 'refuse'") == [(1,)]


async def test_a_run_that_made_half_of_the_keys_makes_the_others(
    source: Database, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported, schema = await export_database(source, tmp_path / "export"), archive_of(source, tmp_path)
    make = Archive.make

    async def make_half(self: Archive, section: str, entries: Sequence[Entry], *rest: Any) -> Output:
        await make(self, section, entries[: len(entries) // 2], *rest)
        raise TargetError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "make", make_half)
        with pytest.raises(TargetError, match="killed"):
            await restore_export(exported, database, schema=schema)
    with pytest.raises(UnfinishedRunError):
        await restore_export(exported, database, schema=schema)
    with pytest.raises(UnfinishedRunError, match="the run began with --schema"):
        await restore_export(exported, database, unfinished=Unfinished.RESUME)
    await restore_export(exported, database, schema=schema, unfinished=Unfinished.RESUME)
    assert await find_differences(source, database) == []
    assert dump_schema(database) == dump_schema(source)


async def test_a_run_that_made_half_of_the_tables_makes_the_others_whatever_is_asked_for(
    source: Database, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported, schema = await export_database(source, tmp_path / "export"), archive_of(source, tmp_path)
    monkeypatch.setattr(schemas, "ENTRIES_AT_A_TIME", 2)
    run_script, runs = failures.run_script, []

    async def run_some(*arguments: Any) -> None:
        runs.append(arguments)
        if len(runs) == 3:
            raise TargetError("killed")
        await run_script(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(schemas, "run_script", run_some)
        with pytest.raises(TargetError, match="killed"):
            await restore_export(exported, database, schema=schema)
    await restore_export(exported, database, schema=schema)
    assert await find_differences(source, database) == []
    assert dump_schema(database) == dump_schema(source)


async def test_a_restart_keeps_the_schema_and_loads_anew(
    source: Database, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported, schema = await export_database(source, tmp_path / "export"), archive_of(source, tmp_path)

    async def fail(*_: Any) -> Output:
        raise TargetError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "make", fail)
        for unfinished in (Unfinished.REFUSE, Unfinished.RESTART):
            with pytest.raises(TargetError, match="killed"):
                await restore_export(exported, database, schema=schema, unfinished=unfinished)
    await restore_export(exported, database, schema=schema, unfinished=Unfinished.RESTART)
    assert await find_differences(source, database) == []
    assert dump_schema(database) == dump_schema(source)


async def test_an_abort_keeps_the_rows_and_says_what_is_not_made(
    source: Database, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported, schema = await export_database(source, tmp_path / "export"), archive_of(source, tmp_path)

    async def fail(*_: Any) -> Output:
        raise TargetError("killed")

    monkeypatch.setattr(Archive, "make", fail)
    with pytest.raises(TargetError, match="killed"):
        await restore_export(exported, database, schema=schema)
    assert "nothing of what comes after the rows" in await abort_restore(database)
    assert await fetch(database, "SELECT count(*) FROM children") == [(500,)]


async def test_another_archive_cannot_go_on_with_what_one_began(
    source: Database, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported, schema = await export_database(source, tmp_path / "export"), archive_of(source, tmp_path)

    async def fail(*_: Any) -> Output:
        raise TargetError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "make", fail)
        with pytest.raises(TargetError, match="killed"):
            await restore_export(exported, database, schema=schema)
    source.execute("CREATE TABLE another (id int)")
    (tmp_path / "new").mkdir()
    with pytest.raises(UnfinishedRunError, match="the schema of another archive half made"):
        await restore_export(
            exported, database, schema=archive_of(source, tmp_path / "new"), unfinished=Unfinished.RESUME
        )


async def test_tables_that_are_there_already_are_not_made_again(source: Database, tmp_path: Path) -> None:
    exported, schema = await export_database(source, tmp_path / "export"), archive_of(source, tmp_path)
    with pytest.raises(SchemaError, match=r"already: public\.children, public\.parents"):
        await restore_export(exported, source, schema=schema)


async def test_an_extension_that_the_role_may_not_create_is_told_of_and_can_be_left_out(
    source: Database, database: Database, tmp_path: Path
) -> None:
    source.execute("CREATE EXTENSION IF NOT EXISTS pageinspect")
    exported, schema = await export_database(source, tmp_path / "export"), archive_of(source, tmp_path)
    role = create_creator(database)
    with pytest.raises(PrivilegeError, match="may not create the extension pageinspect"):
        await restore_export(exported, database, user=role, schema=schema)
    schema = archive_of(source, tmp_path, skip_extensions=("pageinspect",))
    await restore_export(exported, database, user=role, schema=schema)
    assert await find_differences(source, database) == []


async def test_owners_and_privileges_are_kept_where_that_is_wanted(
    source: Database, database: Database, tmp_path: Path
) -> None:
    role = f"seller_{source.name}"
    source.execute(f"CREATE ROLE {role}; ALTER TABLE parents OWNER TO {role}; GRANT SELECT ON children TO {role}")
    exported = await export_database(source, tmp_path / "export")
    await restore_export(exported, database, schema=archive_of(source, tmp_path, keep_owners=True))
    assert dump_schema(database) == dump_schema(source)


async def test_what_cannot_be_made_is_named_with_the_words_of_the_server(
    source: Database, database: Database, tmp_path: Path
) -> None:
    role = f"gone_{source.name}"
    source.execute(f"CREATE ROLE {role}; ALTER TABLE parents OWNER TO {role}")
    exported = await export_database(source, tmp_path / "export")
    schema = archive_of(source, tmp_path, keep_owners=True)
    source.execute(f"ALTER TABLE parents OWNER TO postgres; DROP ROLE {role}")
    with pytest.raises(TargetError, match=f'making table public parents of .*role "{role}" does not exist'):
        await restore_export(exported, database, schema=schema)


async def test_a_damaged_archive_is_told_of(source: Database, database: Database, tmp_path: Path) -> None:
    exported, schema = await export_database(source, tmp_path / "export"), archive_of(source, tmp_path)
    schema.path.write_bytes(schema.path.read_bytes()[:200])
    with pytest.raises(UsageError, match="pg_restore cannot read"):
        await restore_export(exported, database, schema=schema)
