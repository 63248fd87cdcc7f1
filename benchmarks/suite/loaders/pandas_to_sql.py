"""pandas: ``read_parquet`` and ``DataFrame.to_sql``, by psycopg2 and INSERT with many rows in each statement."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchmarks.suite.loaders.parts import read_order

ROWS_PER_STATEMENT = 1000


def main() -> None:
    """Load what the command line says."""
    pandas: Any = import_module("pandas")
    sqlalchemy: Any = import_module("sqlalchemy")
    order = read_order()
    engine = sqlalchemy.create_engine(order.dsn.replace("postgresql://", "postgresql+psycopg2://"))
    with engine.begin() as connection:
        for part in order.parts() if order.rows is None else order.parts()[:1]:
            frame = pandas.read_parquet(part.path).head(order.rows)
            frame.to_sql(
                part.table, connection, if_exists="append", index=False, method="multi", chunksize=ROWS_PER_STATEMENT
            )


if __name__ == "__main__":
    main()
