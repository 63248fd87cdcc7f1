from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from dbrestore.options import make_settings
from dbrestore.settings import Settings
from dbrestore.testing.reference import render
from tests.documents import (
    PAGES,
    REPOSITORY,
    Shown,
    command_named,
    commands,
    mentioned_commands,
    shown_commands,
    shown_scripts,
)

if TYPE_CHECKING:
    from pathlib import Path


DOCS = REPOSITORY / "docs"
LINK = re.compile(r"\]\(([^)#:\s]*)(?:#([^)\s]+))?\)")
OPTION = re.compile(r"`(--[a-z][a-z0-9-]+)")
OTHERS_OPTIONS = {
    "--help", "--install-completion", "--version",  # of all of dbrestore
    "--env-file", "--platform", "--rm", "--volumes",  # Docker's
    "--keep", "--setting",  # of the benchmarks
    "--no-owner", "--no-privileges", "--schema-only", "--section",  # PostgreSQL's
}  # fmt: skip


def test_the_reference_is_what_the_code_makes() -> None:
    assert (DOCS / "reference.md").read_text(encoding="utf-8") == render(), "make reference"


def parsed(shown: Shown) -> dict[str, Any]:
    """The options that were told, by name."""
    program, *words = shown.words
    assert program == "dbrestore"
    return command_named(words[0]).make_context(words[0], words[1:]).params


@pytest.mark.parametrize(
    "shown", [shown for shown in shown_commands() if shown.line.startswith("dbrestore ")], ids=lambda shown: shown.line
)
def test_every_command_of_a_page_is_one_that_can_be_typed(shown: Shown) -> None:
    flags = {name: value for name, value in parsed(shown).items() if value is not None}
    make_settings(**{name: value for name, value in flags.items() if name in Settings.model_fields and value != []})


@pytest.mark.parametrize("shown", shown_scripts(), ids=lambda shown: shown.page)
def test_every_command_of_an_example_is_one_that_can_be_typed(shown: Shown) -> None:
    parsed(shown)


@pytest.mark.parametrize("shown", mentioned_commands(), ids=lambda shown: shown.line)
def test_every_command_that_a_page_mentions_has_the_options_that_it_mentions(shown: Shown) -> None:
    _, name, *words = shown.words
    if name.startswith("-"):
        return
    known = {flag for option in command_named(name).params for flag in (*option.opts, *option.secondary_opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known | {"--help"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_that_a_page_names_is_one(page: Path) -> None:
    flags = {
        flag for command in commands() for option in command.params for flag in (*option.opts, *option.secondary_opts)
    }
    told = set(OPTION.findall(page.read_text(encoding="utf-8")))
    assert told <= flags | OTHERS_OPTIONS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / target) if target else page
        assert path.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{page.name}: {target}#{anchor}"


def test_every_page_is_in_the_index() -> None:
    linked = {target for target, _ in LINK.findall((DOCS / "README.md").read_text(encoding="utf-8"))}
    assert {page.name for page in DOCS.glob("*.md")} - {"README.md"} <= linked


def test_every_make_target_that_a_page_names_is_one() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"(?:^    |`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)) <= targets
