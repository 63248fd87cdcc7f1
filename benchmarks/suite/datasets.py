"""What is restored: the schema, the rows and the keys of each data set, in SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import tpch
from benchmarks.tables import FILL_TWELVE_COLUMNS, TWELVE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class DataSet:
    """Tables, rows for them, and the keys and indexes that they have after a restore."""

    name: str
    title: str
    tables: str
    fill: str
    keys: str = ""
    rows_per_part: int = 100_000


def make(scale: float) -> dict[str, DataSet]:
    """All data sets by their names; ``scale`` 1 is their full size."""
    return {data_set.name: data_set for data_set in (maker(scale) for maker in _MAKERS)}


def _twelve_columns(scale: float) -> DataSet:
    rows = int(2_000_000 * scale)
    title = f"One table of twelve columns, {rows:,} rows in 8 parts, no index"
    return DataSet("twelve", title, TWELVE_COLUMNS, FILL_TWELVE_COLUMNS.format(rows=rows), rows_per_part=-(-rows // 8))


def _tpch(scale: float) -> DataSet:
    factor = scale / 2
    title = f"TPC-H at scale {factor:g}, 8 tables with their primary and foreign keys"
    return DataSet("tpch", title, tpch.TABLES, tpch.fill(factor), tpch.KEYS, 250_000)


def _wide(scale: float) -> DataSet:
    rows = int(100_000 * scale)
    title = f"One table of wide text and jsonb, {rows:,} rows of about 3 kB, a primary key"
    tables = """
        CREATE TABLE documents (
            id bigint NOT NULL, title text NOT NULL, body text NOT NULL, details jsonb NOT NULL, created timestamptz
        );
    """
    # Text that compresses as prose does, roughly: words out of a small vocabulary.
    fill = f"""
        INSERT INTO documents
        SELECT i, 'document ' || i,
               (SELECT string_agg(substr(md5((n * i % 2000)::text), 1, 3 + n % 7), ' ')
                  FROM generate_series(1, 100 + i % 200) AS n),
               (SELECT jsonb_object_agg('key ' || n, jsonb_build_array(n * i, md5((n * i % 500)::text), n % 2 = 0))
                  FROM generate_series(1, 20 + i % 20) AS n),
               timestamptz '2024-01-01' + i * interval '17 seconds'
          FROM generate_series(1, {rows}) AS i
    """
    return DataSet("wide", title, tables, fill, "ALTER TABLE documents ADD PRIMARY KEY (id)", 10_000)


def _huge_beside_small(scale: float) -> DataSet:
    rows, tables = int(1_500_000 * scale), max(1, int(200 * scale))
    title = f"One table of twelve columns with {rows:,} rows beside {tables:,} of 100 rows, primary keys on the small"
    return DataSet(
        "skewed",
        title,
        TWELVE_COLUMNS + ";" + _small_tables(tables),
        FILL_TWELVE_COLUMNS.format(rows=rows) + ";" + _fill_small_tables(tables),
        _small_keys(tables),
    )


def _many_small(scale: float) -> DataSet:
    tables = max(1, int(2_000 * scale))
    title = f"{tables:,} tables of 100 rows with primary keys"
    return DataSet("small", title, _small_tables(tables), _fill_small_tables(tables), _small_keys(tables))


def _indexed(scale: float) -> DataSet:
    rows = int(200_000 * scale)
    title = f"Four tables, {rows * 7:,} rows, three indexes each and foreign keys"
    return DataSet("indexed", title, _INDEXED, _FILL_INDEXED.format(rows=rows), _INDEXED_KEYS)


def _small_tables(tables: int) -> str:
    columns = "id integer NOT NULL, name text NOT NULL, amount numeric(10,2), created timestamptz"
    return _for_each(tables, f"CREATE TABLE small_%s ({columns})")


def _fill_small_tables(tables: int) -> str:
    row = "i, ''name '' || i, i / 7.0, timestamptz ''2024-01-01'' + i * interval ''1 hour''"
    return _for_each(tables, f"INSERT INTO small_%s SELECT {row} FROM generate_series(1, 100) AS i")


def _small_keys(tables: int) -> str:
    return _for_each(tables, "ALTER TABLE small_%s ADD PRIMARY KEY (id)")


def _for_each(tables: int, statement: str) -> str:
    """A block that runs ``statement`` with the number of each table in place of ``%s``."""
    return f"""
        DO $$ BEGIN
            FOR n IN 1..{tables} LOOP EXECUTE format('{statement}', to_char(n, 'FM00000')); END LOOP;
        END $$;
    """


_INDEXED = """
    CREATE TABLE customers (
        id bigint NOT NULL, email text NOT NULL, city text NOT NULL, created timestamptz NOT NULL
    );
    CREATE TABLE purchases (
        id bigint NOT NULL, customer bigint NOT NULL, placed timestamptz NOT NULL, total numeric(12,2) NOT NULL
    );
    CREATE TABLE items (
        id bigint NOT NULL, purchase bigint NOT NULL, product integer NOT NULL, quantity integer NOT NULL, note text
    );
    CREATE TABLE payments (
        id bigint NOT NULL, purchase bigint NOT NULL, reference uuid NOT NULL, paid timestamptz, amount numeric(12,2)
    );
"""

_FILL_INDEXED = """
    INSERT INTO customers
    SELECT i, md5(i::text) || '@example.com', 'city ' || i % 997, timestamptz '2020-01-01' + i * interval '1 minute'
      FROM generate_series(1, {rows}) AS i;
    INSERT INTO purchases
    SELECT i, i::bigint * 7919 % {rows} + 1, timestamptz '2024-01-01' + i * interval '11 seconds', i % 100000 / 100.0
      FROM generate_series(1, 2 * {rows}) AS i;
    INSERT INTO items
    SELECT i, (i + 1) / 2, i * 31::bigint % 5003, i % 9 + 1, CASE WHEN i % 3 = 0 THEN 'note ' || i END
      FROM generate_series(1, 3 * {rows}) AS i;
    INSERT INTO payments
    SELECT i, i, md5(i::text)::uuid, timestamptz '2024-01-02' + i * interval '11 seconds', i % 100000 / 100.0
      FROM generate_series(1, {rows}) AS i;
"""

_INDEXED_KEYS = """
    ALTER TABLE customers ADD PRIMARY KEY (id);
    CREATE UNIQUE INDEX ON customers (email);
    CREATE INDEX ON customers (city, created);
    ALTER TABLE purchases ADD PRIMARY KEY (id);
    CREATE INDEX ON purchases (customer);
    CREATE INDEX ON purchases (placed);
    ALTER TABLE items ADD PRIMARY KEY (id);
    CREATE INDEX ON items (purchase);
    CREATE INDEX ON items (product, quantity);
    ALTER TABLE payments ADD PRIMARY KEY (id);
    CREATE UNIQUE INDEX ON payments (reference);
    CREATE INDEX ON payments (paid);
    ALTER TABLE purchases ADD FOREIGN KEY (customer) REFERENCES customers;
    ALTER TABLE items ADD FOREIGN KEY (purchase) REFERENCES purchases;
    ALTER TABLE payments ADD FOREIGN KEY (purchase) REFERENCES purchases;
"""

_MAKERS: tuple[Callable[[float], DataSet], ...] = (
    _twelve_columns,
    _tpch,
    _wide,
    _huge_beside_small,
    _many_small,
    _indexed,
)
