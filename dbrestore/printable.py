"""Text that is safe to show: names of tables may have any character but NUL."""

from __future__ import annotations


def printable(text: str) -> str:
    """``text`` in one line, with escapes for what would steer a terminal: control characters, marks of direction."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escape(character) for character in text)


def _escape(character: str) -> str:
    return character if character == "\u00a0" else character.encode("unicode_escape").decode("ascii")
