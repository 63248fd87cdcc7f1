from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pyarrow as pa
import pytest

from dbrestore.wire.fields import UnencodableError
from tests.integration.encoding import find_encoder_of, printed, sent_by_server, stream
from tests.integration.round_trip import export_database, find_differences, restore_export

if TYPE_CHECKING:
    from pathlib import Path

    from dbrestore.testing.databases import Database, MakeDatabase
    from tests.integration.encoding import Encode

SHAPES = [
    "POINT EMPTY", "POINT(1 -2.5)", "SRID=4326;POINT(7.25 50.125)", "POINT ZM (1 2 3 4)",
    "LINESTRING(0 0,1e300 1e-300)", "SRID=3857;POLYGON((0 0,4 0,4 4,0 4,0 0),(1 1,2 1,2 2,1 1))",
    "MULTIPOINT Z ((1 2 3),(4 5 6))",
    "GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))", "CIRCULARSTRING(0 0,1 1,2 0)",
]  # fmt: skip
VECTORS = ["[1]", "[1,2.5,-3]", "[0,-0,1e-45]", "[3.4028235e+38]", "[" + ",".join(["0.1"] * 2000) + "]"]


async def create_extension(database: Database, name: str) -> None:
    async with database.connect() as connection:
        try:
            await connection.execute(f"CREATE EXTENSION {name}")
        except (asyncpg.FeatureNotSupportedError, asyncpg.UndefinedFileError) as error:
            pytest.skip(f"the server lacks {name}: {error}")


async def encoder_of(connection: asyncpg.Connection, kind: str) -> Encode:
    encode = await find_encoder_of(connection, kind, pa.string())
    assert encode is not None
    return encode


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("geometry", SHAPES),
        ("geometry(Point,4326)", ["SRID=4326;POINT(1 2)"]),
        ("geography", ["SRID=4326;POINT(7.25 50.125)", "LINESTRING(0 0,1 1)"]),
    ],
)
async def test_shapes_are_encoded_as_the_server_sends_them(database: Database, kind: str, texts: list[str]) -> None:
    await create_extension(database, "postgis")
    async with database.connect() as connection:
        encode = await encoder_of(connection, kind)
        rows = [None, *await printed(connection, kind, texts), None]
        for batch in (rows, [row and row.lower() for row in rows], *([row] for row in rows)):
            array = pa.array(batch, pa.string())
            assert stream(array, encode) == await sent_by_server(connection, kind, batch)
        assert await find_encoder_of(connection, f"{kind}[]", pa.string()) is None


@pytest.mark.parametrize("bad", ["0", "0101G0", "POINT(1 2)"])
async def test_what_is_not_hexadecimal_is_no_shape(database: Database, bad: str) -> None:
    await create_extension(database, "postgis")
    async with database.connect() as connection:
        encode = await encoder_of(connection, "geometry")
    with pytest.raises(UnencodableError, match="is not in hexadecimal form") as caught:
        encode(pa.array(["0101", None, bad, "0101"]))
    assert (caught.value.row, caught.value.value) == (2, bad)


async def test_shapes_come_back_equal(make_database: MakeDatabase, tmp_path: Path) -> None:
    source, target = make_database(), make_database()
    for database in (source, target):
        await create_extension(database, "postgis")
        database.execute("CREATE TABLE places (id int, spot geometry, area geography, several geometry[])")
    shapes = ", ".join(f"({number}, '{shape}')" for number, shape in enumerate(SHAPES))
    source.execute(f"""
        INSERT INTO places (id, spot) VALUES {shapes};
        UPDATE places SET area = 'POINT(1 2)', several = ARRAY[spot, NULL, spot] WHERE id < 3;
    """)
    await restore_export(await export_database(source, tmp_path), target)
    assert await find_differences(source, target) == []


@pytest.mark.parametrize("kind", ["vector", "vector(3)"])
async def test_vectors_are_encoded_as_the_server_sends_them(database: Database, kind: str) -> None:
    await create_extension(database, "vector")
    texts = [text for text in VECTORS if kind == "vector" or text.count(",") == 2]
    async with database.connect() as connection:
        encode = await encoder_of(connection, kind)
        rows = [None, *await printed(connection, kind, texts), None]
        for batch in (rows, *([row] for row in rows)):
            array = pa.array(batch, pa.string())
            assert stream(array, encode) == await sent_by_server(connection, kind, batch)


async def test_vectors_come_back_equal(make_database: MakeDatabase, tmp_path: Path) -> None:
    source, target = make_database(), make_database()
    for database in (source, target):
        await create_extension(database, "vector")
        database.execute("CREATE TABLE items (id int, v vector, several vector[], half halfvec, sparse sparsevec)")
    source.execute("""
        INSERT INTO items VALUES
            (1, '[1,2.5]', '{"[1,2]",NULL,"[3]"}', '[1,0.5]', '{1:1.5,3:2}/5'), (2, NULL, '{}', NULL, NULL);
        INSERT INTO items SELECT n, ARRAY[n, n / 3.0, -n]::vector FROM generate_series(10, 300) AS n;
    """)
    await restore_export(await export_database(source, tmp_path), target)
    assert await find_differences(source, target) == []
