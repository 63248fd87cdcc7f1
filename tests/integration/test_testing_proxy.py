from __future__ import annotations

import socket
import socketserver
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from dbrestore.testing.proxy import HOST, Direction, Ending, Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 10
MEBIBYTE = bytes(1024**2)


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while data := self.request.recv(2**16):
                self.request.sendall(data)
        except ConnectionError:
            pass


class TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = False


class UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = False


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """The address of a server that sends back what it gets."""
    server = TcpServer((HOST, 0), Echo)
    with serving(server):
        yield HOST, server.server_address[1]


@pytest.fixture
def proxy(echo: tuple[str, int]) -> Iterator[Proxy]:
    with Proxy(echo) as proxy:
        yield proxy


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), SECONDS)


def receive(connection: socket.socket, count: int) -> bytes:
    """``count`` bytes, or fewer when the connection ends before."""
    received = b""
    while len(received) < count and (data := connection.recv(2**16)):
        received += data
    return received


def ask(connection: socket.socket, message: bytes) -> bytes:
    connection.sendall(message)
    return receive(connection, len(message))


def wait_until_closed(proxy: Proxy) -> None:
    deadline = time.monotonic() + SECONDS
    while proxy.open_connections and time.monotonic() < deadline:
        time.sleep(0.01)


def test_bytes_go_both_ways_and_are_counted(proxy: Proxy) -> None:
    with connect(proxy) as first, connect(proxy) as second:
        assert (ask(first, b"one"), ask(second, b"second")) == (b"one", b"second")
        assert (proxy.connections, proxy.open_connections) == (2, 2)
    assert proxy.carried == {Direction.TO_SERVER: 9, Direction.TO_CLIENT: 9}
    wait_until_closed(proxy)
    assert (proxy.connections, proxy.open_connections) == (2, 0)


def test_a_unix_socket_can_be_the_target(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with serving(UnixServer(str(path), Echo)), Proxy(path) as proxy, connect(proxy) as connection:
        assert ask(connection, b"over the socket") == b"over the socket"


def test_a_client_that_is_done_still_gets_the_rest(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        connection.sendall(MEBIBYTE[:100_000])
        connection.shutdown(socket.SHUT_WR)
        assert receive(connection, 100_001) == MEBIBYTE[:100_000]


def test_a_cut_by_rst_is_a_reset_and_one_by_fin_an_end(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        ask(connection, b"open")
        proxy.cut(Ending.RST)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with connect(proxy) as connection:
        ask(connection, b"open")
        proxy.cut(Ending.FIN)
        assert connection.recv(1) == b""
    assert proxy.open_connections == 0
    with connect(proxy) as connection:
        assert ask(connection, b"a new one works") == b"a new one works"


def test_connections_that_are_just_being_made_are_cut_and_closed_cleanly(echo: tuple[str, int]) -> None:
    for _ in range(30):
        with Proxy(echo) as proxy, connect(proxy), connect(proxy):
            proxy.cut(Ending.FIN)
            with connect(proxy):
                proxy.cut()


def test_a_cut_after_some_bytes_lets_these_through(proxy: Proxy) -> None:
    proxy.cut_after(100_000, Direction.TO_CLIENT, Ending.FIN)
    with connect(proxy) as connection:
        assert ask(connection, bytes(60_000)) == bytes(60_000)
        assert ask(connection, bytes(60_000)) == bytes(40_000)
    assert proxy.carried == {Direction.TO_SERVER: 120_000, Direction.TO_CLIENT: 100_000}


def test_a_cut_on_the_way_to_the_server_stops_the_answer_as_well(proxy: Proxy) -> None:
    proxy.cut_after(5, Direction.TO_SERVER)
    with connect(proxy) as connection, pytest.raises(ConnectionResetError):
        ask(connection, b"too long")
    assert proxy.carried[Direction.TO_SERVER] == 5


def test_only_so_many_connections_are_cut(proxy: Proxy) -> None:
    proxy.cut_after(1, ending=Ending.FIN, times=2)
    answers = []
    for _ in range(4):
        with connect(proxy) as connection:
            answers.append(ask(connection, b"two"))
    assert answers == [b"t", b"t", b"two", b"two"]


def test_a_delay_is_latency_and_not_a_limit_of_the_rate(proxy: Proxy) -> None:
    proxy.delay = 0.1
    with connect(proxy) as connection:
        sender = threading.Thread(target=connection.sendall, args=[MEBIBYTE])
        started = time.monotonic()
        sender.start()
        assert receive(connection, len(MEBIBYTE)) == MEBIBYTE
        took = time.monotonic() - started
        sender.join()
    assert 0.2 <= took < 16 * 0.2


def test_a_throttled_connection_is_as_slow_as_it_was_told(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        assert ask(connection, b"fast") == b"fast"
        proxy.bytes_per_second = 100_000
        started = time.monotonic()
        assert ask(connection, bytes(20_000)) == bytes(20_000)
        assert time.monotonic() - started >= 0.2


def test_a_held_connection_is_silent_and_goes_on_when_released(proxy: Proxy) -> None:
    with connect(proxy) as before:
        assert ask(before, b"open") == b"open"
        proxy.hold()
        with connect(proxy) as during:
            for connection in (before, during):
                connection.sendall(b"held")
                connection.settimeout(0.05)
                with pytest.raises(TimeoutError):
                    connection.recv(1)
                connection.settimeout(SECONDS)
            proxy.release()
            assert (receive(before, 4), receive(during, 4)) == (b"held", b"held")


def test_connections_are_refused_until_they_are_taken_again(proxy: Proxy) -> None:
    with connect(proxy) as before:
        assert ask(before, b"open") == b"open"
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)
        assert ask(before, b"still open") == b"still open"
        proxy.accept()
        with connect(proxy) as after:
            assert ask(after, b"new") == b"new"


def test_a_server_that_is_not_there_is_a_reset() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    with Proxy((HOST, port)) as proxy, pytest.raises(ConnectionResetError), connect(proxy) as connection:
        ask(connection, b"anybody?")


def test_a_reset_by_the_client_reaches_the_server(proxy: Proxy) -> None:
    connection = connect(proxy)
    ask(connection, b"open")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()
    wait_until_closed(proxy)
    assert proxy.open_connections == 0


def test_a_proxy_ends_with_its_thread_and_its_connections(echo: tuple[str, int]) -> None:
    with Proxy(echo) as proxy:
        connection, held = connect(proxy), connect(proxy)
        ask(connection, b"open")
        proxy.hold()
        held.sendall(MEBIBYTE)
    with connection, held:
        for each in (connection, held):
            with pytest.raises(ConnectionResetError):
                each.recv(1)
    assert "proxy" not in {thread.name for thread in threading.enumerate()}
