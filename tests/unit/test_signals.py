from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from dbrestore.errors import InterruptedRunError
from dbrestore.signals import until_signalled

STUBBORN = """
import asyncio, os, signal
from dbrestore.signals import until_signalled

async def work():
    os.kill(os.getpid(), signal.SIGINT)
    try:
        await asyncio.sleep(60)
    finally:
        print("cancelled", flush=True)
        os.kill(os.getpid(), signal.{second})
        await asyncio.sleep(60)

asyncio.run(until_signalled(work()))
"""

# As on Windows, whose loop takes no handlers, so that the runner's own Ctrl-C has to do.
WITHOUT_HANDLERS = """
import asyncio, signal
from dbrestore import console
from dbrestore.errors import InterruptedRunError

class Loop(asyncio.SelectorEventLoop):
    def add_signal_handler(self, *_):
        raise NotImplementedError

    def remove_signal_handler(self, *_):
        raise NotImplementedError

async def work():
    asyncio.get_running_loop().call_later(0.01, signal.raise_signal, signal.SIGINT)
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0)
        print("cancelled")

console.loop_factory = lambda: Loop
try:
    console.run_work(work())
except InterruptedRunError as error:
    print(error.exit_code)
"""


async def test_without_a_signal_the_work_returns() -> None:
    assert await until_signalled(asyncio.sleep(0, "done")) == "done"


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_the_first_signal_cancels_and_waits_for_the_end(number: int, exit_code: int) -> None:
    ended = []

    async def work() -> None:
        os.kill(os.getpid(), number)
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    with pytest.raises(InterruptedRunError) as caught:
        await until_signalled(work())
    assert (caught.value.exit_code, ended) == (exit_code, [True])


@pytest.mark.parametrize(("second", "exit_code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_the_second_signal_ends_the_process_at_once(second: str, exit_code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUBBORN.format(second=second)], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (exit_code, "cancelled\n")


def test_where_the_loop_takes_no_signals_ctrl_c_ends_the_work_in_order() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_HANDLERS], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "cancelled\n130\n"), done.stderr
