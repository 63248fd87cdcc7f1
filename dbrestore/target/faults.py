"""What the server and the way to it can answer: which of it passes.

The codes are those of https://www.postgresql.org/docs/current/errcodes-appendix.html.
"""

from __future__ import annotations

import ssl

import asyncpg

from dbrestore.errors import Fault

_FAULTS = {
    "25006": Fault.STANDBY,  # read_only_sql_transaction: after a failover, until the standby is promoted
    "40001": Fault.CLASH,  # serialization_failure
    "40P01": Fault.CLASH,  # deadlock_detected
    "53300": Fault.CROWDED,  # too_many_connections, also those of a role or a database
    "57P01": Fault.LOST,  # admin_shutdown, also by pg_terminate_backend
    "57P02": Fault.LOST,  # crash_shutdown
    "57P03": Fault.NOT_READY,  # cannot_connect_now
    "57P05": Fault.LOST,  # idle_session_timeout
}
_CONNECTION_CLASS = "08"
_LASTING_CLIENT_ERRORS = (
    asyncpg.exceptions.ClientConfigurationError,
    asyncpg.exceptions.UnsupportedClientFeatureError,
    asyncpg.exceptions.UnsupportedServerFeatureError,
    ssl.SSLCertVerificationError,
)
_LOST_CLIENT_ERRORS = (asyncpg.InterfaceError, asyncpg.InternalClientError, ConnectionError, ssl.SSLError)


def fault_of(error: BaseException) -> Fault | None:
    """Why what asyncpg raised may pass; None if it does not."""
    if isinstance(error, asyncpg.PostgresError):
        code = error.sqlstate or ""
        return Fault.LOST if code.startswith(_CONNECTION_CLASS) else _FAULTS.get(code)
    if isinstance(error, _LASTING_CLIENT_ERRORS):
        return None
    if isinstance(error, ConnectionRefusedError | asyncpg.exceptions.TargetServerAttributeNotMatched):
        return Fault.UNREACHABLE
    if isinstance(error, _LOST_CLIENT_ERRORS):
        return Fault.LOST
    return Fault.UNREACHABLE if isinstance(error, OSError | TimeoutError) else None
