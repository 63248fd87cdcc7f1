from __future__ import annotations

import ast
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

import dbrestore
from dbrestore import errors
from dbrestore.errors import (
    DbrestoreError,
    Fault,
    InterruptedRunError,
    PartError,
    SeveralProblemsError,
    TargetError,
)
from dbrestore.target.hints import HINTS, hint_of

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(dbrestore.__file__).parent
CLASSES = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type)
    and issubclass(value, errors.DbrestoreError)
    and value not in {errors.SeveralProblemsError, errors.InterruptedRunError}
}


def calls(path: Path) -> Iterator[ast.Call]:
    """Where errors of ours are made by their names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES:
            yield node


def test_every_error_says_what_to_do() -> None:
    users = [path for path in PACKAGE.rglob("*.py") if not path.is_relative_to(PACKAGE / "testing")]
    assert len(users) > 100
    assert [
        f"{path.relative_to(PACKAGE)}: {ast.unparse(call)}"
        for path in users
        for call in calls(path)
        if "hint" not in {keyword.arg for keyword in call.keywords}
    ] == []


@pytest.mark.parametrize("code", HINTS)
def test_hints_are_for_codes_that_the_server_has(code: str) -> None:
    error = asyncpg.PostgresError.new({"C": code, "M": "no"})
    assert type(error) is not asyncpg.PostgresError
    assert hint_of(error) == HINTS[code]


def test_the_servers_own_hint_comes_first() -> None:
    assert hint_of(asyncpg.PostgresError.new({"C": "53100", "M": "no", "H": "Do this."})) == "Do this."
    assert hint_of(ConnectionRefusedError("no")) is None


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
