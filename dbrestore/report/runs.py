"""A run as the report for programs has it: ``restore --report FILE.json``."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from dbrestore.report.levels import level_graph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbrestore.events import Ended
    from dbrestore.report.recording import Recording
    from dbrestore.tally import DatabaseTally, TableTally, Tally

FORMAT = 1
"""Of the report; a field may come without a new one, none goes."""
LIBRARIES = ("asyncpg", "pyarrow", "numpy", "aiobotocore")
MILLISECONDS = 3
INTERRUPTED = (130, 143)


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under which a run took place."""

    command: str
    source: str
    """The export as the user called it; empty where there is none."""
    settings: Mapping[str, Any]
    """Those that were set, without secrets."""


def run_object(tally: Tally, recording: Recording, conditions: Conditions) -> dict[str, Any]:
    """A run, whatever became of it."""
    seconds = tally.elapsed
    failed = tally.failed
    return {
        "format": FORMAT,
        "outcome": _outcome(failed.exit_code if failed else 0),
        "exit_code": failed.exit_code if failed else 0,
        "started_at": tally.started_at.isoformat(timespec="seconds"),
        "ended_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, MILLISECONDS),
        "conditions": _conditions(conditions, tally),
        "problems": [asdict(problem) for problem in failed.problems] if failed else [],
        "warnings": list(tally.warnings),
        "retries": [asdict(retry) for retry in tally.retries],
        "stages": _stages(recording, seconds),
        "databases": [_database(database, seconds) for database in tally.databases],
        "connections": [
            {"pid": pid, "activities": list(map(_activity, found))} for pid, found in recording.by_connection().items()
        ],
        "activities_left_out": recording.left_out,
    }


def _outcome(exit_code: int) -> str:
    if exit_code in INTERRUPTED:
        return "interrupted"
    return "failed" if exit_code else "done"


def _conditions(conditions: Conditions, tally: Tally) -> dict[str, Any]:
    servers = {database.planned.plan.catalog.server_version for database in tally.databases}
    return {
        **asdict(conditions),
        "postgresql": ", ".join(f"{number // 10000}.{number % 10000}" for number in sorted(servers)),
        "dbrestore": version("dbrestore"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _stages(recording: Recording, seconds: float) -> list[dict[str, Any]]:
    ends = [began for _, began in recording.stages[1:]] + [seconds]
    return [
        {"stage": stage, "start": round(began, MILLISECONDS), "seconds": round(end - began, MILLISECONDS)}
        for (stage, began), end in zip(recording.stages, ends, strict=False)
    ]


def _database(database: DatabaseTally, seconds: float) -> dict[str, Any]:
    planned = database.planned
    graph = level_graph(planned.plan)
    levels = {oid: node.level for node in graph.nodes for oid in node.oids}
    times = database.finished.times if database.finished else None
    of_table = times.tables if times else {}
    return {
        "export_id": planned.export_id,
        "source_database": planned.source_database,
        "target_database": planned.target_database,
        "is_finished": database.finished is not None,
        "seconds": round(database.finished.seconds if database.finished else seconds - database.began, MILLISECONDS),
        "rows": planned.rows,
        "bytes": planned.bytes,
        "parts": planned.parts,
        "rows_loaded_before": planned.loaded_rows,
        "rows_loaded": database.rows,
        "bytes_loaded": database.bytes,
        "tables_loaded": database.tables_loaded,
        "steps": database.steps,
        "steps_taken": database.steps_taken,
        "stages": _rounded(times.stages) if times else {},
        "times": _rounded(asdict(times.total)) if times else {},
        "tables": [
            {**_table(table, levels[oid]), "times": _rounded(asdict(of_table[oid])) if oid in of_table else {}}
            for oid, table in database.tables.items()
        ],
        "foreign_keys": [
            {
                "name": edge.name,
                "from": graph.node(edge.child).name,
                "to": graph.node(edge.parent).name,
                "is_of_cycle": edge.is_of_cycle,
            }
            for edge in graph.edges
        ],
    }


def _table(table: TableTally, level: int) -> dict[str, Any]:
    planned = table.planned
    return {
        "name": planned.table.dotted,
        "level": planned.level,
        "foreign_key_level": level,
        "rows": planned.rows,
        "bytes": planned.size,
        "parts": len(planned.parts),
        "parts_left": table.parts_left,
        "format": planned.copy_format.value,
        "seconds": {str(kind): round(seconds, MILLISECONDS) for kind, seconds in table.seconds.items()},
    }


def _rounded(seconds: Mapping[Any, float]) -> dict[str, float]:
    return {str(name): round(value, MILLISECONDS) for name, value in seconds.items()}


def _activity(ended: Ended) -> dict[str, Any]:
    activity = ended.activity
    return {
        "kind": str(activity.kind),
        "name": activity.name,
        "start": round(activity.started, MILLISECONDS),
        "seconds": round(ended.seconds, MILLISECONDS),
        "rows": activity.rows,
        "has_failed": ended.has_failed,
    }
