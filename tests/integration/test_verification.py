from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from dbrestore.databases import Databases
from dbrestore.errors import SchemaError
from dbrestore.export.local import LocalStorage
from dbrestore.planning.choices import Choices, PartitionFolders
from dbrestore.target.connect import ConnectionSettings
from dbrestore.testing.sample import Sample, data_sql, schema_sql
from dbrestore.verification import search, stored
from dbrestore.verify import Verified, verify
from tests.integration.round_trip import export_database, restore_export

if TYPE_CHECKING:
    from pathlib import Path

    from dbrestore.testing.databases import Database, MakeDatabase, MakeTemplate

ITEMS = "CREATE TABLE items (id int PRIMARY KEY, name text, price numeric(8,2), code char(5));"
ROWS = "INSERT INTO items SELECT i, 'item ' || i, i / 3.0, 'c' || i % 9 FROM generate_series(1, 5000) i;"


async def verify_export(
    folder: Path, database: Database, *, deep: bool = True, user: str | None = None, **choices: Any
) -> Verified:
    connection = ConnectionSettings(SecretStr(database.dsn), user=user)
    [verified] = await verify(LocalStorage(folder), connection, Databases(), Choices(**choices), is_deep=deep, jobs=2)
    return verified


async def restored(database: Database, folder: Path, sql: str) -> Path:
    """An export of what ``sql`` makes, whose rows are in ``database`` as well."""
    database.execute(sql)
    return await export_database(database, folder, rows_per_part=1000)


def messages(verified: Verified) -> list[str]:
    return [problem.message for problem in verified.problems]


async def test_a_restored_database_has_the_rows_of_the_export(make_database: MakeDatabase, tmp_path: Path) -> None:
    source, target = make_database(), make_database()
    source.execute(ITEMS + ROWS)
    exported = await export_database(source, tmp_path, rows_per_part=700)
    target.execute(ITEMS)
    await restore_export(exported, target)
    verified = await verify_export(exported, target)
    assert messages(verified) == []
    assert [(verdict.found, verdict.is_content_compared) for verdict in verified.verdicts] == [(5000, True)]


@pytest.mark.parametrize("deep", [False, True])
async def test_rows_that_are_missing_are_told_of(database: Database, tmp_path: Path, deep: bool) -> None:
    exported = await restored(database, tmp_path, ITEMS + ROWS)
    database.execute("DELETE FROM items WHERE id = 1234")
    [message] = messages(await verify_export(exported, database, deep=deep))
    assert message.startswith("public.items has 4999 rows, its parts in the export have 5000")
    if deep:
        assert "1 rows only in the export, 0 only in the target" in message
        assert ".parquet, row 234: (id=1234, name='item 1234', price='411.33', code='c1   ')" in message


async def test_a_value_that_differs_is_shown_from_both_sides(database: Database, tmp_path: Path) -> None:
    exported = await restored(database, tmp_path, ITEMS + ROWS)
    database.execute("UPDATE items SET name = 'other', price = NULL WHERE id = 7")
    assert messages(await verify_export(exported, database, deep=False)) == []
    [message] = messages(await verify_export(exported, database))
    assert message.startswith("public.items has other rows than its parts in the export:")
    assert "only in the export: public/" not in message
    assert "row 7: (id=7, name='item 7', price='2.33', code='c7   ')" in message
    assert "only in the target: (id='7', name='other', price=None, code='c7')" in message


async def test_the_order_of_rows_does_not_matter_but_their_number_does(database: Database, tmp_path: Path) -> None:
    sql = "CREATE TABLE log (word text); INSERT INTO log SELECT i % 3 FROM generate_series(1, 300) i;"
    exported = await restored(database, tmp_path, sql)
    database.execute("CREATE TABLE kept AS TABLE log; TRUNCATE log; INSERT INTO log SELECT * FROM kept ORDER BY 1 DESC")
    database.execute("DROP TABLE kept")
    assert messages(await verify_export(exported, database)) == []
    database.execute("UPDATE log SET word = '1' WHERE ctid = (SELECT min(ctid) FROM log WHERE word = '2')")
    [message] = messages(await verify_export(exported, database))
    assert "1 rows only in the export, 1 only in the target" in message


async def test_values_that_are_only_written_in_another_way_are_equal(database: Database, tmp_path: Path) -> None:
    """What RDS has as text may have been printed under other settings; here it is another type that printed it."""
    columns = ("data", "price", "tags", "span", "amount")
    written = "'{\"b\":1,   \"a\":2}', '1.5', '{ 1,2 }', '[1,5]', '1234.5'"
    database.execute(f"CREATE TABLE t ({', '.join(f'{name} text' for name in columns)}, id bool)")
    database.execute(f"INSERT INTO t SELECT {written}, true FROM generate_series(1, 10)")
    exported = await export_database(database, tmp_path)
    database.execute(
        """
        ALTER TABLE t ALTER data TYPE jsonb USING data::jsonb, ALTER price TYPE numeric(6,2) USING price::numeric,
            ALTER tags TYPE int[] USING tags::int[], ALTER span TYPE int4range USING span::int4range,
            ALTER amount TYPE money USING amount::money
        """
    )
    assert messages(await verify_export(exported, database)) == []
    database.execute("UPDATE t SET amount = '1234.51' WHERE ctid = (SELECT min(ctid) FROM t)")
    [message] = messages(await verify_export(exported, database))
    assert "1 rows only in the export, 1 only in the target" in message


async def test_a_role_without_temporary_tables_is_told_what_it_cannot_know(database: Database, tmp_path: Path) -> None:
    exported = await restored(database, tmp_path, "CREATE TABLE t (j text); INSERT INTO t VALUES ('{\"a\":1}');")
    role = f"reader_{database.name}"
    database.execute(f"CREATE ROLE {role} LOGIN; GRANT SELECT ON t TO {role}")
    database.execute(f"REVOKE TEMPORARY ON DATABASE {database.name} FROM PUBLIC")
    assert messages(await verify_export(exported, database, user=role)) == []
    database.execute("ALTER TABLE t ALTER j TYPE jsonb USING j::jsonb")
    [message] = messages(await verify_export(exported, database, user=role))
    assert "some may only be written in another way" in message


async def test_a_large_table_is_read_in_ranges_of_pages(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = await restored(database, tmp_path, ITEMS + ROWS)
    monkeypatch.setattr(stored, "BLOCKS_PER_RANGE", 7)
    assert messages(await verify_export(exported, database)) == []


async def test_more_differences_than_there_is_room_for_are_told_of_as_some(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = await restored(database, tmp_path, ITEMS + ROWS)
    monkeypatch.setattr(search, "MOST_ROWS", 100)
    database.execute("UPDATE items SET name = 'other'")
    [message] = messages(await verify_export(exported, database))
    assert "at least" in message
    assert message.count("only in the export: ") == search.MOST_SHOWN
    assert message.count("only in the target: ") == search.MOST_SHOWN


@pytest.mark.parametrize("sample", [Sample.SHOP, Sample.EVERY_TYPE, Sample.CONTRIB_TYPES])
async def test_all_types_are_equal_at_the_first_look(
    sample: Sample, make_database: MakeDatabase, template: MakeTemplate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_database(template(f"{sample} rows", schema_sql(sample) + data_sql(sample)))
    exported = await export_database(source, tmp_path)

    async def refuse(self: search.Search) -> None:
        raise AssertionError(self.table.table.dotted)

    monkeypatch.setattr(search.Search, "run", refuse)
    assert messages(await verify_export(exported, source)) == []


async def test_each_partition_is_compared_once_whichever_folder_is_read(database: Database, tmp_path: Path) -> None:
    sql = """
        CREATE TABLE days (day int, note text) PARTITION BY RANGE (day);
        CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (0) TO (10);
        CREATE TABLE days_2 (note text, day int);
        ALTER TABLE days ATTACH PARTITION days_2 FOR VALUES FROM (10) TO (20);
        INSERT INTO days SELECT i % 20, 'note' FROM generate_series(1, 100) i;
    """
    exported = await restored(database, tmp_path, sql)
    for folders in (PartitionFolders.LEAVES, PartitionFolders.VIA_PARENT):
        verified = await verify_export(exported, database, partitions=folders)
        assert sum(verdict.found for verdict in verified.verdicts) == 100
        assert messages(verified) == []
    database.execute("UPDATE days SET note = 'other' WHERE day = 15")
    [message] = messages(await verify_export(exported, database, partitions=PartitionFolders.VIA_PARENT))
    assert "5 rows only in the export, 5 only in the target" in message
    assert "only in the target: (day='15', note='other')" in message


async def test_columns_of_one_side_are_not_compared_and_told_of(database: Database, tmp_path: Path) -> None:
    exported = await restored(database, tmp_path, ITEMS + ROWS)
    database.execute(
        """
        ALTER TABLE items ADD added timestamptz NOT NULL DEFAULT now(), DROP price,
            ADD twice int GENERATED ALWAYS AS (id * 2) STORED;
        """
    )
    with pytest.raises(SchemaError, match="in the export but not in the target: price"):
        await verify_export(exported, database)
    verified = await verify_export(exported, database, ignore_extra_columns=("price",))
    assert messages(verified) == []
    assert "columns of public.items in the target but not in the export, and not compared: added (default)" in (
        verified.findings.notes
    )


async def test_renamed_and_selected_tables_are_compared(database: Database, tmp_path: Path) -> None:
    sql = ITEMS + ROWS + "CREATE TABLE other (id int); INSERT INTO other VALUES (1);"
    exported = await restored(database, tmp_path, sql)
    database.execute("CREATE SCHEMA shop; ALTER TABLE items SET SCHEMA shop; DELETE FROM other")
    verified = await verify_export(
        exported, database, map_tables=(("public.items", "shop.items"),), include_tables=("items",)
    )
    assert messages(verified) == []
    assert [verdict.table.table.dotted for verdict in verified.verdicts] == ["shop.items"]


async def test_rows_of_heirs_are_not_taken_for_those_of_their_parent(database: Database, tmp_path: Path) -> None:
    sql = """
        CREATE TABLE people (name text); CREATE TABLE staff (pay int) INHERITS (people);
        INSERT INTO people VALUES ('a'); INSERT INTO staff VALUES ('b', 1), ('c', 2);
    """
    exported = await restored(database, tmp_path, sql)
    assert messages(await verify_export(exported, database)) == []
