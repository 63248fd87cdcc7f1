"""What a restore tells of itself while it runs.

Whatever happens is an event, and goes to the views of ``dbrestore.views``: one way, so that no restore knows who is
looking. Times are seconds since the start of the run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbrestore.plan import Plan
    from dbrestore.target.activity import Figure
    from dbrestore.timing import RestoreTimes

HIDDEN: Mapping[str, Any] = {"is_hidden": True}
"""Of a field that is for views only, not for a line of a log."""


class Level(IntEnum):
    """How much somebody wants to know."""

    QUIET = 0
    """Nothing but what ends the run."""
    NORMAL = 1
    VERBOSE = 2
    """Each part, index and key."""
    TRACE = 3
    """Each statement of SQL."""


class Kind(StrEnum):
    """What a connection can be busy with."""

    TAKE_DOWN = "taking down"
    LOAD = "loading"
    PUT_BACK = "putting back"
    REFRESH = "refreshing"
    MAINTAIN = "analyzing"
    COUNT = "counting"


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that one connection is busy with."""

    kind: Kind
    name: str
    """The table, index or key."""
    pid: int
    """Of the server's process at the other end of the connection; below 0 the place of a load in another process."""
    started: float
    table_oid: int | None = None
    rows: int = 0
    """That it loads."""
    bytes: int = 0
    """Of the parts that it loads, as they are stored."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""

    level: ClassVar[Level] = Level.NORMAL


@dataclass(frozen=True, slots=True)
class Told(Event):
    """A line for people."""

    line: str


@dataclass(frozen=True, slots=True)
class Noted(Event):
    """What was chosen where there was more than one way."""

    level: ClassVar[Level] = Level.VERBOSE
    note: str


@dataclass(frozen=True, slots=True)
class Warned(Event):
    """Something is not as it might be wished."""

    warning: str


@dataclass(frozen=True, slots=True)
class StageEntered(Event):
    """What the run does from now on."""

    stage: str


@dataclass(frozen=True, slots=True)
class Planned(Event):
    """The plan of a database is made, and its restore begins."""

    plan: Plan = field(metadata=HIDDEN)
    export_id: str
    source_database: str
    target_database: str
    tables: int
    parts: int
    rows: int
    bytes: int
    """Of the parts as they are stored."""
    loaded_parts: int = 0
    """That were loaded by the run that is gone on with."""
    loaded_rows: int = 0
    loaded_bytes: int = 0


@dataclass(frozen=True, slots=True)
class StepsCounted(Event):
    """How many steps of putting back there are to take."""

    level: ClassVar[Level] = Level.VERBOSE
    steps: int


@dataclass(frozen=True, slots=True)
class Began(Event):
    """A connection is busy with something."""

    level: ClassVar[Level] = Level.VERBOSE
    activity: Activity


@dataclass(frozen=True, slots=True)
class Ended(Event):
    """It is done with that, or has failed."""

    level: ClassVar[Level] = Level.VERBOSE
    activity: Activity
    seconds: float
    has_failed: bool = False


@dataclass(frozen=True, slots=True)
class PartsLoaded(Event):
    """Parts of a table are in the target."""

    level: ClassVar[Level] = Level.VERBOSE
    table: str
    table_oid: int = field(metadata=HIDDEN)
    files: tuple[str, ...]
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class TableLoaded(Event):
    """All parts of a table are in the target."""

    table: str
    rows: int
    bytes: int
    seconds: float
    """That connections were busy with it, together."""


@dataclass(frozen=True, slots=True)
class Retrying(Event):
    """Something failed that may pass, and is tried again."""

    error: str
    wait: float
    """Seconds until then."""
    is_repeated: bool = False
    """People were told of something like it a moment ago."""


@dataclass(frozen=True, slots=True)
class Observed(Event):
    """What the server says of its processes."""

    level: ClassVar[Level] = Level.TRACE
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Executed(Event):
    """The server has run a statement of SQL."""

    level: ClassVar[Level] = Level.TRACE
    statement: str
    """Without the values of its parameters."""
    seconds: float
    pid: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Finished(Event):
    """All of a database is loaded and verified."""

    target_database: str
    tables: int
    rows: int
    bytes: int
    seconds: float
    loaded_rows: int
    """By this run."""
    loaded_bytes: int
    verification: str
    """How it was verified."""
    times: RestoreTimes = field(metadata=HIDDEN)


@dataclass(frozen=True, slots=True)
class LeftUnfinished(Event):
    """The run ends before all is done, and its journal stays."""

    schema: str
    hint: str


@dataclass(frozen=True, slots=True)
class Aborted(Event):
    """What an unfinished run took down is back."""

    objects: int
    seconds: float


@dataclass(frozen=True, slots=True)
class NothingToAbort(Event):
    """No run is unfinished."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, and what to do."""

    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """The run ends with an error."""

    level: ClassVar[Level] = Level.QUIET
    problems: tuple[Failure, ...]
    exit_code: int
