"""Errors, as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbrestore.errors import DbrestoreError, SeveralProblemsError

if TYPE_CHECKING:
    from collections.abc import Iterator


def problem_lines(error: DbrestoreError) -> Iterator[str]:
    """An error for people: what happened, and what to do."""
    if isinstance(error, SeveralProblemsError):
        for problem in error.problems:
            yield from problem_lines(problem)
        return
    first, *more = error.message.splitlines() or [""]
    yield f"error: {first}"
    yield from (f"  {line}" for line in more)
    if error.hint:
        yield f"hint: {error.hint}"
