"""What is said when a connection is refused: why, and what can be done."""

from __future__ import annotations

import ssl

from dbrestore.target.pooler import HINT as POOLER_HINT
from dbrestore.target.tls import RDS_BUNDLE

TRUST_HINT = (
    "--db-sslrootcert names the file of the certificates to trust, or `system` for those of this machine; "
    f"those of RDS are at {RDS_BUNDLE}."
)
NAME_HINT = "Connect by a name that the certificate has; verify-ca does not look at the name."

_BY_MESSAGE = (
    ("unsupported startup parameter", POOLER_HINT),
    ("statement pooling", POOLER_HINT),
    ("rejected SSL upgrade", "The server does not speak TLS: --db-sslmode disable, if the network is trusted."),
    ("no encryption", "The server wants TLS: --db-sslmode require, or better verify-full."),
    ("SSL off", "The server wants TLS: --db-sslmode require, or better verify-full."),
    ("client certificate", "--db-sslcert and --db-sslkey name a certificate that the server accepts, and its key."),
    ("PAM authentication failed", "With --db-iam-auth the role needs rds_iam, and its credentials rds-db:connect."),
)


def explained(error: BaseException) -> str | None:
    """An error of OpenSSL in other words than those of its source code; None for all others."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "the handshake failed").lower().replace("_", " ")
        return f"no TLS connection: {reason}"
    return None


def hint_for(error: BaseException | None) -> str | None:
    """What can be done about the error of a connection that was refused, where that is known."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return NAME_HINT if "mismatch" in error.verify_message else TRUST_HINT
    message = str(error)
    return next((hint for words, hint in _BY_MESSAGE if words in message), None)
