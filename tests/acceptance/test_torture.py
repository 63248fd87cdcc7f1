from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbrestore.testing.torture import Torture

if TYPE_CHECKING:
    from pathlib import Path

    from dbrestore.testing.postgres import PostgresServer


@pytest.mark.timeout(300)
async def test_restores_that_are_killed_at_random_moments_are_right_in_the_end(
    server: PostgresServer, tmp_path: Path
) -> None:
    torture = Torture(server, tmp_path, kills=20, seed=7)
    await torture.run()
    assert torture.killed_in.total() == 20
