"""An S3 server in this process: moto's, on a free port, with faults on request.

Never measure with it: moto reads the whole object for each range of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.test import Client
from werkzeug.wrappers import Request as HttpRequest
from werkzeug.wrappers import Response

from dbrestore.testing.http_server import HOST, HttpServer
from dbrestore.testing.s3_faults import Exchange

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from dbrestore.testing.s3_faults import Fault

REGION = "us-east-1"
CLIENT_ENVIRONMENT: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": "/nonexistent/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials",
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": HOST,
    "no_proxy": HOST,
}
"""Environment of a client whose requests the server takes, and which finds nothing of the machine's own."""

AUTHORIZATION = (
    f"AWS4-HMAC-SHA256 Credential=testing/20240101/{REGION}/s3/aws4_request, SignedHeaders=host, Signature=00"
)
"""What makes a request a signed one here: signatures are not looked at."""

POLL_SECONDS = 0.05

_REGION_OF_SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/")
_LOCATION = "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
_LIST_NAMESPACE = {"s3": "http://s3.amazonaws.com/doc/2006-03-01/"}


@dataclass(frozen=True, slots=True)
class Request:
    """One request that the server took."""

    method: str
    bucket: str
    key: str
    """Empty in requests about the bucket."""
    query: str
    headers: Mapping[str, str]
    """By lower-case names."""
    status: int | None
    """None: the connection was closed without an answer."""

    @property
    def range(self) -> str | None:
        """The Range header."""
        return self.headers.get("range")

    @property
    def region(self) -> str | None:
        """The region that the request was signed for; None: it is not signed."""
        found = _REGION_OF_SCOPE.search(self.headers.get("authorization", ""))
        return found[1] if found else None


class S3Server:
    """A server with path-style addresses; it runs within the ``with`` block.

    Connections stay open between requests. What the methods of this class read and write goes past faults and log.
    The buckets are the process's: two servers in one process have the same.
    """

    def __init__(self) -> None:
        """Nothing is served yet."""
        self.faults: list[Fault] = []
        """The first one that strikes a request acts on it."""
        self.requests: list[Request] = []
        """In the order of their answers."""
        self._app: WSGIApplication = DomainDispatcherApplication(create_backend_app)
        self._client = Client(self._app)
        self._lock = Lock()
        self._released = Event()
        self._http = HttpServer(self._respond)
        self._thread = Thread(target=self._http.serve_forever, args=[POLL_SECONDS], name="s3-server")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()
        self._http.shutdown()
        self._http.hang_up()
        self._thread.join()
        self._send("POST", "/moto-api/reset")

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://{HOST}:{self._http.port}"

    def clear(self) -> None:
        """Forget faults and log, and let go the requests that a fault holds."""
        with self._lock:
            self._released.set()
            self._released = Event()
            self.faults = []
            self.requests = []

    def make_bucket(self, name: str, region: str = REGION) -> None:
        """Make an empty bucket."""
        body = "" if region == REGION else _LOCATION.format(region=region)
        self._send("PUT", f"/{name}", body.encode())

    def remove_bucket(self, name: str) -> None:
        """Remove a bucket with all that is in it."""
        for key in self.keys(name):
            self._send("DELETE", _path(name, key))
        self._send("DELETE", f"/{name}")

    def put(self, bucket: str, key: str, content: bytes, *, public: bool = False) -> None:
        """Write an object; a public one can be read without credentials."""
        self._send("PUT", _path(bucket, key), content, {"x-amz-acl": "public-read"} if public else None)

    def put_folder(self, bucket: str, prefix: str, folder: Path, *, public: bool = False) -> None:
        """Write each file below ``folder`` as an object, its key the path in the folder after ``<prefix>/``."""
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                key = file.relative_to(folder).as_posix()
                self.put(bucket, f"{prefix}/{key}" if prefix else key, file.read_bytes(), public=public)

    def get(self, bucket: str, key: str) -> bytes:
        """An object's content."""
        return self._send("GET", _path(bucket, key)).get_data()

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """The keys that start with ``prefix``, in order."""
        return [key for page in self._pages(bucket, prefix) for key in page]

    def _pages(self, bucket: str, prefix: str) -> Iterator[list[str]]:
        query = {"list-type": "2", "prefix": prefix}
        while True:
            page = ET.fromstring(self._send("GET", f"/{bucket}?{urlencode(query)}").get_data())
            yield [key.text or "" for key in page.iterfind("s3:Contents/s3:Key", _LIST_NAMESPACE)]
            token = page.findtext("s3:NextContinuationToken", None, _LIST_NAMESPACE)
            if token is None:
                return
            query["continuation-token"] = token

    def _send(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Response:
        signed = {"Authorization": AUTHORIZATION, **(headers or {})}
        response = self._client.open(path, method=method, data=body, headers=signed)
        if response.status_code >= 300:
            raise ValueError(f"{method} {path}: {response.status} {response.get_data(as_text=True)}")
        return response

    def _respond(self, environ: WSGIEnvironment) -> Response | None:
        request = HttpRequest(environ)
        bucket, _, key = request.path.removeprefix("/").partition("/")
        query = request.query_string.decode()
        with self._lock:
            fault = self._fault(request.method, key, query, ranged="Range" in request.headers)
            exchange, log = Exchange(environ, self._app, self._released), self.requests
        response = exchange.answer() if fault is None else fault.action(exchange)
        headers = {name.lower(): value for name, value in request.headers}
        status = None if response is None else response.status_code
        log.append(Request(request.method, bucket, key, query, headers, status))
        return response

    def _fault(self, method: str, key: str, query: str, *, ranged: bool) -> Fault | None:
        return next((fault for fault in self.faults if fault.strikes(method, key, query, ranged=ranged)), None)


def _path(bucket: str, key: str) -> str:
    return f"/{bucket}/{quote(key)}"
