from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from dbrestore.errors import ConnectError, DbrestoreError, Fault, InterruptedRunError, SeveralProblemsError, TargetError
from dbrestore.patience import FIRST_PAUSE, LONGEST_PAUSE, Patience, Pauses, persist
from dbrestore.signals import until_signalled

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass
class Listener:
    told: list[str] = field(default_factory=list)

    def retrying(self, error: DbrestoreError, pause: float) -> None:
        self.told.append(error.message)

    def warn(self, warnings: Iterable[str]) -> None:
        self.told += warnings


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("dbrestore.patience.time.monotonic", lambda: self.now)
        monkeypatch.setattr("dbrestore.patience.asyncio.sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def lost() -> ConnectError:
    return ConnectError("lost", fault=Fault.LOST)


def patience(seconds: float = 60.0, *, met: bool = True) -> Patience:
    return Patience(Listener(), seconds, met)


async def fail_for(seconds: float, clock: Clock, patience: Patience, error: DbrestoreError | None = None) -> str:
    """What is returned by something that fails so long."""
    end = clock.now + seconds

    async def attempt() -> str:
        if clock.now < end:
            raise error or lost()
        return "done"

    return await persist(attempt, patience)


async def test_what_fails_is_done_again_until_it_succeeds(clock: Clock) -> None:
    assert await fail_for(30, clock, patience(60)) == "done"


async def test_what_fails_for_too_long_is_an_error(clock: Clock) -> None:
    began = clock.now
    with pytest.raises(ConnectError, match="lost"):
        await fail_for(1000, clock, patience(60))
    assert 60 - 2 * LONGEST_PAUSE < clock.now - began <= 60


async def test_without_patience_the_first_fault_is_an_error(clock: Clock) -> None:
    with pytest.raises(ConnectError):
        await fail_for(0.01, clock, patience(0))


async def test_what_does_not_pass_is_an_error_at_once(clock: Clock) -> None:
    began = clock.now
    with pytest.raises(TargetError, match="full"):
        await fail_for(1, clock, patience(), TargetError("full"))
    assert clock.now == began


@pytest.mark.parametrize("fault", Fault)
async def test_at_first_only_what_a_server_says_that_was_found_is_borne(fault: Fault, clock: Clock) -> None:
    error = TargetError("not yet", fault=fault)
    if fault in {Fault.NOT_READY, Fault.CROWDED}:
        assert await fail_for(10, clock, patience(met=False), error) == "done"
    else:
        with pytest.raises(TargetError):
            await fail_for(10, clock, patience(met=False), error)


async def test_a_success_makes_patience_begin_anew_but_only_once(clock: Clock) -> None:
    borne = patience(60)
    assert borne.bears(lost(), 0)
    clock.now += 50
    borne.succeeded("part 1")
    clock.now += 50
    assert borne.bears(lost(), 0)
    clock.now += 50
    borne.succeeded("part 1")
    clock.now += 50
    assert not borne.bears(lost(), 0)


async def test_pauses_double_up_to_a_limit_with_jitter(clock: Clock) -> None:
    pauses = Pauses(patience())
    found = []
    for _ in range(12):
        found.append(pauses.next())
        clock.now += found[-1]
    assert FIRST_PAUSE / 2 <= found[0] <= FIRST_PAUSE
    assert all(LONGEST_PAUSE / 2 <= pause <= LONGEST_PAUSE for pause in found[8:])


async def test_pauses_begin_anew_after_an_attempt_that_went_on_for_longer(clock: Clock) -> None:
    pauses = Pauses(patience())
    for _ in range(5):
        clock.now += pauses.next()
    clock.now += LONGEST_PAUSE
    assert pauses.next() <= FIRST_PAUSE


def test_several_faults_pass_if_each_of_them_does() -> None:
    assert SeveralProblemsError([lost(), lost()]).fault is Fault.LOST
    assert SeveralProblemsError([lost(), TargetError("full")]).fault is None


def test_an_error_of_a_database_passes_as_it_did_before() -> None:
    assert lost().within("shop").fault is Fault.LOST


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no signals")
async def test_a_cancellation_that_an_attempt_took_no_notice_of_ends_it_all_the_same() -> None:
    attempts = 0

    async def attempt() -> None:
        nonlocal attempts
        attempts += 1
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise lost() from None

    with pytest.raises(InterruptedRunError):
        await until_signalled(persist(attempt, patience()))
    assert attempts == 1
