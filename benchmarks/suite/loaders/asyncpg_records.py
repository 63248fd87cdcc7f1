"""Row by row: a Python tuple for each row, and asyncpg's ``copy_records_to_table``."""

from __future__ import annotations

import asyncio

import asyncpg
import pyarrow.parquet as pq

from benchmarks.suite.loaders.parts import Order, read_order
from benchmarks.suite.loaders.typing_columns import COLUMN_TYPES, typed


async def load(order: Order) -> None:
    """Load the first rows of the largest part, or all parts where no number is given."""
    connection = await asyncpg.connect(order.dsn)
    try:
        for part in order.parts() if order.rows is None else order.parts()[:1]:
            found = await connection.fetch(COLUMN_TYPES.format(table=part.table))
            types = {name: (kind, modifier) for name, kind, modifier in found}
            table = typed(pq.ParquetFile(part.path).read().slice(0, order.rows), types)
            records = zip(*(column.to_pylist() for column in table.columns), strict=True)
            await connection.copy_records_to_table(part.table, records=records, columns=table.column_names)
    finally:
        await connection.close()


if __name__ == "__main__":
    asyncio.run(load(read_order()))
