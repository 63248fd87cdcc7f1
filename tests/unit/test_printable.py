from __future__ import annotations

import pytest

from dbrestore.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("public.orders", "public.orders"),
        ("Überweisung 漢字", "Überweisung 漢字"),
        ("red\x1b[31m", "red\\x1b[31m"),
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("a\u202eb", "a\\u202eb"),
        ("c1\x9b", "c1\\x9b"),
        ("[bold]markup[/bold]", "[bold]markup[/bold]"),
        ("", ""),
    ],
)
def test_what_would_steer_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
