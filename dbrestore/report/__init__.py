"""What people and programs read of an export, a plan, a status, an error and a run."""

from dbrestore.report.exports import export_lines
from dbrestore.report.plans import plan_lines, plan_object
from dbrestore.report.problems import problem_lines
from dbrestore.report.quantities import readable_bytes
from dbrestore.report.statuses import status_lines, status_object

__all__ = [
    "export_lines",
    "plan_lines",
    "plan_object",
    "problem_lines",
    "readable_bytes",
    "status_lines",
    "status_object",
]
