"""Every error that dbrestore raises on purpose.

::

    DbrestoreError                  exit code 1
    ├── UsageError                  2   the command line or a setting is wrong
    ├── ExportError                 3   the export is missing, incomplete or unreadable
    │   ├── ManifestError               export_info or export_tables_info
    │   ├── LayoutError                 folders and files do not fit the manifest
    │   └── PartError                   one Parquet file
    ├── TargetError                 4   the target database
    │   ├── ConnectError                no connection
    │   ├── SchemaError                 tables or columns do not fit the export
    │   ├── PrivilegeError              the role may not do it
    │   └── UnfinishedRunError          an earlier restore did not come to its end
    ├── DataError                   5   a value or a constraint
    │   ├── InvalidValueError           a value that its column cannot hold
    │   └── ConstraintError             a row that a key or check refuses
    ├── ClusterError                1   the Dask cluster that loads
    ├── VerificationError           6   what was loaded is not what the export holds
    ├── ConcurrentRunError          7   another run is working on the target
    ├── SeveralProblemsError            the exit code of the gravest of them
    └── InterruptedRunError       130   Ctrl-C; 143 for SIGTERM

An error that is found while others are still looked for is collected as a value (``Export.problems``,
``Plan.problems``) and raised later, alone or in a ``SeveralProblemsError``: a user sees all at once.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Fault(Enum):
    """Why something failed that may succeed when it is done again: the target was not to be had for a while."""

    UNREACHABLE = "nobody answers at its address"
    LOST = "a connection was lost"
    NOT_READY = "the server starts, stops or recovers"
    STANDBY = "it is read-only"
    CROWDED = "the server has no more connections"
    CLASH = "a transaction gave way to another one"
    LOCK_LOST = "the lock that keeps other runs off is lost, and perhaps commits with it: all is to be looked at anew"


class DbrestoreError(Exception):
    """Something went wrong that dbrestore can explain.

    ``str(error)`` says what happened and where; ``hint`` says what to do about it; ``fault`` is None for what stays
    as it is however often it is tried.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None, fault: Fault | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.fault = fault

    def within(self, place: str) -> DbrestoreError:
        """The same error, said to be of ``place``."""
        return type(self)(f"{place}: {self.message}", hint=self.hint, fault=self.fault)


class UsageError(DbrestoreError):
    """The command line or a setting is wrong."""

    exit_code = 2


class ExportError(DbrestoreError):
    """The export is missing, incomplete or unreadable."""

    exit_code = 3


class ManifestError(ExportError):
    """export_info or export_tables_info cannot be used."""


class LayoutError(ExportError):
    """The export's folders and files do not fit its manifest."""


class PartError(ExportError):
    """A Parquet file cannot be used."""


class TargetError(DbrestoreError):
    """The target database cannot be used."""

    exit_code = 4


class ConnectError(TargetError):
    """No connection to the target database."""


class SchemaError(TargetError):
    """The tables or columns of the target do not fit the export."""


class PrivilegeError(TargetError):
    """The role may not do what the restore needs."""


class UnfinishedRunError(TargetError):
    """An earlier restore has neither come to its end nor been aborted, or cannot be gone on with."""


class DataError(DbrestoreError):
    """The target refused a row."""

    exit_code = 5


class InvalidValueError(DataError):
    """A value that its target column cannot hold."""


class ConstraintError(DataError):
    """A row that a key or a check of the target refuses."""


class ClusterError(DbrestoreError):
    """The Dask cluster that loads cannot be used, or came to an end."""


class VerificationError(DbrestoreError):
    """What is in the target is not what the export holds."""

    exit_code = 6


class ConcurrentRunError(DbrestoreError):
    """Another run is working on the target."""

    exit_code = 7


class SeveralProblemsError(DbrestoreError):
    """More than one thing stands in the way."""

    def __init__(self, problems: Sequence[DbrestoreError]) -> None:
        faults = [problem.fault for problem in problems]
        super().__init__("\n".join(problem.message for problem in problems), fault=faults[0] if all(faults) else None)
        self.problems = tuple(problems)
        self.exit_code = min(problem.exit_code for problem in problems)

    def __reduce__(self) -> tuple[type[SeveralProblemsError], tuple[Sequence[DbrestoreError]]]:
        """Exceptions are made anew of their message, when they come from another process."""
        return type(self), (self.problems,)

    def within(self, place: str) -> SeveralProblemsError:
        """The same errors, each said to be of ``place``."""
        return SeveralProblemsError([problem.within(place) for problem in self.problems])


def raise_problems(problems: Sequence[DbrestoreError]) -> None:
    """Raise what was collected, if anything was."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise SeveralProblemsError(problems)


class InterruptedRunError(DbrestoreError):
    """The run was interrupted by a signal."""

    exit_code = 130

    def __init__(self, exit_code: int = exit_code) -> None:
        super().__init__("interrupted: what was being loaded is rolled back")
        self.exit_code = exit_code
