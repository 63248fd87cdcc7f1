"""Connections whose other side falls silent: both kernels ask whether it is there, and give up within a minute.

No TCP_USER_TIMEOUT: Linux would also end a connection by it whose other side lives and is only not taking anything,
as a COPY does that waits for a lock.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

IDLE_SECONDS = 20
"""Without a byte, after which a kernel asks."""
INTERVAL_SECONDS = 10
"""Between two questions."""
QUESTIONS = 3
"""Without an answer, after which the connection is lost."""

SERVER_SETTINGS = {
    "tcp_keepalives_idle": str(IDLE_SECONDS),
    "tcp_keepalives_interval": str(INTERVAL_SECONDS),
    "tcp_keepalives_count": str(QUESTIONS),
}
_CLIENT_OPTIONS = {
    "TCP_KEEPIDLE": IDLE_SECONDS,
    "TCP_KEEPALIVE": IDLE_SECONDS,  # as macOS calls it
    "TCP_KEEPINTVL": INTERVAL_SECONDS,
    "TCP_KEEPCNT": QUESTIONS,
}


def keep_alive(connection: asyncpg.Connection) -> None:
    """Have this side's kernel ask, as far as it can."""
    transport = getattr(connection, "_transport", None)
    found = transport.get_extra_info("socket") if transport else None
    if found is None or found.family not in (socket.AF_INET, socket.AF_INET6):
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _CLIENT_OPTIONS.items():
        if hasattr(socket, name):
            found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
