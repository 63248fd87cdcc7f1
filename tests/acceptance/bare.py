"""Runs dbrestore as a bare install would: nothing can be imported but the wheel's dependencies, extras left out."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.metadata import packages_distributions, requires
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

PROJECT = "dbrestore"


class BareFinder(MetaPathFinder):
    """Hides what no declared dependency brings; ``packaging``, which this script needs, is not hidden from itself."""

    def __init__(self) -> None:
        installed = dependencies(PROJECT)
        self._hidden = {
            module
            for module, names in packages_distributions().items()
            if not installed & {str(canonicalize_name(name)) for name in names}
        }

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in self._hidden:
            raise ModuleNotFoundError(f"{fullname} comes with no dependency of {PROJECT}", name=fullname)
        return None


def dependencies(project: str) -> set[str]:
    """A project and all that it needs, directly and by way of others; extras only where somebody asks for them."""
    found: set[str] = set()
    waiting = [Requirement(project)]
    asked: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        key = (str(canonicalize_name(requirement.name)), frozenset(requirement.extras))
        if key in asked:
            continue
        asked.add(key)
        found.add(key[0])
        for text in requires(requirement.name) or []:
            needed = Requirement(text)
            contexts = [{"extra": extra} for extra in ("", *requirement.extras)]
            if needed.marker is None or any(needed.marker.evaluate(context) for context in contexts):
                waiting.append(needed)
    return found


if __name__ == "__main__":
    finder = BareFinder()
    for name in [name for name in sys.modules if name.partition(".")[0] == "packaging"]:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    from dbrestore.cli import main

    main()
