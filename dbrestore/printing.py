"""Text for people's terminals, whoever wrote it."""

from __future__ import annotations

import unicodedata

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of what is not shown but does something: controls, changes of direction, ends of lines; and of
halves of characters, which cannot be written."""


def printable(line: str) -> str:
    """One line, in which escape sequences, ends of lines and the like are spelled out: ``\\x1b``.

    Names of an export, and messages that have them, are anybody's.
    """
    if line.isprintable():
        return line
    return "".join(_spelled(character) for character in line)


def _spelled(character: str) -> str:
    if unicodedata.category(character) not in _UNSEEN:
        return character
    return character.encode("unicode_escape").decode()
