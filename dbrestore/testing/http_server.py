"""An HTTP server in this process whose answers come from a function, and may be broken ones."""

from __future__ import annotations

import socket
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING

from werkzeug.exceptions import NotImplemented as NotImplementedResponse
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.wrappers import Response

    Respond = Callable[[WSGIEnvironment], Response | None]

HOST = "127.0.0.1"


class HttpServer(ThreadedWSGIServer):
    """Listens on a free port; ``respond`` may return None to close the connection without an answer.

    A response whose body is shorter than its Content-Length is sent as it is, and the connection closed. Other
    connections stay open for the next request. Closing the server waits for the threads of its connections.
    """

    daemon_threads = False

    def __init__(self, respond: Respond) -> None:
        """It serves with ``serve_forever``."""
        self.respond = respond
        self._connections: set[socket.socket] = set()
        super().__init__(HOST, 0, NotImplementedResponse(), _Handler)

    def process_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Close all connections."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _body(environ: WSGIEnvironment) -> bytes:
    """All of it: what is left of a request would be taken for the next one."""
    chunked = environ.get("wsgi.input_terminated", False)
    body: bytes = environ["wsgi.input"].read(-1 if chunked else int(environ.get("CONTENT_LENGTH", 0)))
    return body


class _Handler(WSGIRequestHandler):
    """Unlike werkzeug's own, it keeps connections open, and sends fewer bytes than promised if told to."""

    server: HttpServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        environ["wsgi.input"] = BytesIO(_body(environ))
        response = self.server.respond(environ)
        if response is None:
            self.close_connection = True
        else:
            self._send(response)

    def _send(self, response: Response) -> None:
        self.send_response_only(response.status_code, HTTP_STATUS_CODES.get(response.status_code))
        for name, value in response.headers:
            self.send_header(name, value)
        if "Date" not in response.headers:
            self.send_header("Date", self.date_time_string())
        self.end_headers()
        if self.command != "HEAD":
            body = response.get_data()
            self.wfile.write(body)
            self.close_connection |= len(body) < int(response.headers.get("Content-Length", 0))

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""
