"""A Dask cluster as people have them: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from distributed import Client

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

HOST = "127.0.0.1"
START_SECONDS = 120.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.02


@dataclass(slots=True)
class DaskCluster:
    """A scheduler and ``workers``, which end with the block, or with this process."""

    workers: int = 2
    threads: int = 4
    """Of each worker."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of the workers, beside this process's own."""
    address: str = ""
    scheduler: subprocess.Popen[bytes] | None = None
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    """The workers'."""
    _stack: ExitStack = field(default_factory=ExitStack)
    _folder: Path = Path()

    def __enter__(self) -> Self:
        """Start all of them, and wait until the workers are at work."""
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dbrestore-test-dask-")))
            file = self._folder / "scheduler.json"
            self.scheduler = self._start(stack, "scheduler", "--host", HOST, "--port", "0", "--scheduler-file", file)
            self.address = self._read_address(file)
            for _ in range(self.workers):
                self._start_worker(stack)
            self._wait_for_workers(self.workers)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all of them."""
        self._stack.close()

    def add_worker(self) -> None:
        """Start one more, and wait until it is at work."""
        self._start_worker(self._stack)
        self._wait_for_workers(sum(process.poll() is None for process in self.processes))

    def _start_worker(self, stack: ExitStack) -> None:
        options = ("--no-nanny", "--memory-limit", "0", "--host", HOST, "--local-directory", self._folder)
        self.processes.append(self._start(stack, "worker", self.address, *options, "--nthreads", self.threads))

    def _wait_for_workers(self, number: int) -> None:
        async def wait() -> None:
            async with Client(self.address, asynchronous=True, set_as_default=False) as client:
                await client.wait_for_workers(number, START_SECONDS)

        with ThreadPoolExecutor(1) as threads:  # this thread may have a loop that runs
            threads.submit(asyncio.run, wait()).result()

    def _start(self, stack: ExitStack, role: str, *arguments: object) -> subprocess.Popen[bytes]:
        log = stack.enter_context((self._folder / "log").open("ab"))
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                f"distributed.cli.dask_{role}",
                "--no-dashboard",
                "--dashboard-address",
                f"{HOST}:0",
                *map(str, arguments),
            ],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        stack.callback(_stop, process)
        return process

    def _read_address(self, file: Path) -> str:
        assert self.scheduler is not None
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return str(json.loads(file.read_text())["address"])
            except (FileNotFoundError, ValueError):
                assert self.scheduler.poll() is None, "the scheduler ended: " + (self._folder / "log").read_text()
                assert time.monotonic() < deadline, "the scheduler does not start"
            time.sleep(POLL_SECONDS)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
