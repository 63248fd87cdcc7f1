from __future__ import annotations

from dataclasses import replace

import pytest

from dbrestore.advice import GIBIBYTE, Observation, advise
from dbrestore.target.server import ServerState
from dbrestore.timing import RestoreTimes, Stage, TableTimes

BEFORE = ServerState(
    wal_level="minimal",
    max_wal_size=4 * GIBIBYTE,
    shared_buffers=GIBIBYTE,
    build_memory=GIBIBYTE,
    build_workers=2,
    wal_position=7 * GIBIBYTE,
    bytes_read=0,
    bytes_hit=0,
    temporary_bytes=0,
    is_replicated=False,
    is_managed=False,
    checkpoints_requested=10,
    checkpoints_timed=20,
)
WELL_SET_UP = replace(BEFORE, wal_position=9 * GIBIBYTE, bytes_hit=GIBIBYTE)
AFTER_MUCH_WAL = replace(BEFORE, wal_position=17 * GIBIBYTE)
SLOW_SERVER = RestoreTimes({Stage.LOADING: 100.0}, {1: TableTimes(waiting_for_client=10, waiting_for_server=90)})
SLOW_BUILDS = RestoreTimes({Stage.LOADING: 60.0, Stage.PUTTING_BACK: 40.0}, {1: TableTimes(building=50)})
SLOW_COUNT = RestoreTimes({Stage.LOADING: 60.0, Stage.PUTTING_BACK: 40.0}, {1: TableTimes(building=10)})


def hints(
    *, before: ServerState = BEFORE, after: ServerState = WELL_SET_UP, times: RestoreTimes = SLOW_SERVER
) -> list[str]:
    return advise(Observation(before, after, times))


@pytest.mark.parametrize("times", [SLOW_SERVER, SLOW_BUILDS])
def test_a_server_that_is_well_set_up_is_left_alone(times: RestoreTimes) -> None:
    assert hints(times=times) == []


def test_checkpoints_that_max_wal_size_asked_for_are_told_with_a_size_that_is_enough() -> None:
    [hint] = hints(after=replace(AFTER_MUCH_WAL, checkpoints_requested=14))
    assert "a checkpoint every 25 s" in hint
    assert "max_wal_size = 4.0 GiB" in hint
    assert "10.0 GiB of WAL" in hint
    assert "max_wal_size = 20GB" in hint


def test_checkpoints_that_somebody_commanded_are_no_reason_for_more_wal() -> None:
    assert hints(after=replace(WELL_SET_UP, checkpoints_requested=14)) == []


def test_checkpoints_that_come_by_the_clock_too_often_are_told() -> None:
    [hint] = hints(after=replace(WELL_SET_UP, checkpoints_timed=24))
    assert hint.startswith("checkpoint_timeout had the server make a checkpoint every 25 s")


def test_wal_that_need_not_be_written_is_told_where_the_server_is_waited_for() -> None:
    replica = replace(BEFORE, wal_level="replica")
    [hint] = hints(before=replica)
    assert hint.startswith("wal_level = replica, and 2.0 GiB of WAL were written")
    waiting_for_client = RestoreTimes({Stage.LOADING: 100.0}, {1: TableTimes(waiting_for_client=90)})
    assert hints(before=replica, times=waiting_for_client) == []


@pytest.mark.parametrize("changes", [{"is_replicated": True}, {"is_managed": True}])
def test_the_level_of_wal_is_no_choice_where_it_is_replicated_or_somebody_elses(changes: dict[str, bool]) -> None:
    assert hints(before=replace(BEFORE, wal_level="replica", **changes)) == []


def test_builds_that_sorted_on_disk_are_told_if_they_are_waited_for() -> None:
    small = replace(BEFORE, build_memory=64 * 1024**2)
    spilled = replace(WELL_SET_UP, temporary_bytes=3 * GIBIBYTE)
    [hint] = hints(before=small, after=spilled, times=SLOW_BUILDS)
    assert "took 40 s after the last row, and 3.0 GiB in temporary files, since a build had 64.0 MiB" in hint
    assert hints(before=small, times=SLOW_BUILDS) == []
    assert hints(before=small, after=spilled) == []
    assert hints(before=small, after=spilled, times=SLOW_COUNT) == []


def test_builds_without_workers_are_told_if_they_are_waited_for() -> None:
    alone = replace(BEFORE, build_workers=0)
    [hint] = hints(before=alone, times=SLOW_BUILDS)
    assert "0 workers" in hint
    assert hints(before=alone) == []
    assert hints(before=alone, times=SLOW_COUNT) == []


def test_reads_that_shared_buffers_would_have_saved_are_told() -> None:
    small = replace(BEFORE, shared_buffers=128 * 1024**2)
    [hint] = hints(before=small, after=replace(WELL_SET_UP, bytes_read=5 * GIBIBYTE))
    assert "read 5.0 GiB again" in hint
    assert "shared_buffers = 128.0 MiB" in hint


def test_a_short_restore_gives_no_advice() -> None:
    short = RestoreTimes({Stage.LOADING: 9.0}, {})
    assert hints(after=replace(AFTER_MUCH_WAL, checkpoints_requested=14), times=short) == []
