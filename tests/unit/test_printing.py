from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbrestore.printing import printable


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("public.orders: 3 rows", "public.orders: 3 rows"),
        ("Größe, 日本, 🙂", "Größe, 日本, 🙂"),
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("orders\nerror: all is lost\r", r"orders\nerror: all is lost\r"),
        ("a\u202etxt.exe", r"a\u202etxt.exe"),
        ("a\x9b31m\x7f\u2028", r"a\x9b31m\x7f\u2028"),
        ("half \ud800", r"half \ud800"),
        ("no\u00a0break", "no\u00a0break"),
    ],
)
def test_what_a_terminal_would_obey_is_spelled_out(line: str, shown: str) -> None:
    assert printable(line) == shown


@given(st.text(st.characters()))
def test_every_line_can_be_written_and_is_one(line: str) -> None:
    shown = printable(line)
    shown.encode()
    assert len(shown.splitlines()) <= 1
