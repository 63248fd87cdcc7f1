from __future__ import annotations

import re
import subprocess
import sys

import pytest
from typer.main import get_command

from dbrestore.cli import app
from dbrestore.settings import ENVIRONMENT_PREFIX, Settings

COMMANDS = ("abort", "config", "list", "plan", "restore", "simulate", "status", "tune", "verify")
NO_SETTINGS = {
    "--json", "--tables", "--export-id", "--help", "--format", "--unsafe", "--undo", "--memory", "--cores"
}  # fmt: skip
"""What only one call can want."""


def options(command: str) -> dict[str, str]:
    """The help of each option by its first name."""
    group = get_command(app)
    found = group.commands[command].params  # type: ignore[attr-defined]
    return {option.opts[0]: option.help for option in found if option.param_type_name == "option"}


def test_the_commands_are_those_that_are_promised() -> None:
    assert sorted(get_command(app).commands) == list(COMMANDS)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_names_its_environment_variable(command: str) -> None:
    for flag, text in options(command).items():
        if flag not in NO_SETTINGS:
            field = flag.removeprefix("--").replace("-", "_")
            assert field in Settings.model_fields
            assert f"[env: {ENVIRONMENT_PREFIX}{field.upper()}]" in text


def test_every_setting_is_an_option_of_some_command() -> None:
    flags = {flag for command in COMMANDS if command != "config" for flag in options(command)}
    assert {f"--{field.replace('_', '-')}" for field in Settings.model_fields} <= flags


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(command: str) -> None:
    help_text = get_command(app).commands[command].help  # type: ignore[attr-defined]
    assert re.search(rf"^Example: dbrestore {command} \S", help_text, re.MULTILINE)


@pytest.mark.parametrize("command", sorted({*COMMANDS} - {"tune"}))
def test_every_command_with_settings_takes_a_configuration_file(command: str) -> None:
    assert "--config" in options(command)


def test_whatever_is_switched_on_elsewhere_a_flag_can_switch_off() -> None:
    group = get_command(app)
    found = group.commands["config"].params  # type: ignore[attr-defined]
    switches = [option for option in found if getattr(option, "is_flag", False) and option.opts[0] not in NO_SETTINGS]
    assert switches
    assert all(option.secondary_opts for option in switches)


def test_help_imports_nothing_that_takes_long() -> None:
    script = "import sys, dbrestore.cli as cli; sys.argv[1:] = ['restore', '--help']; cli.main()"
    imported = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", script], capture_output=True, text=True, check=True
    ).stderr
    names = {line.rpartition("|")[2].strip() for line in imported.splitlines()}
    assert "dbrestore.cli" in names
    assert names.isdisjoint({"pyarrow", "asyncpg", "aiobotocore", "botocore", "numpy", "uvloop"})
