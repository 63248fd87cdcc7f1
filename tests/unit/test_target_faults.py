from __future__ import annotations

import ssl

import asyncpg
import pytest

from dbrestore.errors import Fault
from dbrestore.target.connect import translated
from dbrestore.target.faults import fault_of

PASSING = {
    asyncpg.AdminShutdownError: Fault.LOST,
    asyncpg.CrashShutdownError: Fault.LOST,
    asyncpg.ConnectionDoesNotExistError: Fault.LOST,
    asyncpg.ConnectionFailureError: Fault.LOST,
    asyncpg.InterfaceError: Fault.LOST,
    asyncpg.InternalClientError: Fault.LOST,
    ConnectionResetError: Fault.LOST,
    ssl.SSLEOFError: Fault.LOST,
    asyncpg.CannotConnectNowError: Fault.NOT_READY,
    asyncpg.TooManyConnectionsError: Fault.CROWDED,
    asyncpg.ReadOnlySQLTransactionError: Fault.STANDBY,
    asyncpg.DeadlockDetectedError: Fault.CLASH,
    asyncpg.SerializationError: Fault.CLASH,
    ConnectionRefusedError: Fault.UNREACHABLE,
    TimeoutError: Fault.UNREACHABLE,
    OSError: Fault.UNREACHABLE,
}
LASTING = [
    asyncpg.DiskFullError,
    asyncpg.OutOfMemoryError,
    asyncpg.ConfigurationLimitExceededError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.DatabaseDroppedError,
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.QueryCanceledError,
    asyncpg.UniqueViolationError,
    asyncpg.exceptions.ClientConfigurationError,
    ssl.SSLCertVerificationError,
    ValueError,
]


@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_is_known_by_its_kind(kind: type[Exception]) -> None:
    assert fault_of(kind("words")) is PASSING[kind]


@pytest.mark.parametrize("kind", LASTING)
def test_what_stays_as_it_is_has_no_fault(kind: type[Exception]) -> None:
    assert fault_of(kind("words")) is None


def test_the_error_of_a_rollback_that_came_too_late_is_not_the_one_that_is_told() -> None:
    error = asyncpg.InterfaceError("cannot call Transaction.__aexit__()")
    error.__context__ = asyncpg.AdminShutdownError("terminating connection")
    told = translated(error, "reading")
    assert (told.message, told.fault) == ("reading: terminating connection", Fault.LOST)
