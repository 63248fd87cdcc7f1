from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbrestore.errors import SeveralProblemsError, VerificationError
from tests.integration.round_trip import export_database, fetch, restore_export

if TYPE_CHECKING:
    from pathlib import Path

    from dbrestore.testing.databases import Database

TABLES = "CREATE TABLE items (id int); CREATE TABLE log (id int);"
ROWS = "INSERT INTO items SELECT generate_series(1, 10); INSERT INTO log VALUES (1);"


async def restore_with(database: Database, folder: Path, body: str) -> None:
    """Restore as a role that may not suspend the trigger of one of the tables."""
    role = f"writer_{database.name}"
    database.execute(TABLES + ROWS)
    exported = await export_database(database, folder)
    database.execute(
        f"""
        TRUNCATE items, log;
        CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT ON items, log TO {role};
        CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN {body} END $$;
        CREATE TRIGGER change BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION change();
        """
    )
    await restore_export(exported, database, user=role)


async def test_rows_that_a_trigger_leaves_out_are_found(database: Database, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match=r"public\.items, .*parquet: the server took 5 of 10 rows"):
        await restore_with(database, tmp_path, "IF NEW.id > 5 THEN RETURN NULL; END IF; RETURN NEW;")
    assert await fetch(database, "SELECT count(*) FROM items") == [(0,)]


async def test_rows_that_a_trigger_adds_to_another_table_are_found(database: Database, tmp_path: Path) -> None:
    with pytest.raises(VerificationError) as caught:
        await restore_with(database, tmp_path, "INSERT INTO public.log VALUES (NEW.id); RETURN NEW;")
    assert caught.value.message == "public.log has 11 rows, its parts in the export have 1"
    assert caught.value.exit_code == 6


async def test_every_table_that_differs_is_told_of(database: Database, tmp_path: Path) -> None:
    body = "INSERT INTO public.log VALUES (1); DELETE FROM public.items WHERE id = 1; RETURN NEW;"
    with pytest.raises(SeveralProblemsError) as caught:
        await restore_with(database, tmp_path, body)
    assert sorted(problem.message.partition(",")[0] for problem in caught.value.problems) == [
        "public.items has 9 rows",
        "public.log has 11 rows",
    ]
    assert caught.value.exit_code == 6
