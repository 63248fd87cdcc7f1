from __future__ import annotations

import http.client
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from aiobotocore.session import get_session

from dbrestore.testing.s3 import AUTHORIZATION, REGION, S3Server
from dbrestore.testing.s3_faults import (
    ACCESS_DENIED,
    EXPIRED_TOKEN,
    INTERNAL_ERROR,
    INVALID_OBJECT_STATE,
    NO_SUCH_BUCKET,
    NO_SUCH_KEY,
    PRECONDITION_FAILED,
    REQUEST_TIME_TOO_SKEWED,
    SLOW_DOWN,
    BlackHole,
    ChangeEtag,
    CutBody,
    Delay,
    Fault,
    HangUp,
    IgnoreRange,
    Refuse,
    ShortBody,
    moved_to,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = bytes(range(256)) * 4
SIGNED = {"Authorization": AUTHORIZATION}
FIRST_TEN = {"Range": "bytes=0-9"}

END_WITH_OPEN_CONNECTIONS = """
import http.client, threading, time
from dbrestore.testing.http_server import HOST
from dbrestore.testing.s3 import AUTHORIZATION, S3Server
from dbrestore.testing.s3_faults import BlackHole, Fault

with S3Server() as server:
    port = int(server.url.rpartition(":")[2])
    idle, held = http.client.HTTPConnection(HOST, port), http.client.HTTPConnection(HOST, port)
    server.make_bucket("bucket")
    server.put("bucket", "object", bytes(20_000_000))
    idle.request("GET", "/bucket/object", headers={"Authorization": AUTHORIZATION})
    print(len(idle.getresponse().read()))
    hole = Fault(BlackHole())
    server.faults.append(hole)
    held.request("GET", "/bucket/object")
    while not hole.struck:
        time.sleep(0.01)
    print(threading.active_count())
print(threading.active_count())
idle.close(), held.close()
"""


@contextmanager
def connected(s3: S3Server) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(urlsplit(s3.url).netloc, timeout=10)
    try:
        yield connection
    finally:
        connection.close()


def get(
    s3: S3Server, path: str, headers: dict[str, str] | None = None, method: str = "GET"
) -> tuple[http.client.HTTPResponse, bytes]:
    with connected(s3) as connection:
        connection.request(method, path, headers=SIGNED | (headers or {}))
        response = connection.getresponse()
        return response, response.read()


@pytest.fixture
def path(s3: S3Server, bucket: str) -> str:
    """Of an object with ``CONTENT``."""
    s3.put(bucket, "object", CONTENT)
    return f"/{bucket}/object"


async def test_the_client_of_aws_lists_reads_and_is_logged(s3: S3Server, bucket: str) -> None:
    s3.put(bucket, "exports/one two+three/ü.parquet", CONTENT)
    async with get_session().create_client("s3", endpoint_url=s3.url, region_name="eu-west-3") as client:
        listed = await client.list_objects_v2(Bucket=bucket, Prefix="exports/")
        [found] = listed["Contents"]
        answer = await client.get_object(Bucket=bucket, Key=found["Key"], Range="bytes=10-19", IfMatch=found["ETag"])
        body = await answer["Body"].read()
    assert (found["Key"], found["Size"]) == ("exports/one two+three/ü.parquet", len(CONTENT))
    assert body == CONTENT[10:20]
    listing, reading = s3.requests
    assert (listing.method, listing.bucket, listing.key, listing.status) == ("GET", bucket, "", 200)
    assert "list-type=2" in listing.query
    assert (reading.key, reading.range, reading.status) == (found["Key"], "bytes=10-19", 206)
    assert (reading.region, reading.headers["if-match"]) == ("eu-west-3", found["ETag"])


async def test_the_client_of_aws_writes(s3: S3Server, bucket: str, tmp_path: Path) -> None:
    file = tmp_path / "part"
    file.write_bytes(CONTENT)
    async with get_session().create_client("s3", endpoint_url=s3.url) as client:
        await client.put_object(Bucket=bucket, Key="from memory", Body=CONTENT)
        with file.open("rb") as opened:
            await client.put_object(Bucket=bucket, Key="from a file", Body=opened)
    assert s3.keys(bucket) == ["from a file", "from memory"]
    assert (s3.get(bucket, "from memory"), s3.get(bucket, "from a file")) == (CONTENT, CONTENT)


def test_a_body_in_chunks_is_taken_whole_and_leaves_the_connection_usable(s3: S3Server, bucket: str) -> None:
    with connected(s3) as connection:
        connection.request(
            "PUT", f"/{bucket}/chunks", body=iter([CONTENT, CONTENT]), headers=SIGNED, encode_chunked=True
        )
        assert connection.getresponse().read() == b""
        connection.request("GET", f"/{bucket}/chunks", headers=SIGNED)
        assert connection.getresponse().read() == CONTENT * 2


def test_a_connection_serves_many_requests(s3: S3Server, path: str) -> None:
    with connected(s3) as connection:
        connection.connect()
        connection.auto_open = 0
        for _ in range(3):
            connection.request("GET", path, headers=SIGNED)
            assert connection.getresponse().read() == CONTENT


def test_ranges_of_one_object_can_be_read_at_once(s3: S3Server, bucket: str) -> None:
    content = b"".join(number.to_bytes(8, "big") for number in range(300_000))
    s3.put(bucket, "object", content)
    starts = range(0, len(content), 100_000)

    def read(start: int) -> bytes:
        return get(s3, f"/{bucket}/object", {"Range": f"bytes={start}-{start + 99_999}"})[1]

    with ThreadPoolExecutor(8) as pool:
        assert b"".join(pool.map(read, starts)) == content


def test_a_folder_is_put_with_all_that_is_below_it(s3: S3Server, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "db" / "public.t t" / "1").mkdir(parents=True)
    (tmp_path / "info.json").write_text("{}")
    (tmp_path / "db" / "public.t t" / "1" / "_SUCCESS").touch()
    s3.put_folder(bucket, "exports/monday", tmp_path)
    assert s3.keys(bucket) == ["exports/monday/db/public.t t/1/_SUCCESS", "exports/monday/info.json"]
    assert s3.get(bucket, "exports/monday/info.json") == b"{}"
    s3.put_folder(bucket, "", tmp_path)
    assert s3.keys(bucket, "db/") == ["db/public.t t/1/_SUCCESS"]


def test_keys_are_listed_beyond_a_page(s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    keys = [f"key/{number}" for number in range(5)]
    for key in keys:
        s3.put(bucket, key, b"")
    assert s3.keys(bucket) == keys


def test_only_public_objects_can_be_read_without_credentials(s3: S3Server, bucket: str) -> None:
    s3.put(bucket, "public", CONTENT, public=True)
    s3.put(bucket, "private", CONTENT)
    with connected(s3) as connection:
        for key, status in (("public", 200), ("private", 403)):
            connection.request("GET", f"/{bucket}/{key}")
            response = connection.getresponse()
            assert (response.status, bool(response.read())) == (status, status == 200)
    assert [request.region for request in s3.requests] == [None, None]


def test_a_bucket_tells_its_region(s3: S3Server, bucket: str) -> None:
    s3.make_bucket("bucket-in-ireland", "eu-west-1")
    regions = [
        get(s3, f"/{name}", method="HEAD")[0].getheader("x-amz-bucket-region") for name in (bucket, "bucket-in-ireland")
    ]
    s3.remove_bucket("bucket-in-ireland")
    assert regions == [REGION, "eu-west-1"]


def test_what_does_not_exist_cannot_be_read_past_the_log(s3: S3Server, bucket: str) -> None:
    with pytest.raises(ValueError, match="NoSuchKey"):
        s3.get(bucket, "nothing")
    with pytest.raises(ValueError, match="NoSuchBucket"):
        s3.keys("no-such-bucket")
    assert s3.requests == []


@pytest.mark.parametrize(
    ("action", "status"),
    [
        (INTERNAL_ERROR, 500),
        (SLOW_DOWN, 503),
        (ACCESS_DENIED, 403),
        (EXPIRED_TOKEN, 400),
        (REQUEST_TIME_TOO_SKEWED, 403),
        (INVALID_OBJECT_STATE, 403),
        (NO_SUCH_BUCKET, 404),
        (NO_SUCH_KEY, 404),
        (PRECONDITION_FAILED, 412),
    ],
    ids=lambda value: value.code if isinstance(value, Refuse) else None,
)
def test_an_error_is_the_xml_that_s3_sends(s3: S3Server, path: str, action: Refuse, status: int) -> None:
    s3.faults.append(Fault(action))
    response, body = get(s3, path)
    assert (response.status, response.getheader("Content-Type")) == (status, "application/xml")
    assert f"<Error><Code>{action.code}</Code><Message>{action.message}</Message>".encode() in body
    assert [request.status for request in s3.requests] == [status]


def test_an_error_to_a_head_request_has_no_body(s3: S3Server, path: str) -> None:
    s3.faults.append(Fault(NO_SUCH_BUCKET, times=1))
    with connected(s3) as connection:
        for status in (404, 200):
            connection.request("HEAD", path, headers=SIGNED)
            response = connection.getresponse()
            assert (response.status, response.read()) == (status, b"")


def test_a_redirect_names_the_region(s3: S3Server, path: str) -> None:
    s3.faults.append(Fault(moved_to("eu-central-1")))
    response, body = get(s3, path)
    assert (response.status, response.getheader("x-amz-bucket-region")) == (301, "eu-central-1")
    assert b"<Code>PermanentRedirect</Code>" in body


def test_a_delayed_answer_is_right_and_late(s3: S3Server, path: str) -> None:
    s3.faults.append(Fault(Delay(0.2)))
    started = time.monotonic()
    assert get(s3, path)[1] == CONTENT
    assert time.monotonic() - started >= 0.2


def test_a_cut_body_promises_more_than_it_sends(s3: S3Server, path: str) -> None:
    s3.faults += [Fault(CutBody(), times=1), Fault(CutBody(7), times=1), Fault(CutBody(3), ranged=True)]
    for length in (len(CONTENT) // 2, 7):
        with pytest.raises(http.client.IncompleteRead) as caught:
            get(s3, path)
        assert caught.value.partial == CONTENT[:length]
        assert caught.value.expected == len(CONTENT) - length
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(s3, path, FIRST_TEN)
    assert caught.value.partial == CONTENT[:3]


def test_a_short_body_agrees_with_its_length_but_not_with_the_range(s3: S3Server, path: str) -> None:
    s3.faults.append(Fault(ShortBody(missing=4)))
    response, body = get(s3, path, FIRST_TEN)
    assert (response.status, body) == (206, CONTENT[:6])
    assert response.getheader("Content-Length") == "6"
    assert response.getheader("Content-Range") == f"bytes 0-9/{len(CONTENT)}"


def test_a_changed_etag_passes_a_precondition(s3: S3Server, path: str) -> None:
    etag = get(s3, path)[0].getheader("ETag")
    assert etag is not None
    s3.faults.append(Fault(ChangeEtag(), times=1))
    headers = FIRST_TEN | {"If-Match": etag}
    response, body = get(s3, path, headers)
    assert (response.status, body) == (206, CONTENT[:10])
    assert response.getheader("ETag") == ChangeEtag().etag != etag
    assert get(s3, path, headers)[0].getheader("ETag") == etag


def test_an_object_that_was_replaced_fails_a_precondition(s3: S3Server, bucket: str, path: str) -> None:
    etag = get(s3, path)[0].getheader("ETag") or ""
    s3.put(bucket, "object", b"other")
    assert get(s3, path, {"If-Match": etag})[0].status == 412


def test_a_range_that_is_ignored_brings_the_whole_object(s3: S3Server, path: str) -> None:
    s3.faults.append(Fault(IgnoreRange()))
    response, body = get(s3, path, FIRST_TEN)
    assert (response.status, response.getheader("Content-Range"), body) == (200, None, CONTENT)


def test_a_connection_that_hangs_up_gives_no_answer(s3: S3Server, path: str) -> None:
    s3.faults.append(Fault(HangUp()))
    with pytest.raises(http.client.RemoteDisconnected):
        get(s3, path)
    assert [request.status for request in s3.requests] == [None]


def test_a_black_hole_holds_a_request_until_it_is_cleared(s3: S3Server, path: str) -> None:
    hole = Fault(BlackHole())
    s3.faults.append(hole)
    with connected(s3) as connection:
        connection.request("GET", path, headers=SIGNED)
        assert connection.sock is not None
        connection.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.sock.recv(1)
        assert hole.struck == 1
        connection.sock.settimeout(10)
        s3.clear()
        assert connection.sock.recv(1) == b""
    assert get(s3, path)[1] == CONTENT
    assert [request.status for request in s3.requests] == [200]


def test_faults_strike_the_requests_they_name(s3: S3Server, bucket: str, path: str) -> None:
    s3.faults += [
        Fault(SLOW_DOWN, method="HEAD"),
        Fault(ACCESS_DENIED, key="*.parquet"),
        Fault(INTERNAL_ERROR, key="", query="*prefix=a*"),
        Fault(NO_SUCH_KEY, key="object", ranged=True),
    ]
    s3.put(bucket, "a.parquet", CONTENT)
    assert get(s3, path, method="HEAD")[0].status == 503
    assert get(s3, f"/{bucket}/a.parquet")[0].status == 403
    assert get(s3, f"/{bucket}?list-type=2&prefix=a")[0].status == 500
    assert get(s3, f"/{bucket}?list-type=2&prefix=b")[0].status == 200
    assert get(s3, path, FIRST_TEN)[0].status == 404
    assert get(s3, path)[0].status == 200


def test_faults_strike_each_nth_request_and_only_so_often(s3: S3Server, path: str) -> None:
    fault = Fault(SLOW_DOWN, every=3, times=2)
    s3.faults += [fault, Fault(INTERNAL_ERROR, every=8)]
    statuses = [get(s3, path)[0].status for _ in range(12)]
    assert statuses == [200, 200, 503, 200, 200, 503, 200, 200, 200, 500, 200, 200]
    assert (fault.matched, fault.struck) == (12, 2)


def test_a_server_ends_with_all_its_threads_and_without_a_word() -> None:
    command = [sys.executable, "-W", "error", "-c", END_WITH_OPEN_CONNECTIONS]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert (ended.stdout.split(), ended.stderr) == (["20000000", "4", "1"], "")
