"""Ctrl-C and SIGTERM: the first lets what runs come to an orderly end, the second ends the process."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from dbrestore.errors import InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Coroutine

Result = TypeVar("Result")

SIGNALLED = 128
"""A process that a signal ends has the exit code 128 and the signal's number."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_received: list[int] = []
"""The signal that ends what runs; signals are the process's, and so is this."""


def was_signalled() -> bool:
    """Whether a signal has come to end what runs."""
    return bool(_received)


async def until_signalled(work: Coroutine[Any, Any, Result]) -> Result:
    """What ``work`` returns; a signal cancels it, and a second one ends the process at once.

    Raises InterruptedRunError once what was cancelled has come to its end.
    """
    task = asyncio.ensure_future(work)

    def stop(number: int) -> None:
        if _received:
            os._exit(SIGNALLED + number)
        _received.append(number)
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        with suppress(NotImplementedError):  # Windows, where Ctrl-C is a KeyboardInterrupt
            loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if _received:
            raise InterruptedRunError(SIGNALLED + _received[0]) from None
        raise
    finally:
        _received.clear()
        for number in _SIGNALS:
            with suppress(NotImplementedError):
                loop.remove_signal_handler(number)
