from __future__ import annotations

import pytest

from dbrestore.testing.fuzz import DIES_AT, Fuzz

CASES = 100


@pytest.mark.timeout(600)
def test_no_damage_of_an_export_ends_the_process_or_fills_the_memory() -> None:
    fuzz = Fuzz()
    fuzz.try_cases(1, 1 + CASES)
    assert fuzz.failures == []
    assert fuzz.outcomes.total() == CASES
    assert {"read", "refused by PartError", "refused by ManifestError"} <= fuzz.outcomes.keys()


@pytest.mark.timeout(600)
def test_a_case_that_ends_the_process_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIES_AT, "2")
    fuzz = Fuzz()
    fuzz.try_cases(1, 5)
    assert [failure.splitlines()[0] for failure in fuzz.failures] == ["case 2: ended by signal 9"]
    assert fuzz.outcomes.total() == 3
