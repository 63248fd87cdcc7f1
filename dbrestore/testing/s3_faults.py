"""Faults that a test puts between an S3 server and its clients.

The error codes and their statuses are those of the Amazon S3 API Reference, "Error responses".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from threading import Event

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that waits for its answer."""

    environ: WSGIEnvironment
    app: WSGIApplication
    """The server without its faults."""
    released: Event
    """Set when the test is over."""

    def answer(self, without: str | None = None) -> Response:
        """The server's answer, to a request without the header of that name."""
        lacking = None if without is None else f"HTTP_{without.upper().replace('-', '_')}"
        environ = {name: value for name, value in self.environ.items() if name != lacking}
        return Response.from_app(self.app, environ, buffered=True)


class Action(Protocol):
    """What happens to a request that a fault strikes.

    Returns the response to send, or None to close the connection without one. A response whose body is shorter than
    its Content-Length is sent as it is, and the connection closed.
    """

    def __call__(self, exchange: Exchange, /) -> Response | None: ...


@dataclass(slots=True)
class Fault:
    """An action, and the requests that it strikes: of those that match, each ``every``-th, at most ``times``."""

    action: Action
    method: str = "*"
    """Pattern, as are the key and the query: ``*`` and ``?`` stand for other characters."""
    key: str = "*"
    """The object's key; that of a request about a bucket, such as a list, is empty."""
    query: str = "*"
    """What follows the question mark of the request's address."""
    ranged: bool | None = None
    """Whether the request has a Range header; None: either."""
    every: int = 1
    times: int | None = None
    matched: int = field(default=0, init=False)
    """Requests so far that the fault could have struck."""
    struck: int = field(default=0, init=False)
    """Requests so far that it did strike."""

    def strikes(self, method: str, key: str, query: str, *, ranged: bool) -> bool:
        """Whether the fault is to act on a request of this kind; counts it."""
        named = fnmatchcase(method, self.method) and fnmatchcase(key, self.key) and fnmatchcase(query, self.query)
        if not named or self.ranged not in (None, ranged):
            return False
        self.matched += 1
        if self.matched % self.every or self.struck == self.times:
            return False
        self.struck += 1
        return True


@dataclass(frozen=True, slots=True)
class Refuse:
    """An error instead of an answer, with S3's XML as its body."""

    status: int
    code: str
    message: str = "A fault that a test asked for."
    headers: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, _exchange: Exchange) -> Response:
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message>"
            "<RequestId>4442587FB7D0A2F9</RequestId></Error>"
        )
        return Response(body, self.status, dict(self.headers), content_type="application/xml")


INTERNAL_ERROR = Refuse(500, "InternalError", "We encountered an internal error. Please try again.")
SLOW_DOWN = Refuse(503, "SlowDown", "Please reduce your request rate.")
ACCESS_DENIED = Refuse(403, "AccessDenied", "Access Denied")
EXPIRED_TOKEN = Refuse(400, "ExpiredToken", "The provided token has expired.")
REQUEST_TIME_TOO_SKEWED = Refuse(
    403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."
)
INVALID_OBJECT_STATE = Refuse(403, "InvalidObjectState", "The operation is not valid for the object's storage class")
NO_SUCH_BUCKET = Refuse(404, "NoSuchBucket", "The specified bucket does not exist")
NO_SUCH_KEY = Refuse(404, "NoSuchKey", "The specified key does not exist.")
PRECONDITION_FAILED = Refuse(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")


def moved_to(region: str) -> Refuse:
    """The answer of a region that does not have the bucket."""
    return Refuse(
        301,
        "PermanentRedirect",
        "The bucket you are attempting to access must be addressed using the specified endpoint.",
        {"x-amz-bucket-region": region},
    )


@dataclass(frozen=True, slots=True)
class Delay:
    """The right answer, ``seconds`` later."""

    seconds: float

    def __call__(self, exchange: Exchange) -> Response | None:
        exchange.released.wait(self.seconds)
        return exchange.answer()


@dataclass(frozen=True, slots=True)
class CutBody:
    """A connection that closes after ``length`` bytes of the body (None: half of it), of which more were promised."""

    length: int | None = None

    def __call__(self, exchange: Exchange) -> Response:
        response = exchange.answer()
        body = response.get_data()
        response.response = [body[: len(body) // 2 if self.length is None else self.length]]
        return response


@dataclass(frozen=True, slots=True)
class ShortBody:
    """A body that ends ``missing`` bytes early, and a Content-Length that agrees with it."""

    missing: int = 1

    def __call__(self, exchange: Exchange) -> Response:
        response = exchange.answer()
        response.set_data(response.get_data()[: -self.missing])
        return response


@dataclass(frozen=True, slots=True)
class ChangeEtag:
    """The right body with another ETag, from a server that does not look at If-Match."""

    etag: str = '"00000000000000000000000000000000"'

    def __call__(self, exchange: Exchange) -> Response:
        response = exchange.answer(without="If-Match")
        response.headers["ETag"] = self.etag
        return response


@dataclass(frozen=True, slots=True)
class IgnoreRange:
    """Status 200 and the whole object, whatever range was asked for."""

    def __call__(self, exchange: Exchange) -> Response:
        return exchange.answer(without="Range")


@dataclass(frozen=True, slots=True)
class HangUp:
    """A connection that closes without an answer."""

    def __call__(self, _exchange: Exchange) -> None:
        return None


@dataclass(frozen=True, slots=True)
class BlackHole:
    """No answer, on a connection that stays open until the test is over."""

    def __call__(self, exchange: Exchange) -> None:
        exchange.released.wait()
