from __future__ import annotations

import pytest

from dbrestore.wire import compiled


@pytest.fixture(params=sorted({False, compiled.IS_THERE}), ids=lambda there: "in C" if there else "arrays")
def each_joiner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are joined by whatever joins them on some machine."""
    monkeypatch.setattr(compiled, "IS_THERE", request.param)
