"""Where settings come from: flags before environment before one file before defaults.

The file is TOML, its keys are the options' names. It is the one that --config or DBRESTORE_CONFIG names, or else the
first that exists of ``dbrestore.toml`` in the working folder and in the user's configuration folder.
"""

from __future__ import annotations

import difflib
import os
import stat
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_config_path
from pydantic_settings import EnvSettingsSource, PydanticBaseSettingsSource

from dbrestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

FILE_NAME = "dbrestore.toml"
CONFIG = "config"
"""The setting that names the file: the only one that is not in it."""
FALSE_WORDS = {"", "0", "off", "f", "false", "n", "no"}
"""What says no in the environment, as pydantic reads it."""


class Kind(StrEnum):
    """What a setting can come from, the nearest first."""

    FLAG = "flag"
    ENVIRONMENT = "env"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Layer:
    """What one of these says."""

    kind: Kind
    values: Mapping[str, Any]
    """As they were written, by the settings' names."""
    path: Path | None = None
    """The file, if it is one."""


class LayeredSource(PydanticBaseSettingsSource):
    """What environment and file say, for a model whose flags are its arguments."""

    def __init__(self, model: type[BaseSettings], alternatives: Sequence[Sequence[str]]) -> None:
        """``alternatives``: see `read_layers`."""
        super().__init__(model)
        self._alternatives = alternatives

    def __call__(self) -> dict[str, Any]:
        """The values by the settings' names. Raises UsageError."""
        layers = read_layers(self.settings_cls, self.current_state, self._alternatives)
        return {name: value for layer in reversed(layers[1:]) for name, value in layer.values.items()}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not asked for: all values come at once."""
        raise NotImplementedError


def read_layers(
    model: type[BaseSettings], flags: Mapping[str, Any], alternatives: Sequence[Sequence[str]]
) -> list[Layer]:
    """What flags, environment and file say, the nearest first.

    Of ``alternatives``, settings that exclude each other, the nearest layer that chooses one is heeded alone: a
    --restart is not held up by a ``resume = true`` of the file. Raises UsageError for a file that cannot be used.
    """
    environment = EnvSettingsSource(model)()
    path = find_file(flags.get(CONFIG) or environment.get(CONFIG))
    layers = [Layer(Kind.FLAG, flags), Layer(Kind.ENVIRONMENT, environment)]
    if path:
        layers.append(Layer(Kind.FILE, read_file(path, model), path))
    return list(_yielding(layers, alternatives))


def _yielding(layers: Sequence[Layer], alternatives: Sequence[Sequence[str]]) -> Iterator[Layer]:
    outdone: set[str] = set()
    for layer in layers:
        values = {name: value for name, value in layer.values.items() if name not in outdone}
        yield Layer(layer.kind, values, layer.path)
        for group in alternatives:
            if any(_says_something(values.get(name)) for name in group):
                outdone.update(group)


def _says_something(value: Any) -> bool:
    return bool(value) and str(value).lower() not in FALSE_WORDS


def find_file(named: str | Path | None) -> Path | None:
    """The configuration file: the named one, or else the nearest that exists."""
    if named:
        return Path(named)
    return next((path for path in default_files() if path.is_file()), None)


def default_files() -> tuple[Path, ...]:
    """Where a file is looked for that nobody named: the working folder, then the user's configuration folder."""
    return Path(FILE_NAME).absolute(), user_config_path("dbrestore", appauthor=False) / FILE_NAME


def read_file(path: Path, model: type[BaseSettings]) -> dict[str, Any]:
    """The values of a file by the settings' names; a key may have hyphens, as the option has.

    Raises UsageError: it cannot be read, is no TOML, or has keys that are no settings.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "Make it readable for this user, or name another one with --config."
        raise UsageError(f"the configuration file {path} cannot be read: {error.strerror}", hint=hint) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        hint = 'Lines are like jobs = 4, include_tables = ["orders", "users"] or dsn = "postgresql://…".'
        raise UsageError(f"the configuration file {path} is no TOML: {error}", hint=hint) from None
    values = {key.replace("-", "_"): value for key, value in found.items()}
    known = set(model.model_fields) - {CONFIG}
    if unknown := [key for key in found if key.replace("-", "_") not in known]:
        raise UsageError(f"{path}: no such setting: {', '.join(unknown)}", hint=_hint(unknown, known))
    return values


def _hint(unknown: Sequence[str], known: set[str]) -> str:
    nearest = {key: difflib.get_close_matches(key.lower().replace("-", "_"), known, 1) for key in unknown}
    guesses = [f"{key}: did you mean {names[0]}?" for key, names in nearest.items() if names]
    return " ".join([*guesses, "dbrestore config shows all settings."])


def is_readable_by_all(path: Path) -> bool:
    """Whether every user of the machine may read the file, as far as its mode says. Windows has no such mode."""
    return os.name != "nt" and bool(path.stat().st_mode & stat.S_IROTH)


def unknown_variables(model: type[BaseSettings]) -> Iterator[str]:
    """A warning for each variable of the environment that looks like a setting and is none."""
    prefix = model.model_config["env_prefix"]
    known = {f"{prefix}{name.upper()}" for name in model.model_fields}
    for name in sorted(os.environ):
        if name.startswith(prefix) and name.upper() not in known and not name.startswith(f"{prefix}TEST_"):
            nearest = difflib.get_close_matches(name, known, 1)
            yield f"{name} in the environment is no setting" + (f": did you mean {nearest[0]}?" if nearest else "")
