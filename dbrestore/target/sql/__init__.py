"""Every query of ours, in files of named blocks: ``-- name: tables`` begins the block ``tables``."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def load_queries(file: str) -> dict[str, str]:
    """The blocks of ``file`` by name."""
    text = (files(__package__) / file).read_text(encoding="utf-8")
    _, *pieces = _NAME.split(text)
    return dict(zip(pieces[::2], pieces[1::2], strict=True))
