"""Settings for a bulk load, of a server that is one's own to set up and to restart."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

WORTH_FILE = Path(__file__).with_name("worth.json")
"""What is left of a restore's time and WAL with each setting: docs/performance.md, "Settings of the server"."""
MEBIBYTE = 1024**2
GIBIBYTE = 1024**3
USUAL_MEMORY = 4 * GIBIBYTE
"""Where the system does not tell how much there is."""
LEAST_BUFFERS = 128 * MEBIBYTE
MOST_BUFFERS = 16 * GIBIBYTE
LEAST_BUILD_MEMORY = 64 * MEBIBYTE
MOST_BUILD_MEMORY = GIBIBYTE
FEWEST_WORKERS, MOST_WORKERS = 2, 8
"""That help one index build. The first is the server's default."""


class Form(StrEnum):
    """How settings are written."""

    CONF = "conf"
    """Lines of postgresql.conf."""
    SQL = "sql"
    """ALTER SYSTEM statements."""
    COMPOSE = "compose"
    """Arguments of the server in a docker-compose file."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the server runs."""

    memory: int
    """Bytes."""
    cores: int


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, and what speaks for it."""

    name: str
    value: str
    reason: str
    needs_restart: bool = False
    endangers: str = ""
    """What is lost in a crash of the machine; empty if nothing that was there before the load."""


def this_machine() -> Machine:
    """The machine that dbrestore runs on."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else USUAL_MEMORY
    return Machine(memory, os.cpu_count() or 1)


def choose_settings(machine: Machine) -> tuple[Setting, ...]:
    """Settings for a server that has ``machine`` to itself while it is loaded."""
    buffers = _between(LEAST_BUFFERS, machine.memory // 4, MOST_BUFFERS)
    build_memory = _between(LEAST_BUILD_MEMORY, machine.memory // 16, MOST_BUILD_MEMORY)
    workers = _between(FEWEST_WORKERS, machine.cores // 2, MOST_WORKERS)
    return (
        Setting("wal_level", "minimal", "new tables and indexes need not be logged", needs_restart=True),
        Setting("max_wal_senders", "0", "wal_level = minimal asks for it", needs_restart=True),
        Setting("archive_mode", "off", "wal_level = minimal asks for it", needs_restart=True),
        Setting("max_wal_size", "16GB", "no checkpoint because of much WAL; takes as much disk at most"),
        Setting("checkpoint_timeout", "1h", "no checkpoint because of the time"),
        Setting("autovacuum", "off", "it would read what is being loaded; dbrestore analyzes at the end"),
        Setting("shared_buffers", _memory(buffers), "a quarter of the memory", needs_restart=True),
        Setting("maintenance_work_mem", _memory(build_memory), "index builds sort in memory"),
        Setting("max_parallel_maintenance_workers", str(workers), "they help with an index build"),
        Setting(
            "full_page_writes",
            "off",
            "pages are not logged whole",
            endangers="pages that were half written: the cluster",
        ),
        Setting("fsync", "off", "nothing waits for the disk", endangers="everything: the whole cluster"),
    )


def setting_lines(settings: Sequence[Setting], form: Form, *, unsafe: bool = False) -> Iterator[str]:
    """The settings in a form that the server takes, with comments; those that endanger data only if ``unsafe``."""
    safe = [setting for setting in settings if unsafe or not setting.endangers]
    yield from (f"{_COMMENTS[form]} {line}" for line in _WARNINGS)
    yield from _HEADS[form]
    for setting in safe:
        yield from _written(setting, form)
    if form is Form.SQL:
        yield "SELECT pg_reload_conf();"
    for setting in settings:
        if setting not in safe:
            yield f"{_COMMENTS[form]} left out, see --unsafe: {setting.name} = {setting.value}; {_danger(setting)}"


def undo_lines(settings: Sequence[Setting], form: Form) -> Iterator[str]:
    """How the settings go back to what they were."""
    if form is Form.SQL:
        yield "-- Then restart the server, and take a new base backup if there is an archive of WAL."
        yield from (f"ALTER SYSTEM RESET {setting.name};" for setting in settings)
        yield "SELECT pg_reload_conf();"
    else:
        yield "# Remove these, restart the server, and take a new base backup if there is an archive of WAL."
        yield from (f"# {setting.name}" for setting in settings)


_WARNINGS = (
    "For a bulk load, on a server that nobody else needs meanwhile. Restart it after setting these, and again after",
    "taking them back (`dbrestore tune --undo`): with wal_level = minimal it can neither be replicated nor backed up,",
    "and without autovacuum it must not stay.",
)
_COMMENTS = {Form.CONF: "#", Form.SQL: "--", Form.COMPOSE: "#"}
_HEADS: dict[Form, tuple[str, ...]] = {Form.CONF: (), Form.SQL: (), Form.COMPOSE: ("command:", "  - postgres")}
_ITEMS: dict[Form, Callable[[Setting], str]] = {
    Form.CONF: lambda setting: f"{setting.name} = {setting.value}",
    Form.SQL: lambda setting: f"ALTER SYSTEM SET {setting.name} = '{setting.value}';",
    Form.COMPOSE: lambda setting: f"  - -c\n  - {setting.name}={setting.value}",
}


def _written(setting: Setting, form: Form) -> Iterator[str]:
    comment = f"{_COMMENTS[form]} {setting.reason}"
    if worth := _read_worth().get(setting.name):
        comment += f"; measured: {worth}"
    yield f"  {comment}" if form is Form.COMPOSE else comment
    if setting.endangers:
        yield f"{'  ' if form is Form.COMPOSE else ''}{_COMMENTS[form]} {_danger(setting)}"
    yield from _ITEMS[form](setting).splitlines()


@cache
def _read_worth() -> dict[str, str]:
    worth: dict[str, str] = json.loads(WORTH_FILE.read_text(encoding="utf-8"))
    return worth


def _danger(setting: Setting) -> str:
    return f"DANGER: if the machine fails, this loses {setting.endangers}"


def _between(least: int, wanted: int, most: int) -> int:
    return max(least, min(wanted, most))


def _memory(size: int) -> str:
    return f"{size // MEBIBYTE}MB"
