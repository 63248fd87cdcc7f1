"""The figures of a run for Prometheus: a file for the textfile collector of the node exporter.

One run is one file. When the last success was is kept from the file that was there before: an alert wants to know it
just when runs fail.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dbrestore import __version__
from dbrestore.report.files import check_writable, write_whole
from dbrestore.views.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dbrestore.tally import DatabaseTally, Tally

LAST_SUCCESS = "dbrestore_last_success_timestamp_seconds"


class MetricsFile(View):
    """Writes the figures when the run is over, whatever became of it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self) -> None:
        """Raise UsageError if the file could not be written."""
        check_writable(self._path)

    def close(self, tally: Tally) -> None:
        """Write it. Raises DbrestoreError."""
        write_whole(self._path, metrics_text(tally, read_last_success(self._path)))


def metrics_text(tally: Tally, last_success: float | None, now: float | None = None) -> str:
    """The figures in Prometheus' text format; ``last_success`` is of an earlier run, in seconds since 1970."""
    now = time.time() if now is None else now
    registry = CollectorRegistry()
    exit_code = tally.failed.exit_code if tally.failed else 0
    succeeded = last_success if exit_code else now
    figures: Sequence[tuple[str, str, float | None]] = (
        ("dbrestore_last_run_timestamp_seconds", "When the last run ended.", now),
        (LAST_SUCCESS, "When the last run that did all ended.", succeeded),
        ("dbrestore_duration_seconds", "How long the last run took.", round(tally.elapsed, 3)),
        ("dbrestore_exit_code", "Exit code of the last run, 0 if it did all.", exit_code),
        ("dbrestore_retries", "Faults of the last run that passed when something was tried again.", len(tally.retries)),
        ("dbrestore_warnings", "Warnings of the last run.", len(tally.warnings)),
    )
    for name, text, value in figures:
        if value is not None:
            Gauge(name, text, registry=registry).set(value)
    Gauge("dbrestore_info", "The version that ran.", ["version"], registry=registry).labels(__version__).set(1)
    _add_databases(registry, tally.databases)
    return generate_latest(registry).decode("utf-8")


def _add_databases(registry: CollectorRegistry, databases: Sequence[DatabaseTally]) -> None:
    names = ("source_database", "target_database")
    gauges = [
        Gauge(f"dbrestore_{name}", text, names, registry=registry)
        for name, text in (
            ("tables", "Tables to restore, by the plan of the last run."),
            ("tables_loaded", "Tables of which all parts are loaded."),
            ("rows", "Rows to restore, by the plan of the last run."),
            ("rows_loaded", "Rows that are loaded, by the last run or those that it went on with."),
            ("bytes", "Bytes of the Parquet files to restore."),
            ("bytes_loaded", "Bytes of the Parquet files that are loaded."),
            ("database_success", "1 if the database was restored and verified."),
        )
    ]
    for database in databases:
        planned = database.planned
        values = (
            planned.tables,
            database.tables_loaded,
            planned.rows,
            planned.loaded_rows + database.rows,
            planned.bytes,
            planned.loaded_bytes + database.bytes,
            database.finished is not None,
        )
        for gauge, value in zip(gauges, values, strict=True):
            gauge.labels(planned.source_database, planned.target_database).set(value)


def read_last_success(path: Path) -> float | None:
    """When the last run succeeded, by the file of an earlier one; None if it does not tell."""
    try:
        families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
    return next((sample.value for family in families for sample in family.samples if sample.name == LAST_SUCCESS), None)
