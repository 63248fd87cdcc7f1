"""Damaged exports: each is made from a number, and tried in the way that a restore would."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from dbrestore.errors import ExportError, PartError
from dbrestore.export.layout import read_export
from dbrestore.export.manifest import parse_tables_info
from dbrestore.export.parquet import read_footer
from dbrestore.export.rows import read_batches
from dbrestore.export.storage import Storage, StoredFile
from dbrestore.wire.fields import UnencodableError
from dbrestore.wire.registry import CopyFormat, PgType, WireColumn, find_encoder, stream_encoder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

ROWS = 40
BATCHES_TRIED = 50
KEY = "part-00000.gz.parquet"
MOST_CHANGES = 6
FOOTER_SHARE = 0.6
"""Of the changes to a part: a footer says what all else means."""
BYTES = (0x00, 0x01, 0x15, 0x16, 0x18, 0x19, 0x1C, 0x7F, 0x80, 0xFE, 0xFF)
NUMBERS = (b"\xff\xff\xff\xff\x0f", b"\xfe\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x80\x01", b"\xff" * 9 + b"\x01")
"""Varints: the largest ones, and some that are negative."""
NAMES = ("shop", "public.items", "..", ".", "", "_SUCCESS", "_temporary", "1", KEY, "a.b.c", "\x1b[2J", "x" * 300, "é")
TEXT_TARGETS = ("textrecv", "int4recv", "numeric_recv", "timestamptz_recv", "date_recv", "uuid_recv", "interval_recv")
OTHER_TARGETS = ("boolrecv", "bytearecv", "float8recv", "int8recv", "timestamp_recv", "numeric_recv")


@dataclass
class MemoryStorage(Storage):
    """An export that is nowhere but in memory."""

    content: dict[str, bytes]
    url: str = "memory"
    folders: list[str] = field(default_factory=list)

    async def list_files(self, prefix: str = "") -> AsyncIterator[StoredFile]:
        """All of them; the prefix is none here."""
        for key, data in self.content.items():
            if key.startswith(prefix):
                yield StoredFile(key, len(data), "1")

    async def list_folders(self) -> list[str]:
        """None."""
        return self.folders

    async def read_range(self, file: StoredFile, start: int, length: int) -> bytes:
        """A part of a file."""
        return self.content[file.key][start : start + length]

    def expect(self, file: StoredFile) -> None:
        """Nothing has to be brought."""

    def find(self, file: StoredFile) -> None:
        """Not needed."""

    async def fetch_few(self, files: Sequence[StoredFile]) -> list[Path]:
        """Not needed."""
        raise NotImplementedError

    def fetch(self, file: StoredFile) -> AbstractAsyncContextManager[Path]:
        """Not needed."""
        raise NotImplementedError


def try_case(number: int) -> str:
    """Make and read the damaged thing of this number: how that ended, where it ended as it should."""
    chance = Random(number)
    attempt = chance.choices([_try_part, _try_manifest, _try_layout], weights=[6, 2, 1])[0]
    try:
        attempt(chance)
    except (ExportError, UnencodableError) as error:
        return f"refused by {type(error).__name__}"
    return "read"


def damaged_part(chance: Random) -> bytes:
    """A part with a few bytes changed, most of them in the footer."""
    data = bytearray(chance.choice(parts()))
    for _ in range(chance.randint(1, MOST_CHANGES)):
        footer = int.from_bytes(data[-8:-4], "little") + 8
        from_end = chance.random() < FOOTER_SHARE and footer < len(data)
        start = len(data) - footer if from_end else 0
        _change(data, chance.randrange(start, max(start + 1, len(data))), chance)
        if not data:
            break
    return bytes(data)


def _change(data: bytearray, place: int, chance: Random) -> None:
    kind = chance.random()
    if kind < 0.5:
        data[place] ^= 1 << chance.randrange(8)
    elif kind < 0.75:
        data[place] = chance.choice(BYTES)
    elif kind < 0.9:
        number = chance.choice(NUMBERS)
        data[place : place + len(number)] = number
    elif kind < 0.96:
        del data[place : place + chance.randint(1, 20)]
    else:
        del data[place:]


def _try_part(chance: Random) -> None:
    data = damaged_part(chance)
    storage = MemoryStorage({KEY: data})
    footer = asyncio.run(read_footer(storage, StoredFile(KEY, len(data), "1")))
    if len(set(footer.schema.names)) < len(footer.schema.names):
        raise PartError("two columns of one name")
    columns = [WireColumn(each.name, each.type, _target(each.type, chance)) for each in footer.schema]
    is_binary = all(find_encoder(column.source, column.target) for column in columns)
    encoder = stream_encoder(columns, CopyFormat.BINARY if is_binary else CopyFormat.TEXT)
    for batch in islice(read_batches(pa.py_buffer(data), KEY, footer.schema.names), BATCHES_TRIED):
        for _ in encoder.encode(batch):
            pass


def _target(source: pa.DataType, chance: Random) -> PgType:
    receive = chance.choice(TEXT_TARGETS if pa.types.is_string(source) else OTHER_TARGETS)
    return PgType("any", receive)


def _try_manifest(chance: Random) -> None:
    data = bytearray(chance.choice(manifests()))
    for _ in range(chance.randint(1, MOST_CHANGES)):
        place = chance.randrange(len(data))
        if chance.random() < 0.5:
            _change(data, place, chance)
        else:
            data[place:place] = chance.choice(
                [b"[" * 500, b'{"a":', b"null", b"1e999", b'"\\u0000"', b'"\\ud800"', b"\xff"]
            )
        if not data:
            break
    for entry in parse_tables_info(bytes(data), "export_tables_info_x.json"):
        str(entry.is_empty_database)


def _try_layout(chance: Random) -> None:
    names = [*NAMES, *(f"export_info_{name}.json" for name in NAMES)]
    content = {"/".join(chance.choices(names, k=chance.randint(1, 5))): b"x" for _ in range(chance.randint(0, 12))}
    targets = [".".join(chance.choices(NAMES, k=chance.randint(0, 4))) for _ in range(chance.randint(0, 6))]
    entries = [{"target": target, "status": chance.choice(["COMPLETE", "FAILED", None])} for target in targets]
    content |= {
        "export_info_x.json": json.dumps({"exportTaskIdentifier": "x", "status": "COMPLETE"}).encode(),
        "export_tables_info_x.json": json.dumps({"perTableStatus": entries}).encode(),
    }
    asyncio.run(read_export(MemoryStorage(content)))


@cache
def parts() -> Sequence[bytes]:
    """Sound parts, as several writers make them."""
    options: Sequence[dict[str, Any]] = (
        {},
        {"use_dictionary": False},
        {"row_group_size": 7, "data_page_size": 64, "write_batch_size": 4},
        {"compression": "none"},
        {"compression": "snappy", "data_page_version": "2.0", "version": "2.6"},
        {"compression": "zstd", "write_page_index": True, "write_page_checksum": True},
        {"use_deprecated_int96_timestamps": True, "write_statistics": False},
    )
    return [_written(_table(), **each) for each in options]


def _written(table: pa.Table, **options: Any) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, **{"compression": "gzip", "version": "1.0", "store_schema": False, **options})
    return stream.getvalue()


def _table() -> pa.Table:
    moment = datetime(2026, 10, 6, 19, 35, tzinfo=UTC)
    columns: dict[str, Callable[[int], Any]] = {
        "id": int,
        "text": lambda n: f"{n}.5",
        "few": lambda n: ("a", "", None)[n % 3],
        "moment": lambda n: f"2026-10-06 19:35:{n:02}+00",
        "flag": lambda n: n % 2 == 0,
        "score": lambda n: n / 3,
        "bytes": lambda n: bytes([n]) * (n % 5),
        "amount": lambda n: Decimal(n) / 100,
        "due": lambda n: date(2020, 1, 1) + timedelta(days=n),
        "made": lambda n: moment + timedelta(hours=n),
    }
    return pa.table({name: [value(n) for n in range(ROWS)] for name, value in columns.items()})


@cache
def manifests() -> Sequence[bytes]:
    """Sound ones."""
    columns = [
        {"columnName": name, "originalType": "text", "expectedExportedType": "binary (UTF8)", "ordinalPosition": place}
        for place, name in enumerate(("id", "note"), start=1)
    ]
    entries: list[dict[str, Any]] = [
        {
            "target": "shop.public.items",
            "schemaMetadata": {"originalTypeMappings": columns},
            "status": "COMPLETE",
            "sizeGB": 0.5,
        },
        {"target": "empty", "warningMessage": {"skippedDatabase": [{"reason": "DATABASE_IS_EMPTY"}]}},
    ]
    return [json.dumps({"perTableStatus": entries}).encode(), json.dumps({"perTableStatus": []}).encode()]
