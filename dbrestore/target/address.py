"""Connection URIs and services, looked at before asyncpg reads them.

asyncpg's own errors quote the piece of a malformed URI that it stumbles over, which may be a piece of the password;
and it connects to the default database where a service is not found.
"""

from __future__ import annotations

import configparser
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qs, unquote, urlencode, urlsplit, urlunsplit

from dbrestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES = ("postgresql", "postgres")
CLIENT_PARAMETERS = frozenset(
    {
        "connect_timeout", "fallback_application_name", "gssdelegation", "keepalives", "keepalives_count",
        "keepalives_idle", "keepalives_interval", "load_balance_hosts", "sslcertmode", "sslcompression", "sslsni",
        "tcp_user_timeout",
    }
)  # fmt: skip
"""Parameters of libpq that change nothing of what a connection can do, and that asyncpg does not know."""
PROTECTIONS = {"channel_binding": ("prefer", "disable"), "gssencmode": ("prefer", "disable")}
"""Parameters of libpq that asyncpg does not know, and the values with which a connection may do without them."""
_VARIABLES = {
    "dbname": "PGDATABASE",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
}
MASK = "***"
_SECRETS = re.compile(r"(?<![^&])((?:ssl)?password)=[^&]*", re.IGNORECASE)
_HOST = re.compile(r"(\[[^]]*\]|[^\[\]:]*)(:\d*)?")


def check_dsn(dsn: str) -> None:
    """Raise UsageError, which quotes no word of it, unless ``dsn`` is a URI whose parts can be told apart."""
    try:
        readable = _is_readable(urlsplit(dsn))
    except ValueError:
        readable = False
    if not readable:
        raise UsageError(
            "the DSN cannot be read",
            hint="It has to be like postgresql://user:password@host:port/database. In a password write @ as %40, "
            ": as %3A, / as %2F, ? as %3F, # as %23 and % as %25, or leave it to PGPASSWORD or ~/.pgpass.",
        )


def _is_readable(parts: SplitResult) -> bool:
    if parts.query:
        parse_qs(parts.query, strict_parsing=True)
    role, _, hosts = parts.netloc.rpartition("@")
    return (
        parts.scheme in SCHEMES
        and not parts.fragment
        and "@" not in role + parts.path
        and all(_HOST.fullmatch(host) for host in hosts.split(","))
    )


def shown_hosts(dsn: str) -> str:
    """The hosts and ports before the path of a DSN, without role and password; empty if there are none."""
    return urlsplit(dsn).netloc.rpartition("@")[2]


def masked_dsn(dsn: str) -> str:
    """A DSN with ``***`` for its passwords; nothing but that, if its parts cannot be told apart."""
    try:
        check_dsn(dsn)
    except UsageError:
        return MASK
    parts = urlsplit(dsn)
    role, at, hosts = parts.netloc.rpartition("@")
    name, colon, _ = role.partition(":")
    netloc = f"{name}{colon}{MASK if colon else ''}{at}{hosts}"
    return urlunsplit(parts._replace(netloc=netloc, query=_SECRETS.sub(rf"\1={MASK}", parts.query)))


def find_service(dsn: str) -> tuple[str | None, dict[str, str]]:
    """The service that ``dsn`` or else PGSERVICE names, as in libpq, and the parameters that it has.

    Raises UsageError if the service file (PGSERVICEFILE, ~/.pg_service.conf) does not have it, or not in a form that
    asyncpg reads.
    """
    named = parse_qs(urlsplit(dsn).query).get("service", [os.environ.get("PGSERVICE", "")])[-1]
    if not named:
        return None, {}
    path = Path(os.environ.get("PGSERVICEFILE") or Path.home() / ".pg_service.conf")
    services = configparser.ConfigParser()
    try:
        services.read(path)
        return named, dict(services[named])
    except KeyError:
        hint = "Look at PGSERVICE or service= in the DSN; PGSERVICEFILE says which file is read."
        raise UsageError(f"the service file {path} has no service {named}", hint=hint) from None
    except (configparser.Error, UnicodeDecodeError):
        hint = "% has to be written as %%, or leave the password to PGPASSWORD or ~/.pgpass."
        raise UsageError(f"the service {named} of {path} cannot be read", hint=hint) from None


@dataclass(frozen=True, slots=True)
class Parameters:
    """What libpq calls connection parameters, from where it takes them: options, the DSN, a service, the environment.

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
    """

    given: Mapping[str, str] = field(default_factory=dict)
    """By options, the DSN or a service."""

    def find(self, name: str) -> str | None:
        """A parameter that is not empty, by its name in a DSN: ``sslmode`` is PGSSLMODE in the environment."""
        return self.given.get(name) or os.environ.get(_VARIABLES.get(name, f"PG{name.upper()}")) or None


def find_parameters(dsn: str, service: Mapping[str, str], options: Mapping[str, str | None]) -> Parameters:
    """All parameters that are given; options win over the DSN, and the DSN over the service."""
    parts = urlsplit(dsn)
    role, _, hosts = parts.netloc.rpartition("@")
    user = unquote(role.partition(":")[0])
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    in_dsn = {**query, **_present({"user": user, **_host_and_port(hosts)})}
    return Parameters({**service, **in_dsn, **_present(options)})


def _host_and_port(hosts: str) -> dict[str, str]:
    """Of one host; several stay as they are, host and port in one."""
    match = _HOST.fullmatch(hosts)
    if match is None:
        return {"host": hosts}
    return {"host": unquote(match[1].strip("[]")), "port": (match[2] or "").removeprefix(":")}


def _present(values: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def rewrite_dsn(dsn: str, parameters: Mapping[str, str | None]) -> str:
    """The DSN with other ``parameters`` in its query, and without those that asyncpg would take for the server's.

    Raises UsageError where one of them asks for a protection that asyncpg does not give.
    """
    parts = urlsplit(dsn)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()} | _present(parameters)
    for name, allowed in PROTECTIONS.items():
        if query.get(name, allowed[0]) not in allowed:
            raise UsageError(f"{name}={query[name]} is not supported", hint=f"Leave {name} out of the DSN.")
    kept = {name: value for name, value in query.items() if name not in {*CLIENT_PARAMETERS, *PROTECTIONS}}
    return urlunsplit(parts._replace(query=urlencode(kept)))


def named_database(dsn: str) -> str:
    """The database that a DSN names; empty if it names none."""
    parts = urlsplit(dsn)
    named = parse_qs(parts.query)
    return (named.get("dbname") or named.get("database") or [unquote(parts.path.removeprefix("/"))])[-1]
