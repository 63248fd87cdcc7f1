from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbrestore.testing.postgres import PostgresServer
from dbrestore.testing.torture import SERVER_SETTINGS, Torture
from dbrestore.testing.torture_faults import FAULTS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kind", "strikes"), [("kill", 8), ("terminate", 4), ("restart", 3), ("network", 3), ("s3", 2)]
)
async def test_restores_that_meet_faults_at_random_moments_are_right_in_the_end(
    kind: str, strikes: int, tmp_path: Path
) -> None:
    with PostgresServer.start(SERVER_SETTINGS) as server, FAULTS[kind](server) as fault:
        torture = Torture(server, tmp_path, fault, strikes, seed=7)
        await torture.run()
    assert torture.struck_in.total() == strikes
