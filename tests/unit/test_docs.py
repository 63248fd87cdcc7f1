from __future__ import annotations

import re
from pathlib import Path

from dbrestore.options import DATABASES, DIFFERENCES, SELECTION, TARGET

DIFFERENCES_PAGE = (Path(__file__).parents[2] / "docs" / "differences.md").read_text()


def test_the_page_on_differences_tells_of_all_options_and_of_no_others() -> None:
    known = {*DATABASES, *SELECTION, *DIFFERENCES, "restart"}
    told = {flag.replace("-", "_") for flag in re.findall(r"--([a-z][a-z-]+)", DIFFERENCES_PAGE)}
    assert told - set(TARGET) == known - {"strict"} | {"no_strict"}
