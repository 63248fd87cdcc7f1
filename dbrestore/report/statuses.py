"""How far an unfinished restore is, as people and programs read it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dbrestore.target.journal import UNFINISHED_HINT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbrestore.target.recorded import Summary


def status_lines(status: Summary | None) -> Iterator[str]:
    """How far an unfinished restore is, for people."""
    if status is None:
        yield "no restore is unfinished"
        return
    state = "running" if status.is_running else "not running: its process died, or was stopped"
    yield f"{status.export_id} ({status.source_database}), since {status.started_at:%Y-%m-%d %H:%M:%S} UTC"
    yield f"{status.phase}, {state}"
    yield f"tables  {status.tables_loaded:,} of {status.tables:,}"
    yield f"parts   {status.parts_loaded:,} of {status.parts:,}"
    yield f"rows    {status.rows_loaded:,} of {status.rows:,}"
    yield from (f"down    {identity}" for identity in status.down)
    if not status.is_running:
        yield f"hint: {UNFINISHED_HINT}"


def status_object(status: Summary | None) -> dict[str, Any]:
    """How far an unfinished restore is, for programs: what `status --json` prints."""
    if status is None:
        return {"is_unfinished": False}
    return {"is_unfinished": True, **asdict(status), "started_at": status.started_at.isoformat()}
