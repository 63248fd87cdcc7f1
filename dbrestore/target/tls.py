"""TLS as libpq has it: the modes, the certificates, and where they are looked for.

asyncpg knows the same parameters, but not ``sslrootcert=system``; and of a file that is not there, or of a passphrase
that is wrong, its errors do not say which.

https://www.postgresql.org/docs/current/libpq-ssl.html
"""

from __future__ import annotations

import os
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from dbrestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbrestore.target.address import Parameters

SYSTEM = "system"
"""In place of a file: the certificates that the operating system trusts."""
RDS_BUNDLE = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
OLDEST_VERSION = "TLSv1.2"
ALPN_PROTOCOL = "postgresql"
_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


class TlsMode(StrEnum):
    """libpq's sslmode."""

    DISABLE = "disable"
    ALLOW = "allow"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"

    @property
    def is_sure(self) -> bool:
        """Whether nothing goes over the network unencrypted."""
        return self not in {TlsMode.DISABLE, TlsMode.ALLOW, TlsMode.PREFER}

    @property
    def verifies(self) -> bool:
        """Whether a server without a certificate that is trusted is refused."""
        return self in {TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL}


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """What options say of TLS; None leaves a thing to the DSN, a service, libpq's environment, then its defaults."""

    mode: TlsMode | None = None
    root_certificate: str | None = None
    certificate: str | None = None
    key: str | None = None

    @property
    def parameters(self) -> dict[str, str | None]:
        """By libpq's names. A root certificate that is named is there to be looked at."""
        mode = self.mode or (TlsMode.VERIFY_FULL if self.root_certificate else None)
        return {
            "sslmode": mode,
            "sslrootcert": self.root_certificate,
            "sslcert": self.certificate,
            "sslkey": self.key,
        }


def find_mode(parameters: Parameters) -> TlsMode | None:
    """The mode that is wanted; None if none is. Raises UsageError where it makes no sense."""
    mode = parameters.find("sslmode")
    is_system = parameters.find("sslrootcert") == SYSTEM
    if mode is None:
        return TlsMode.VERIFY_FULL if is_system else None
    if mode not in set(TlsMode):
        raise UsageError(f"there is no sslmode {mode}", hint=f"It is one of {', '.join(TlsMode)}.")
    if is_system and mode != TlsMode.VERIFY_FULL:
        raise UsageError(
            f"sslmode {mode} is too weak for sslrootcert=system, which anybody has a certificate of",
            hint="Take verify-full, or the file of another root certificate.",
        )
    return TlsMode(mode)


def make_context(mode: TlsMode, parameters: Parameters) -> ssl.SSLContext:
    """How to speak with a server in ``mode``, one that is sure.

    As in libpq ``require`` verifies the certificate as ``verify-ca`` does, if there is a root certificate. Unlike
    libpq, one that is named has to be there.

    Raises UsageError where a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # before nothing is verified
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = _version(parameters, "ssl_min_protocol_version", OLDEST_VERSION)
    if parameters.find("ssl_max_protocol_version"):
        context.maximum_version = _version(parameters, "ssl_max_protocol_version", OLDEST_VERSION)
    context.set_alpn_protocols([ALPN_PROTOCOL])
    _trust(context, mode, parameters)
    load_certificate(context, parameters)
    return context


def _version(parameters: Parameters, name: str, default: str) -> ssl.TLSVersion:
    wanted = parameters.find(name) or default
    if wanted not in _VERSIONS:
        raise UsageError(f"{name} {wanted} is not supported", hint=f"It is one of {', '.join(_VERSIONS)}.")
    return _VERSIONS[wanted]


def _trust(context: ssl.SSLContext, mode: TlsMode, parameters: Parameters) -> None:
    roots, revoked = _file(parameters, "sslrootcert", "root.crt"), _file(parameters, "sslcrl", "root.crl")
    if roots == Path(SYSTEM):
        context.load_default_certs()
    elif roots:
        with _file_errors(f"the root certificate {roots}"):
            context.load_verify_locations(roots)
    elif mode.verifies:
        raise UsageError(
            f"sslmode {mode} needs a root certificate, and ~/.postgresql/root.crt is not there",
            hint=f"Name one with --db-sslrootcert: for RDS the file at {RDS_BUNDLE}, or `system`.",
        )
    else:
        return
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = mode is TlsMode.VERIFY_FULL
    if revoked:
        with _file_errors(f"the list of revoked certificates {revoked}"):
            context.load_verify_locations(revoked)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def load_certificate(context: ssl.SSLContext, parameters: Parameters) -> None:
    """Have the client's own certificate, if there is one, ready for a server that asks for it. Raises UsageError."""
    certificate = _file(parameters, "sslcert", "postgresql.crt")
    if certificate is None:
        return
    key = _file(parameters, "sslkey", "postgresql.key")
    password = parameters.given.get("sslpassword", "")
    if key:
        _require_private(key)
    with _file_errors(f"the client certificate {certificate}" + (f" with the key {key}" if key else "")):
        # Without a function OpenSSL would ask at the terminal.
        context.load_cert_chain(certificate, key, password=lambda: password)


def _require_private(key: Path) -> None:
    """As libpq: a key that others may read is nobody's."""
    with _file_errors(f"the key {key}"):
        status = key.stat()
    if os.name == "posix" and status.st_mode & (0o037 if status.st_uid == 0 else 0o077):
        raise UsageError(f"others may read the key {key}", hint=f"chmod 600 {key}")


def _file(parameters: Parameters, name: str, default: str) -> Path | None:
    """The file that a parameter names, or else the default in ~/.postgresql if it is there."""
    named = parameters.find(name)
    if named:
        return Path(named)
    try:
        path = Path.home() / ".postgresql" / default
        return path if path.exists() else None
    except (RuntimeError, OSError):  # no home, or nobody may look into it
        return None


@contextmanager
def _file_errors(what: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        hint = "It has to be PEM; a key with a passphrase needs sslpassword in the DSN, which DBRESTORE_DSN can hold."
        raise UsageError(f"{what} cannot be used", hint=hint) from error
    except OSError as error:
        hint = "Look at the path and at who may read the file."
        raise UsageError(f"{what} cannot be read: {error.strerror or error}", hint=hint) from error
