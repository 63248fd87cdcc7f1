from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from dbrestore.errors import (
    DbrestoreError,
    Fault,
    InterruptedRunError,
    PartError,
    SeveralProblemsError,
    TargetError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def kinds(kind: type[DbrestoreError] = DbrestoreError) -> Iterator[type[DbrestoreError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind not in (SeveralProblemsError, InterruptedRunError)])
def test_an_error_comes_from_another_process_as_it_was(kind: type[DbrestoreError]) -> None:
    error = pickle.loads(pickle.dumps(kind("public.t: broken", hint="mend it", fault=Fault.LOST)))
    assert type(error) is kind
    assert (error.message, str(error), error.hint, error.fault) == (
        "public.t: broken", "public.t: broken", "mend it", Fault.LOST,
    )  # fmt: skip


def test_several_errors_come_from_another_process_as_they_were() -> None:
    error = pickle.loads(pickle.dumps(SeveralProblemsError([PartError("one", hint="mend it"), TargetError("two")])))
    assert (str(error), error.exit_code) == ("one\ntwo", 3)
    assert [(type(each), each.message, each.hint) for each in error.problems] == [
        (PartError, "one", "mend it"),
        (TargetError, "two", None),
    ]


def test_an_interruption_comes_from_another_process_as_it_was() -> None:
    error = pickle.loads(pickle.dumps(InterruptedRunError(143)))
    assert (str(error), error.exit_code) == (str(InterruptedRunError()), 143)
