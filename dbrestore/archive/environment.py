"""The target as libpq's programs are told of it: by a connection string for where it is, and by their environment for
all else, which others cannot see as they see arguments.

Where it is has to be in the string: what a service says (PGSERVICE) comes before the environment, and after the string.
Names of parameters and variables: PostgreSQL documentation, libpq, "Environment Variables".
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dbrestore.target.connect import ConnectionSettings

_VARIABLES = {
    "application_name": "PGAPPNAME",
    "channel_binding": "PGCHANNELBINDING",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "database": "PGDATABASE",
    "dbname": "PGDATABASE",
    "gssencmode": "PGGSSENCMODE",
    "gsslib": "PGGSSLIB",
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "krbsrvname": "PGKRBSRVNAME",
    "options": "PGOPTIONS",
    "passfile": "PGPASSFILE",
    "password": "PGPASSWORD",
    "port": "PGPORT",
    "requirepeer": "PGREQUIREPEER",
    "service": "PGSERVICE",
    "servicefile": "PGSERVICEFILE",
    "sslcert": "PGSSLCERT",
    "sslcrl": "PGSSLCRL",
    "sslkey": "PGSSLKEY",
    "sslmode": "PGSSLMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslrootcert": "PGSSLROOTCERT",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "user": "PGUSER",
}
_PLACES = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE"}
OPTIONS = "PGOPTIONS"
APPLICATION_NAME = "dbrestore pg_restore"
"""Of the sessions of such a program."""


@dataclass(frozen=True, slots=True)
class ProgramTarget:
    """The target of a program."""

    connection_string: str
    """For its option ``--dbname``. Never holds a password."""
    environment: dict[str, str]
    """On top of that of the process, which is heeded where the settings leave a thing to it."""


def program_target(settings: ConnectionSettings, server_settings: Mapping[str, str]) -> ProgramTarget:
    """What leads a program to the target of our own connections; ``server_settings`` hold for its sessions."""
    found = dict(_from_dsn(settings.dsn.get_secret_value())) if settings.dsn else {}
    port = str(settings.port) if settings.port else None
    given = {"PGHOST": settings.host, "PGPORT": port, "PGUSER": settings.user, "PGDATABASE": settings.database}
    found |= {name: value for name, value in given.items() if value}
    places = {keyword: found.pop(name) for keyword, name in _PLACES.items() if name in found}
    options = " ".join(f"-c {name}={_escaped(value)}" for name, value in server_settings.items())
    found[OPTIONS] = f"{found.get(OPTIONS, os.environ.get(OPTIONS, ''))} {options}".strip()
    return ProgramTarget(" ".join(map(_quoted, places.items())), found | {"PGAPPNAME": APPLICATION_NAME})


def _quoted(pair: tuple[str, str]) -> str:
    keyword, value = pair
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{keyword}='{escaped}'"


def _from_dsn(dsn: str) -> Iterator[tuple[str, str]]:
    parts = urlsplit(dsn)
    role, _, hosts = parts.netloc.rpartition("@")
    user, has_password, password = role.partition(":")
    places = [_host_and_port(place) for place in hosts.split(",") if place]
    values = {
        "PGUSER": unquote(user),
        "PGPASSWORD": unquote(password) if has_password else "",
        "PGHOST": ",".join(host for host, _ in places),
        "PGPORT": ",".join(port for _, port in places),
        "PGDATABASE": unquote(parts.path.removeprefix("/")),
    }
    yield from ((name, value) for name, value in values.items() if value.strip(","))
    options = []
    for name, value in parse_qsl(parts.query):
        if name in _VARIABLES:
            yield _VARIABLES[name], value
        else:
            options.append(f"-c {name}={_escaped(value)}")  # as our own connections take what they do not know
    if options:
        yield OPTIONS, " ".join(options)


def _host_and_port(place: str) -> tuple[str, str]:
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = place.partition(":")
    return unquote(host), port


def _escaped(value: str) -> str:
    """In PGOPTIONS a blank ends an option unless a backslash is before it."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
