"""Connection URIs and services, looked at before asyncpg reads them.

asyncpg's own errors quote the piece of a malformed URI that it stumbles over, which may be a piece of the password;
and it connects to the default database where a service is not found.
"""

from __future__ import annotations

import configparser
import os
import re
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit, urlunsplit

from dbrestore.errors import UsageError

SCHEMES = ("postgresql", "postgres")
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


def find_service(dsn: str) -> str | None:
    """The service that ``dsn`` or else PGSERVICE names, as in libpq.

    Raises UsageError if the service file (PGSERVICEFILE, ~/.pg_service.conf) does not have it, or not in a form that
    asyncpg reads.
    """
    named = parse_qs(urlsplit(dsn).query).get("service", [os.environ.get("PGSERVICE", "")])[-1]
    if not named:
        return None
    path = Path(os.environ.get("PGSERVICEFILE") or Path.home() / ".pg_service.conf")
    services = configparser.ConfigParser()
    try:
        services.read(path)
        dict(services[named])
    except KeyError:
        raise UsageError(f"the service file {path} has no service {named}") from None
    except (configparser.Error, UnicodeDecodeError):
        hint = "% has to be written as %%, or leave the password to PGPASSWORD or ~/.pgpass."
        raise UsageError(f"the service {named} of {path} cannot be read", hint=hint) from None
    return named
