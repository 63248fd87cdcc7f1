"""Which settings are in force, and where each comes from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from dbrestore.configuration import (
    CONFIG,
    Kind,
    default_files,
    find_file,
    is_readable_by_all,
    read_layers,
    unknown_variables,
)
from dbrestore.settings import ALTERNATIVES, ENVIRONMENT_PREFIX, Settings
from dbrestore.target.address import masked_dsn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a setting comes from."""

    kind: Kind
    name: str
    """As it is written there."""
    path: Path | None = None

    def __str__(self) -> str:
        """For people: ``env DBRESTORE_JOBS``."""
        return {Kind.DEFAULT: "default", Kind.FILE: f"file {self.path}"}.get(self.kind, f"{self.kind} {self.name}")

    @property
    def place(self) -> str:
        """What a complaint about the value begins with."""
        return f"{self.path}: {self.name}" if self.path else self.name


def find_origins(flags: Mapping[str, Any]) -> dict[str, Origin]:
    """Where each setting comes from, when these flags are given. Raises UsageError."""
    origins = {name: Origin(Kind.DEFAULT, name) for name in Settings.model_fields}
    for layer in reversed(read_layers(Settings, flags, ALTERNATIVES)):
        origins |= {name: _origin(layer.kind, name, layer.path) for name in layer.values}
    return origins


def _origin(kind: Kind, name: str, path: Path | None) -> Origin:
    written = {Kind.FLAG: f"--{name.replace('_', '-')}", Kind.ENVIRONMENT: f"{ENVIRONMENT_PREFIX}{name.upper()}"}
    return Origin(kind, written.get(kind, name), path)


def find_warnings(settings: Settings, flags: Mapping[str, Any]) -> Iterator[str]:
    """What is suspicious about environment and file."""
    yield from unknown_variables(Settings)
    for name, origin in find_origins(flags).items():
        value = getattr(settings, name)
        holds_secret = isinstance(value, SecretStr) and shown(value) != value.get_secret_value()
        if holds_secret and origin.path and is_readable_by_all(origin.path):
            yield f"{origin.path} holds a password ({name}) and everybody may read it: chmod 600 {origin.path}"


def settings_object(settings: Settings, origins: Mapping[str, Origin]) -> dict[str, Any]:
    """For programs: the file, and value and origin of each setting by its name, without secrets."""
    file = find_file(settings.config)
    return {
        "file": str(file) if file else None,
        "settings": {
            name: {
                "value": shown(getattr(settings, name)),
                "from": origin.kind.value,
                "name": origin.name,
                "path": str(origin.path) if origin.path else None,
            }
            for name, origin in origins.items()
            if name != CONFIG
        },
    }


def settings_lines(settings: Settings, origins: Mapping[str, Origin]) -> Iterator[str]:
    """For people: the file, and one line for each setting, without secrets."""
    nowhere = f"none, neither {' nor '.join(map(str, default_files()))}"
    yield f"configuration file: {find_file(settings.config) or nowhere}"
    yield ""
    rows = [("SETTING", "VALUE", "FROM")]
    rows += [
        (name, _text(shown(getattr(settings, name))), str(origin)) for name, origin in origins.items() if name != CONFIG
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for name, value, origin in rows:
        yield f"{name:<{widths[0]}}  {value:<{widths[1]}}  {origin}"


def shown(value: Any) -> Any:
    """A setting's value as JSON has it, with its secrets masked."""
    if isinstance(value, SecretStr):
        return masked_dsn(value.get_secret_value())
    if isinstance(value, tuple):
        return [shown(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def _text(value: Any) -> str:
    if isinstance(value, list):
        return _listed(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def _listed(values: Sequence[Any]) -> str:
    return ",".join("=".join(each) if isinstance(each, list) else str(each) for each in values) or "-"
