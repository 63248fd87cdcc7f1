from __future__ import annotations

import re
from pathlib import Path

from dbrestore.cli import CONNECTION, DATABASES, DIFFERENCES, SELECTION

DIFFERENCES_PAGE = (Path(__file__).parents[2] / "docs" / "differences.md").read_text()


def test_the_page_on_differences_tells_of_all_options_and_of_no_others() -> None:
    known = DATABASES | SELECTION | DIFFERENCES
    told = {flag.replace("-", "_") for flag in re.findall(r"--([a-z][a-z-]+)", DIFFERENCES_PAGE)}
    assert told - CONNECTION.keys() == known.keys() - {"strict"} | {"no_strict"}
