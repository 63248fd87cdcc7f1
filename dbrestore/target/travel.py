"""Connection settings that go to another process or machine: complete without this one's environment, and no secrets.

What they leave out, the other side's environment has: DBRESTORE_DSN, PGPASSWORD, PGPASSFILE or ~/.pgpass. Files that
they name (services, certificates) have to be there.
"""

from __future__ import annotations

import getpass
import os
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbrestore.target.connect import ConnectionSettings

DSN_VARIABLE = "DBRESTORE_DSN"
EMPTY_DSN = "postgresql://"
_SECRETS = ("password", "sslpassword")
_VARIABLES = {
    "PGSERVICE": "service",
    "PGSSLMODE": "sslmode",
    "PGSSLROOTCERT": "sslrootcert",
    "PGSSLCERT": "sslcert",
    "PGSSLKEY": "sslkey",
    "PGSSLCRL": "sslcrl",
    "PGTARGETSESSIONATTRS": "target_session_attrs",
}
"""libpq's variables, and what a DSN calls them."""


def settings_to_send(settings: ConnectionSettings, database: str) -> ConnectionSettings:
    """What another process needs to connect to ``database``, but for the secrets."""
    parts = urlsplit(settings.dsn.get_secret_value() if settings.dsn else EMPTY_DSN)
    role, _, hosts = parts.netloc.rpartition("@")
    user = role.partition(":")[0]
    query = {name: value for name, value in parse_qsl(parts.query) if name not in _SECRETS}
    query = _from_environment(_VARIABLES) | query
    port = settings.port
    if "service" not in query:
        query = ({} if user else _own_role()) | _from_environment({"PGHOST": "host"}) | query
        port = port or (None if "port" in query or ":" in hosts else _own_port())
    sent = urlunsplit((parts.scheme, f"{user}@{hosts}" if user else hosts, parts.path, urlencode(query), ""))
    return replace(settings, dsn=SecretStr(_with_slashes(sent)), port=port, database=database)


def _from_environment(names: Mapping[str, str]) -> dict[str, str]:
    return {name: os.environ[variable] for variable, name in names.items() if os.environ.get(variable)}


def _own_role() -> dict[str, str]:
    """Who connects where nothing names a role."""
    try:
        return {"user": os.environ.get("PGUSER") or getpass.getuser()}
    except (KeyError, OSError):  # a user id without a name
        return {}


def _own_port() -> int | None:
    return int(os.environ["PGPORT"]) if os.environ.get("PGPORT", "").isdecimal() else None


def _with_slashes(dsn: str) -> str:
    """urlunsplit leaves out the slashes of an empty authority, which asyncpg asks for."""
    scheme, _, rest = dsn.partition(":")
    return dsn if rest.startswith("//") else f"{scheme}://{rest}"


def with_own_secrets(settings: ConnectionSettings) -> ConnectionSettings:
    """What was sent, with the secrets that DBRESTORE_DSN of this process has. asyncpg finds all others itself."""
    assert settings.dsn is not None, "settings_to_send always makes one"
    parts = urlsplit(settings.dsn.get_secret_value())
    query = dict(parse_qsl(parts.query)) | _secrets(os.environ.get(DSN_VARIABLE, ""))
    dsn = urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), ""))
    return replace(settings, dsn=SecretStr(_with_slashes(dsn)))


def _secrets(dsn: str) -> dict[str, str]:
    parts = urlsplit(dsn)
    password = parts.netloc.rpartition("@")[0].partition(":")[2]
    found = {name: value for name, value in parse_qsl(parts.query) if name in _SECRETS}
    return ({"password": unquote(password)} if password else {}) | found
