"""`make torture`: restores are killed at random moments, again and again, and have to be right in the end.

A round is the restore of one database. It is killed (SIGKILL) at a random time after its first session, or after it
entered one of its phases, and gone on with by ``--resume``, until it comes to its end. KILLS and SEED in the
environment say how often, and how it was.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from dbrestore.errors import TargetError
from dbrestore.export.opening import SourceSettings
from dbrestore.simulate import open_destination, simulate
from dbrestore.target.recorded import Phase
from dbrestore.testing.compare import differences
from dbrestore.testing.databases import create_database
from dbrestore.testing.postgres import PostgresServer
from dbrestore.testing.sample import Sample, data_sql, schema_sql
from dbrestore.testing.schema_text import dump_schema

if TYPE_CHECKING:
    from dbrestore.testing.databases import Database

ROWS_PER_PART = 500
JOBS = 3
LONGEST = 0.8
"""Seconds from the first session of a run until it is killed, at most."""
SOON = 0.4
"""Seconds from the beginning of a phase until then, at most; mostly much less."""
LAUNCH_SECONDS = 60.0
END_SECONDS = 120.0
BACKENDS_GO_IN = 30.0
FILLED = "already with rows in the target"
"""What a restore says that is begun after one that was killed between its last commit and its end."""
LOOK_SECONDS = 0.003
PHASES = [phase.value for phase in Phase]
NO_JOURNAL = "no journal"
VARIANTS: tuple[tuple[bool, tuple[str, ...]], ...] = (
    (False, ()),
    (True, ("--truncate-all",)),
    (False, ("--foreign-keys", "ordered")),
    (False, ("--indexes", "keep")),
)
"""Whether the target has rows before, and what the restores of a round are told."""
SEQUENCES = "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2"
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dbrestore' AND datname = current_database()"


@dataclass(slots=True)
class Torture:
    """Kills restores of a sample database, and looks at what they leave."""

    server: PostgresServer
    folder: Path
    kills: int
    seed: int
    killed_in: Counter[str] = field(default_factory=Counter)
    """Kills by the phase that the journal had then."""
    rounds: int = 0

    async def run(self) -> None:
        """Do all rounds. Raises AssertionError for a restore that fails, or is not right."""
        chance = random.Random(self.seed)
        empty, filled = create_database(self.server), create_database(self.server)
        schema = schema_sql() + schema_sql(Sample.TORTURE)
        empty.execute(schema)
        filled.execute(schema + data_sql() + data_sql(Sample.TORTURE))
        export = await self._export(filled)
        sequences: list[Any] | None = None
        for has_rows, options in cycle(VARIANTS):
            target = create_database(self.server, (filled if has_rows else empty).name)
            before = dump_schema(target)
            await self._restore(target, export, options, chance)
            found = await self._look(filled, target, before)
            sequences = sequences or found
            assert found == sequences, f"sequences differ from those of another round: {found}"
            target.drop()
            self.rounds += 1
            if self.killed_in.total() >= self.kills:
                break

    async def _export(self, source: Database) -> Path:
        async with (
            source.connect() as connection,
            open_destination(str(self.folder), "friday", SourceSettings()) as files,
        ):
            made = await simulate(connection, files, export_id="friday", rows_per_part=ROWS_PER_PART)
        return Path(made.url)

    async def _restore(self, target: Database, export: Path, options: tuple[str, ...], chance: random.Random) -> None:
        """Restore until it succeeds, and kill what does not succeed quickly enough."""
        arguments = [str(export), "--dsn", target.dsn, "--resume", "--jobs", str(JOBS), *options]
        phase = NO_JOURNAL
        while True:
            is_last = self.killed_in.total() >= self.kills
            kill = None if is_last else _choose_kill(chance, phase)
            code, said, phase = await self._run(target, arguments, kill)
            if code == 0 or (code == TargetError.exit_code and FILLED in said):
                return
            was_killed = kill is not None and code == -signal.SIGKILL
            assert was_killed, f"exit code {code} of restore {' '.join(arguments)}:\n{said}"

    async def _run(self, target: Database, arguments: list[str], kill: _Kill | None) -> tuple[int, str, str]:
        """Exit code and stderr of a restore, and the phase that it was in."""
        async with target.connect() as watcher:
            started_at = await watcher.fetchval("SELECT clock_timestamp()")
            command = [sys.executable, "-m", "dbrestore", "restore", *arguments]
            process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
            said = asyncio.create_task(process.communicate())
            if kill:
                await kill.strike(process, watcher, started_at)
            async with asyncio.timeout(END_SECONDS):
                _, text = await said
            assert process.returncode is not None
            phase = await _read_phase(watcher)
            if process.returncode == -signal.SIGKILL:
                self.killed_in[phase] += 1
        return process.returncode, text.decode(), phase

    async def _look(self, source: Database, target: Database, schema: str | None) -> list[Any]:
        """Compare all that can be with the source, or with what was there before; return the sequences."""
        async with source.connect() as ours, target.connect() as theirs:
            assert await differences(ours, theirs) == []
            assert not await theirs.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = 'dbrestore'")
            assert await theirs.fetchval("SELECT count(*) FROM totals")
            deadline = time.monotonic() + BACKENDS_GO_IN
            while await theirs.fetchval(SESSIONS):
                assert time.monotonic() < deadline, "a session of a killed restore is still there"
                await asyncio.sleep(LOOK_SECONDS)
            found = [tuple(row) for row in await theirs.fetch(SEQUENCES)]
        assert dump_schema(target) == schema, "the schema is not what it was"
        return found


@dataclass(frozen=True, slots=True)
class _Kill:
    phase: str
    """What it waits for; empty for the first session."""
    delay: float
    """Seconds until it comes then."""

    async def strike(
        self, process: asyncio.subprocess.Process, watcher: asyncpg.Connection, started_at: object
    ) -> None:
        """Kill the process, unless it ends before."""
        async with asyncio.timeout(LAUNCH_SECONDS):
            while process.returncode is None and not await self._has_come(watcher, started_at):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), self.delay)
        if process.returncode is None:
            process.kill()

    async def _has_come(self, watcher: asyncpg.Connection, started_at: object) -> bool:
        if self.phase:
            return await _read_phase(watcher) in PHASES[PHASES.index(self.phase) :]
        return bool(await watcher.fetchval(f"{SESSIONS} AND backend_start > $1", started_at))


async def _read_phase(watcher: asyncpg.Connection) -> str:
    try:
        return str(await watcher.fetchval("SELECT phase FROM dbrestore.run"))
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return NO_JOURNAL


def _choose_kill(chance: random.Random, phase: str) -> _Kill:
    """A kill that waits for one of the phases that come after ``phase``, the last one's, or for the first session."""
    passed = PHASES.index(phase) + 1 if phase in {Phase.LOADING, Phase.FINISHING} else 0
    awaited = chance.choice(["", *(later for later in PHASES[passed:] if later != Phase.DONE)])
    return _Kill(awaited, SOON * chance.random() ** 3 if awaited else LONGEST * chance.random())


def main() -> int:
    """Kill KILLS times; return the exit code: 0 if all restores were right."""
    kills = int(os.environ.get("KILLS", "200"))
    seed = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    print(f"KILLS={kills} SEED={seed}", flush=True)
    started = time.monotonic()
    with PostgresServer.start() as server, tempfile.TemporaryDirectory(prefix="dbrestore-torture-") as folder:
        torture = Torture(server, Path(folder), kills, seed)
        asyncio.run(torture.run())
    shown = ", ".join(f"{phase}: {number}" for phase, number in sorted(torture.killed_in.items()))
    print(f"{torture.rounds} restores were right after {torture.killed_in.total()} kills ({shown}) "
          f"in {time.monotonic() - started:.0f} s")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
