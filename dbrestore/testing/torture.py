"""`make torture`: restores meet faults at random moments, again and again, and have to be right in the end.

A round is the restore of one database. Its process is killed and gone on with by ``--resume``, or it has to bear what
happens to its connections and to the server, until it comes to its end. FAULT, KILLS and SEED in the environment say
what happens, how often, and how it was.
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
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbrestore.errors import TargetError
from dbrestore.export.opening import SourceSettings
from dbrestore.simulate import open_destination, simulate
from dbrestore.target.recorded import Phase
from dbrestore.testing.compare import differences
from dbrestore.testing.databases import create_database
from dbrestore.testing.postgres import PostgresServer
from dbrestore.testing.sample import Sample, data_sql, schema_sql
from dbrestore.testing.schema_text import dump_schema
from dbrestore.testing.torture_faults import FAULTS, SESSIONS, Fault, Victim
from dbrestore.testing.watcher import Watcher

if TYPE_CHECKING:
    from dbrestore.testing.databases import Database

SERVER_SETTINGS = {"wal_writer_delay": "10s"}
"""A server that crashes loses more of the commits that did not wait for the disk."""
ROWS_PER_PART = 500
JOBS = 3
LONGEST = 0.8
"""Seconds from the first session of a run, or after a fault that was borne, until the next fault, at most."""
SOON = 0.4
"""Seconds from the beginning of a phase until then, at most; mostly much less."""
LAUNCH_SECONDS = 60.0
AGAIN_SECONDS = 20.0
"""In which a restore that bore a fault comes to the next one; it may have lost nothing by it and be too far already."""
END_SECONDS = 240.0
BACKENDS_GO_IN = 30.0
FILLED = "already with rows in the target"
"""What a restore says that is begun after one that was killed between its last commit and its end."""
LOOK_SECONDS = 0.003
PHASES = [phase.value for phase in Phase]
VARIANTS: tuple[tuple[bool, tuple[str, ...]], ...] = (
    (False, ()),
    (True, ("--truncate-all",)),
    (False, ("--foreign-keys", "ordered")),
    (False, ("--indexes", "keep")),
)
"""Whether the target has rows before, and what the restores of a round are told."""
SEQUENCES = "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2"


@dataclass(slots=True)
class Torture:
    """Restores a sample database under faults, and looks at what they leave."""

    server: PostgresServer
    folder: Path
    fault: Fault
    strikes: int
    seed: int
    struck_in: Counter[str] = field(default_factory=Counter)
    """Faults by the phase that the journal had then."""
    rounds: int = 0

    async def run(self) -> None:
        """Do all rounds. Raises AssertionError for a restore that fails, or is not right."""
        chance = random.Random(self.seed)
        empty, filled = create_database(self.server), create_database(self.server)
        schema = schema_sql() + schema_sql(Sample.TORTURE)
        empty.execute(schema)
        filled.execute(schema + data_sql() + data_sql(Sample.TORTURE))
        source = self.fault.publish(await self._export(filled))
        sequences: list[Any] | None = None
        for has_rows, options in cycle(VARIANTS):
            target = create_database(self.server, (filled if has_rows else empty).name)
            before = dump_schema(target)
            await self._restore(target, source, options, chance)
            found = await self._look(filled, target, before)
            sequences = sequences or found
            assert found == sequences, f"sequences differ from those of another round: {found}"
            target.drop()
            self.rounds += 1
            if self._is_enough:
                break

    @property
    def _is_enough(self) -> bool:
        return self.struck_in.total() >= self.strikes

    async def _export(self, source: Database) -> Path:
        async with (
            source.connect() as connection,
            open_destination(str(self.folder), "friday", SourceSettings()) as files,
        ):
            made = await simulate(connection, files, export_id="friday", rows_per_part=ROWS_PER_PART)
        return Path(made.url)

    async def _restore(self, target: Database, source: str, options: tuple[str, ...], chance: random.Random) -> None:
        """Restore until it succeeds, and strike what does not succeed quickly enough."""
        arguments = [source, "--dsn", self.fault.dsn(target), "--resume", "--jobs", str(JOBS), *options]
        phase = ""
        while True:
            code, said, phase = await self._run(target, arguments, chance, phase)
            assert "Traceback" not in said, said
            assert "never retrieved" not in said, said
            if code == 0 or (self.fault.is_deadly and code == TargetError.exit_code and FILLED in said):
                return
            was_killed = self.fault.is_deadly and code == -signal.SIGKILL
            assert was_killed, f"exit code {code} of restore {' '.join(arguments)}:\n{said}"

    async def _run(
        self, target: Database, arguments: list[str], chance: random.Random, phase: str
    ) -> tuple[int, str, str]:
        """Exit code and stderr of a restore, and the phase that it was in when the last fault came."""
        async with Watcher(target) as watcher:
            started_at = await watcher.now()
            command = [sys.executable, "-m", "dbrestore", "restore", *arguments]
            environment = os.environ | self.fault.environment
            process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, env=environment)
            said = asyncio.create_task(process.communicate())
            moment = _Moment.choose(chance, phase)
            while not self._is_enough and await moment.comes(process, watcher, started_at):
                phase = await watcher.phase()
                await self.fault.strike(Victim(target, process, watcher), chance)
                self.struck_in[phase] += 1
                if self.fault.is_deadly:
                    break
                started_at = await watcher.now()
                moment = replace(_Moment.choose(chance, phase), longest=AGAIN_SECONDS)
            async with asyncio.timeout(END_SECONDS):
                _, text = await said
        assert process.returncode is not None
        return process.returncode, text.decode(), phase

    async def _look(self, source: Database, target: Database, schema: str | None) -> list[Any]:
        """Compare all that can be with the source, or with what was there before; return the sequences."""
        async with source.connect() as ours, target.connect() as theirs:
            assert await differences(ours, theirs) == []
            assert not await theirs.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = 'dbrestore'")
            assert await theirs.fetchval("SELECT count(*) FROM totals")
            deadline = time.monotonic() + BACKENDS_GO_IN
            while await theirs.fetchval(f"SELECT count(*) {SESSIONS}"):
                assert time.monotonic() < deadline, "a session of a restore that ended is still there"
                await asyncio.sleep(LOOK_SECONDS)
            found = [tuple(row) for row in await theirs.fetch(SEQUENCES)]
        assert dump_schema(target) == schema, "the schema is not what it was"
        return found


@dataclass(frozen=True, slots=True)
class _Moment:
    phase: str
    """What has to have begun; empty for the first session."""
    delay: float
    """Seconds after that."""
    longest: float = LAUNCH_SECONDS
    """Seconds that are waited for that."""

    @classmethod
    def choose(cls, chance: random.Random, phase: str) -> _Moment:
        """One after the beginning of a phase that comes after ``phase``, the last one's, or after the first session."""
        passed = PHASES.index(phase) + 1 if phase in {Phase.LOADING, Phase.FINISHING} else 0
        awaited = chance.choice(["", *(later for later in PHASES[passed:] if later != Phase.DONE)])
        return cls(awaited, SOON * chance.random() ** 3 if awaited else LONGEST * chance.random())

    async def comes(self, process: asyncio.subprocess.Process, watcher: Watcher, started_at: object) -> bool:
        """Wait for it; whether the process is still running then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.longest):
                while process.returncode is None and not await self._has_begun(watcher, started_at):  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), self.delay)
        return process.returncode is None

    async def _has_begun(self, watcher: Watcher, started_at: object) -> bool:
        if self.phase:
            return await watcher.phase() in PHASES[PHASES.index(self.phase) :]
        return bool(await watcher.ask(f"SELECT count(*) {SESSIONS} AND backend_start > $1", started_at))


def torture(kind: str, strikes: int, seed: int) -> None:
    """Strike so often, with a server of its own, and say what came of it."""
    started = time.monotonic()
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer.start(SERVER_SETTINGS))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="dbrestore-torture-"))
        fault = stack.enter_context(FAULTS[kind](server))
        work = Torture(server, Path(folder), fault, strikes, seed)
        asyncio.run(work.run())
    shown = ", ".join(f"{phase}: {number}" for phase, number in sorted(work.struck_in.items()))
    print(f"{kind}: {work.rounds} restores were right after {work.struck_in.total()} faults ({shown}) "
          f"in {time.monotonic() - started:.0f} s", flush=True)  # fmt: skip


def main() -> int:
    """Strike KILLS times with FAULT, or with each kind of fault; return 0 if all restores were right."""
    strikes = int(os.environ.get("KILLS", "200"))
    seed = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    print(f"KILLS={strikes} SEED={seed}", flush=True)
    chosen = os.environ.get("FAULT")
    for kind in [chosen] if chosen else FAULTS:
        torture(kind, strikes, seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
