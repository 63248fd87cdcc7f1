"""DuckDB: its postgres extension, INSERT … SELECT from ``read_parquet``, as many connections as there are jobs."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.suite.loaders.parts import in_threads, read_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.suite.loaders.parts import Part

WHEEL = "duckdb_extension_postgres_scanner"
"""Holds the extension, which DuckDB would otherwise download; DuckDB checks its signature."""


def main() -> None:
    """Load what the command line says."""
    duckdb: Any = import_module("duckdb")
    order = read_order()
    extension = find_extension()

    def load(parts: Sequence[Part]) -> None:
        with duckdb.connect(config={"threads": 1}) as database:
            database.execute(f"LOAD '{extension}'")
            database.execute(f"ATTACH '{order.dsn}' AS target (TYPE postgres)")
            for part in parts:
                # The order of columns is the table's, and strings are cast to the types that DuckDB sees there.
                rows = f"SELECT * FROM read_parquet('{part.path}')"
                database.execute(f"INSERT INTO target.public.{part.table} BY NAME {rows}")

    in_threads(order, load)


def find_extension() -> Path:
    """The extension's file in its wheel. Raises ModuleNotFoundError."""
    spec = find_spec(WHEEL)
    if spec is None:
        raise ModuleNotFoundError(f"no module named {WHEEL}", name=WHEEL)
    folders = map(Path, spec.submodule_search_locations or ())
    return next(file for folder in folders for file in folder.rglob("postgres_scanner.duckdb_extension"))


if __name__ == "__main__":
    main()
