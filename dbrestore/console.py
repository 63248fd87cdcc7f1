"""What a command stands on: an event loop that signals end, lines for programs on stdout and for people on stderr."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from dbrestore.errors import InterruptedRunError
from dbrestore.printing import printable
from dbrestore.signals import until_signalled

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

Result = TypeVar("Result")


def run_work(work: Coroutine[Any, Any, Result]) -> Result:
    """What ``work`` returns. Raises InterruptedRunError where a signal ended it."""
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.get_loop().set_exception_handler(_report_unless_lost)
            return runner.run(until_signalled(work))
    except KeyboardInterrupt:
        raise InterruptedRunError from None


def _report_unless_lost(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Nobody waits any more for an answer on a connection that was lost or cut; that is not worth a traceback."""
    from dbrestore.target.faults import fault_of  # noqa: PLC0415 - with asyncpg, which help need not wait for

    error = context.get("exception")
    if error is None or fault_of(error) is None:
        loop.default_exception_handler(context)


def loop_factory() -> Any:
    """What makes the event loop; None for asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


def print_lines(lines: Iterable[str]) -> None:
    """Lines of what was asked for."""
    for line in lines:
        typer.echo(printable(line))


def complain(lines: Iterable[str]) -> None:
    """Lines of talk."""
    for line in lines:
        typer.echo(printable(line), err=True)
