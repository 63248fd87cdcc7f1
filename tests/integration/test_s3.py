from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING

import pytest

from dbrestore.errors import ExportError, LayoutError, UsageError
from dbrestore.export.opening import SourceSettings, open_storage
from dbrestore.export.s3 import ahead, download, listing, retry
from dbrestore.export.s3.listing import Lister
from dbrestore.export.s3.storage import S3Storage
from dbrestore.room import Room
from dbrestore.testing.proxy import Direction, Ending, Proxy
from dbrestore.testing.s3_faults import (
    ACCESS_DENIED,
    EXPIRED_TOKEN,
    INTERNAL_ERROR,
    INVALID_OBJECT_STATE,
    NO_SUCH_BUCKET,
    NO_SUCH_KEY,
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
    from collections.abc import AsyncIterator
    from pathlib import Path

    from dbrestore.export.storage import StoredFile
    from dbrestore.testing.s3 import S3Server
    from dbrestore.testing.s3_faults import Action

KIB = 1024
CONTENT = bytes(range(256)) * 4 * 40  # 40 KiB


@pytest.fixture(autouse=True)
def small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges, blocks and pauses small enough for small objects to show what large ones meet."""
    monkeypatch.setattr(download, "RANGE_BYTES", 16 * KIB)
    monkeypatch.setattr(download, "BLOCK_BYTES", 4 * KIB)
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "FIRST_CONTACT", 0.2)


@asynccontextmanager
async def opened(
    s3: S3Server, source: str, said: list[str] | None = None, **settings: object
) -> AsyncIterator[S3Storage]:
    known = {"aws_endpoint_url": s3.url, "retry_for": 5.0, **settings}
    notify = (said if said is not None else []).append
    async with open_storage(source, SourceSettings(**known), notify) as storage:  # type: ignore[arg-type]
        assert isinstance(storage, S3Storage)
        yield storage


async def keys(storage: S3Storage, prefix: str = "") -> list[str]:
    return sorted([file.key async for file in storage.list_files(prefix)])


async def only_file(storage: S3Storage) -> StoredFile:
    [file] = [file async for file in storage.list_files()]
    return file


async def content(storage: S3Storage, file: StoredFile) -> bytes:
    async with storage.fetch(file) as buffer:
        return bytes(buffer)


async def test_all_files_are_listed_whatever_their_place_and_name(s3: S3Server, bucket: str) -> None:
    names = ["export_info_x.json", "shop/public.a/1/p", "shop/public.a/1/_SUCCESS", "shop/public.z z/p", "shop/stray",
             "shop/öffentlich.ä+%20/1/p", "other/s.t/deep/er/p", "🙂/s.t/p", "shop/public.a/folder/"]  # fmt: skip
    for name in [*names, "../x/not-this"]:
        s3.put(bucket, f"x/{name}" if name != "../x/not-this" else "x-not-this/p", b"1")
    async with opened(s3, f"s3://{bucket}/x") as storage:
        assert await keys(storage) == sorted(set(names) - {"shop/public.a/folder/"})
        assert await keys(storage, "shop/public.a") == ["shop/public.a/1/_SUCCESS", "shop/public.a/1/p"]
        assert await storage.list_folders() == ["other", "shop", "🙂"]
    async with opened(s3, f"s3://{bucket}") as whole:
        assert "x/shop/stray" in await keys(whole)


async def test_pages_and_listers_divide_the_keys_without_a_gap(
    s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LISTERS", 3)
    names = sorted(f"d/t{table:02}/p{part}" for table in range(11) for part in range(1 + table % 4))
    for name in names:
        s3.put(bucket, f"x/{name}", b"1")
    async with opened(s3, f"s3://{bucket}/x/") as storage:
        lister = storage.lister
        paged = Lister(lister.client, lister.address, lister.patience, {"MaxKeys": 2})
        assert sorted([file.key async for file in paged.files("")]) == names


async def test_a_server_that_ignores_where_to_start_lists_nothing_twice(s3: S3Server, bucket: str) -> None:
    names = [f"d/t{table}/p{part}" for table in range(3) for part in range(2)]
    for name in names:
        s3.put(bucket, f"x/{name}", b"1")

    def forget_start(params: dict[str, object], **_: object) -> None:
        params.pop("StartAfter", None)

    async with opened(s3, f"s3://{bucket}/x/") as storage:
        storage.lister.client.meta.events.register("before-parameter-build.s3.ListObjectsV2", forget_start)
        assert await keys(storage) == names


async def test_a_listing_that_nobody_reads_to_its_end_stops(s3: S3Server, bucket: str) -> None:
    s3.put(bucket, "x/d/t/a", b"1")
    s3.put(bucket, "x/d/t/b", b"1")
    async with opened(s3, f"s3://{bucket}/x/") as storage:
        files = storage.lister.files("")
        assert (await anext(files)).key == "d/t/a"
        await files.aclose()
        assert len(asyncio.all_tasks()) == 1


async def test_ranges_are_read_as_they_are_asked_for(s3: S3Server, bucket: str) -> None:
    s3.put(bucket, "x/part", CONTENT)
    async with opened(s3, f"s3://{bucket}/x") as storage:
        file = await only_file(storage)
        assert (file.key, file.size) == ("part", len(CONTENT))
        assert await storage.read_range(file, 10, 20) == CONTENT[10:30]
        assert await storage.read_range(file, len(CONTENT) - 5, 100) == CONTENT[-5:]
        assert await storage.read_range(file, 0, 0) == b""
        assert [request.range for request in s3.requests[-2:]] == ["bytes=10-29", "bytes=40955-40959"]


@pytest.mark.parametrize("small", [True, False])
async def test_a_part_comes_in_ranges_into_memory_or_the_spool(
    s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch, small: bool, tmp_path: Path
) -> None:
    monkeypatch.setattr(ahead, "SMALL_BYTES", 10**9 if small else 0)
    s3.put(bucket, "x/part", CONTENT)
    async with opened(s3, f"s3://{bucket}/x", spool_dir=tmp_path) as storage:
        file = await only_file(storage)
        s3.requests.clear()
        async with storage.fetch(file) as buffer:
            assert bytes(buffer) == CONTENT
            assert os.listdir(tmp_path) == []  # noqa: PTH208 - in an instant
            # What is spooled has no name that could be left behind.
        assert bytes(buffer) == CONTENT  # rows of it may still be on their way
    assert sorted(request.range or "" for request in s3.requests) == [
        "bytes=0-16383", "bytes=16384-32767", "bytes=32768-40959"
    ]  # fmt: skip


PASSING: list[Action] = [
    INTERNAL_ERROR,
    SLOW_DOWN,
    Refuse(429, "TooManyRequests"),
    Refuse(400, "RequestTimeout"),
    Refuse(502, ""),
    HangUp(),
    CutBody(),
    CutBody(0),
    ShortBody(1000),
    IgnoreRange(),
    Delay(0.01),
]


@pytest.mark.parametrize("action", PASSING, ids=repr)
@pytest.mark.parametrize("size", [len(CONTENT), 3000], ids=["ranges", "whole"])
async def test_what_can_pass_is_borne(s3: S3Server, bucket: str, action: Action, size: int) -> None:
    s3.put(bucket, "x/part", CONTENT[:size])
    async with opened(s3, f"s3://{bucket}/x") as storage:
        file = await only_file(storage)
        fault = Fault(action, method="GET", key="x/part", times=4)
        s3.faults.append(fault)
        assert await content(storage, file) == CONTENT[:size]
        assert fault.struck


async def test_a_body_that_is_cut_goes_on_from_the_byte_that_was_reached(s3: S3Server, bucket: str) -> None:
    s3.put(bucket, "x/part", CONTENT[: 16 * KIB])
    async with opened(s3, f"s3://{bucket}/x") as storage:
        file = await only_file(storage)
        s3.faults.append(Fault(CutBody(5000), key="x/part", times=2))
        s3.requests.clear()
        assert await content(storage, file) == CONTENT[: 16 * KIB]
    assert [request.range for request in s3.requests] == [None, "bytes=5000-16383", "bytes=10000-16383"]


async def test_faults_of_lists_are_borne(s3: S3Server, bucket: str) -> None:
    s3.put(bucket, "x/d/t/part", b"1")
    async with opened(s3, f"s3://{bucket}/x") as storage:
        for action in (SLOW_DOWN, HangUp(), CutBody()):
            s3.faults.append(Fault(action, key="", times=2))
        assert await keys(storage) == ["d/t/part"]


async def test_silence_is_taken_for_a_lost_request(s3: S3Server, bucket: str) -> None:
    s3.put(bucket, "x/part", CONTENT)
    async with opened(s3, f"s3://{bucket}/x", read_timeout=0.2) as storage:
        file = await only_file(storage)
        s3.faults.append(Fault(BlackHole(), key="x/part", times=2))
        assert await content(storage, file) == CONTENT


async def test_patience_ends(s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "SILENCE", 0.05)
    s3.put(bucket, "x/part", b"1")
    said: list[str] = []
    async with opened(s3, f"s3://{bucket}/x", said, retry_for=0.5) as storage:
        file = await only_file(storage)
        s3.faults.append(Fault(SLOW_DOWN, key="x/part"))
        with pytest.raises(ExportError, match=rf"s3://{bucket}/x/part: S3 says SlowDown Please reduce"):
            await content(storage, file)
    assert said
    assert "SlowDown" in said[0]
    assert "trying again" in said[0]


FINAL = [
    (ACCESS_DENIED, "AccessDenied", "kms:Decrypt"),
    (EXPIRED_TOKEN, "ExpiredToken", "Renew"),
    (REQUEST_TIME_TOO_SKEWED, "refuses the time of this machine", "clock"),
    (INVALID_OBJECT_STATE, "is archived", "restore-object"),
    (NO_SUCH_KEY, "does not exist any more", "deleted"),
    (ChangeEtag(), "has changed since", "wait for its end"),
    (Refuse(412, "PreconditionFailed"), "has changed since", "wait for its end"),
    (Refuse(403, "InvalidAccessKeyId"), "InvalidAccessKeyId", "--aws-profile"),
    (Refuse(403, "SignatureDoesNotMatch"), "SignatureDoesNotMatch", "secret key"),
    (Refuse(400, "KMS.NotFoundException"), "KMS.NotFound", "export again"),
    (Refuse(418, "Teapot", "I am one"), "Teapot I am one", None),
]


@pytest.mark.parametrize(("action", "message", "hint"), FINAL, ids=[message for _, message, _ in FINAL])
async def test_what_cannot_pass_is_one_clear_error_at_once(
    s3: S3Server, bucket: str, action: Action, message: str, hint: str | None
) -> None:
    s3.put(bucket, "x/part", CONTENT)
    async with opened(s3, f"s3://{bucket}/x") as storage:
        file = await only_file(storage)
        fault = Fault(action, key="x/part")
        s3.faults.append(fault)
        with pytest.raises(ExportError, match=message) as caught:
            await content(storage, file)
        assert f"s3://{bucket}/x/part" in caught.value.message
        assert (hint or "") in (caught.value.hint or "")
        assert fault.struck <= download.RANGES_AT_A_TIME
        assert caught.value.exit_code == 3


async def test_an_object_that_is_replaced_between_two_ranges_is_noticed(s3: S3Server, bucket: str) -> None:
    s3.put(bucket, "x/part", CONTENT)
    async with opened(s3, f"s3://{bucket}/x") as storage:
        file = await only_file(storage)
        await storage.read_range(file, 0, 10)
        s3.put(bucket, "x/part", CONTENT[::-1])
        with pytest.raises(ExportError, match="has changed since the export was listed"):
            await storage.read_range(file, 10, 10)


async def test_a_list_that_is_refused_names_the_right_that_is_missing(s3: S3Server, bucket: str) -> None:
    async with opened(s3, f"s3://{bucket}/x") as storage:
        s3.faults.append(Fault(ACCESS_DENIED, key=""))
        with pytest.raises(ExportError, match="AccessDenied") as caught:
            await keys(storage)
        assert "s3:ListBucket" in (caught.value.hint or "")


async def test_a_bucket_that_is_not_there(s3: S3Server, bucket: str) -> None:
    async with opened(s3, f"s3://{bucket}-gone/x") as storage:
        with pytest.raises(LayoutError, match=f"there is no bucket {bucket}-gone"):
            await keys(storage)
        s3.faults.append(Fault(NO_SUCH_BUCKET))
        with pytest.raises(LayoutError, match="there is no bucket"):
            await storage.list_folders()


async def test_a_bucket_of_another_region_is_found(s3: S3Server, bucket: str) -> None:
    s3.put(bucket, "x/part", b"1")
    async with opened(s3, f"s3://{bucket}/x") as storage:
        s3.faults.append(Fault(moved_to("eu-west-3"), times=1))
        assert await keys(storage) == ["part"]
    assert [request.region for request in s3.requests[:2]] == ["us-east-1", "eu-west-3"]


async def test_a_server_that_redirects_forever_is_an_error_with_the_region(s3: S3Server, bucket: str) -> None:
    async with opened(s3, f"s3://{bucket}/x") as storage:
        s3.faults.append(Fault(moved_to("eu-west-3")))
        with pytest.raises(ExportError, match="in another region") as caught:
            await keys(storage)
        assert caught.value.hint == "Name it: --aws-region eu-west-3"


async def test_the_region_that_is_named_is_the_one_that_requests_are_signed_for(s3: S3Server, bucket: str) -> None:
    async with opened(s3, f"s3://{bucket}/x", aws_region="eu-north-1") as storage:
        assert await keys(storage) == []
    assert {request.region for request in s3.requests} == {"eu-north-1"}


async def test_without_credentials_people_are_told_how_to_give_them(
    s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    async with opened(s3, f"s3://{bucket}/x") as storage:
        with pytest.raises(ExportError, match="credentials") as caught:
            await keys(storage)
        assert "--aws-profile" in (caught.value.hint or "")


async def test_a_public_bucket_needs_no_credentials(s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put(bucket, "x/part", CONTENT, public=True)
    async with opened(s3, f"s3://{bucket}/x") as storage:
        file = await only_file(storage)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    s3.requests.clear()
    async with opened(s3, f"s3://{bucket}/x", aws_anonymous=True) as storage:
        assert await content(storage, file) == CONTENT
    assert {request.headers.get("authorization") for request in s3.requests} == {None}


async def test_a_profile_gives_credentials_and_region(
    s3: S3Server, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile night]\nregion = ap-south-1\naws_access_key_id = nightly\naws_secret_access_key = secret\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    async with opened(s3, f"s3://{bucket}/x", aws_profile="night") as storage:
        assert await keys(storage) == []
    assert s3.requests[0].region == "ap-south-1"
    assert "Credential=nightly/" in s3.requests[0].headers["authorization"]
    with pytest.raises(ExportError, match=r"profile \(noon\) could not be found"):
        async with opened(s3, f"s3://{bucket}/x", aws_profile="noon"):
            pass


async def test_credentials_that_end_during_a_restore_are_renewed(
    s3: S3Server, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made"
    program = tmp_path / "program"
    program.write_text(
        f"#!/bin/sh\necho x >> {made}\n"
        'echo "{\\"Version\\": 1, \\"AccessKeyId\\": \\"key$(wc -l < ' + str(made) + " | tr -d ' ')\\\", "
        '\\"SecretAccessKey\\": \\"s\\", \\"SessionToken\\": \\"t\\", '
        '\\"Expiration\\": \\"$(date -u -d +2seconds +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || '
        'date -u -v+2S +%Y-%m-%dT%H:%M:%SZ)\\"}"\n'
    )
    program.chmod(0o700)
    config = tmp_path / "config"
    config.write_text(f"[profile role]\nregion = us-east-1\ncredential_process = {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    async with opened(s3, f"s3://{bucket}/x", aws_profile="role") as storage:
        for _ in range(2):
            await keys(storage)
    used = {request.headers["authorization"].split("Credential=")[1].split("/")[0] for request in s3.requests}
    assert len(used) > 1


async def test_requester_pays_is_said_in_every_request(s3: S3Server, bucket: str) -> None:
    s3.put(bucket, "x/part", CONTENT)
    async with opened(s3, f"s3://{bucket}/x", aws_requester_pays=True) as storage:
        await content(storage, await only_file(storage))
    assert {request.headers.get("x-amz-request-payer") for request in s3.requests} == {"requester"}


async def test_a_server_that_was_never_there_is_not_waited_for(s3: S3Server) -> None:
    async with opened(s3, "s3://bucket/x", aws_endpoint_url="http://127.0.0.1:9", retry_for=60.0) as storage:
        with pytest.raises(ExportError, match="Could not connect") as caught:
            await asyncio.wait_for(keys(storage), 10)
        assert "--aws-endpoint-url" in (caught.value.hint or "")


@pytest.mark.parametrize("source", ["s3://", "s3:///x", "gs://bucket/x", "https://bucket.s3.amazonaws.com/x"])
async def test_an_address_that_is_none_is_wrong_usage(s3: S3Server, source: str) -> None:
    with pytest.raises(UsageError):
        async with opened(s3, source):
            pass


@pytest.mark.parametrize(
    "settings",
    [{"aws_endpoint_url": "not a url"}, {"aws_region": "not a region"}],
    ids=["endpoint", "region"],
)
async def test_settings_that_make_no_sense_are_wrong_usage(s3: S3Server, settings: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        async with opened(s3, "s3://bucket/x", None, **settings) as storage:
            await keys(storage)


async def test_a_bucket_name_that_cannot_be_is_wrong_usage(s3: S3Server) -> None:
    async with opened(s3, "s3://No_Bucket!/x") as storage:
        with pytest.raises(UsageError, match="bucket"):
            await keys(storage)


async def test_what_is_expected_comes_before_it_is_fetched(s3: S3Server, bucket: str) -> None:
    for name in "abc":
        s3.put(bucket, f"x/{name}", CONTENT)
    async with opened(s3, f"s3://{bucket}/x") as storage:
        files = sorted([file async for file in storage.list_files()], key=lambda file: file.key)
        s3.requests.clear()
        for file in files[:2]:
            storage.expect(file)
        await until_served(s3, 6)
        assert {request.key for request in s3.requests} == {"x/a", "x/b"}
        s3.faults.append(Fault(NO_SUCH_KEY, key="x/[ab]"))
        for file in files:
            assert await content(storage, file) == CONTENT


async def until_served(s3: S3Server, requests: int) -> None:
    async with asyncio.timeout(10):
        while len(s3.requests) < requests:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_an_expected_part_that_fails_does_so_when_it_is_fetched(s3: S3Server, bucket: str) -> None:
    s3.put(bucket, "x/part", CONTENT)
    async with opened(s3, f"s3://{bucket}/x") as storage:
        file = await only_file(storage)
        s3.faults.append(Fault(ACCESS_DENIED, key="x/part"))
        storage.expect(file)
        await until_served(s3, 2)
        with pytest.raises(ExportError, match="AccessDenied"):
            await content(storage, file)


async def test_what_was_expected_in_vain_is_forgotten(s3: S3Server, bucket: str) -> None:
    s3.put(bucket, "x/part", CONTENT)
    async with opened(s3, f"s3://{bucket}/x", read_timeout=60.0) as storage:
        file = await only_file(storage)
        s3.faults.append(Fault(BlackHole(), key="x/part"))
        storage.expect(file)
        await asyncio.sleep(0.01)
    assert len(asyncio.all_tasks()) == 1


async def test_a_fetch_that_is_cancelled_leaves_nothing_running(s3: S3Server, bucket: str) -> None:
    s3.put(bucket, "x/part", CONTENT)
    async with opened(s3, f"s3://{bucket}/x", read_timeout=60.0) as storage:
        file = await only_file(storage)
        s3.faults.append(Fault(BlackHole(), key="x/part"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(content(storage, file), 0.05)
        assert len(asyncio.all_tasks()) == 1


async def test_bytes_on_their_way_have_a_bound(s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "SMALL_BYTES", 0)
    size = 10 * KIB
    for number in range(12):
        s3.put(bucket, f"x/{number:02}", CONTENT[:size])
    most = 0
    async with opened(s3, f"s3://{bucket}/x", spool_limit=4 * size) as storage:
        files = sorted([file async for file in storage.list_files()], key=lambda file: file.key)
        waiting = iter(files)

        async def load() -> None:
            nonlocal most
            for file in waiting:
                async with storage.fetch(file) as buffer:
                    most = max(most, storage.arrivals.spool.taken)
                    await asyncio.sleep(0.005)
                    assert len(buffer) == size

        for file in files:
            storage.expect(file)
        await asyncio.gather(load(), load(), load())
        assert storage.arrivals.spool.taken == 0
    assert 3 * size <= most <= 4 * size


async def test_a_full_spool_folder_is_an_error_that_names_it(s3: S3Server, bucket: str, tmp_path: Path) -> None:
    s3.put(bucket, "x/part", CONTENT)
    async with opened(s3, f"s3://{bucket}/x", spool_dir=tmp_path / "missing") as storage:
        file = await only_file(storage)
        storage.arrivals.memory.limit = 0
        with pytest.raises(ExportError, match="missing cannot be written: No such file") as caught:
            await content(storage, file)
        assert "--spool-dir" in (caught.value.hint or "")


async def test_every_part_comes_whole_while_every_tenth_request_fails(s3: S3Server, bucket: str) -> None:
    numbers = count()
    contents = {f"{number}": CONTENT[next(numbers) :] for number in range(20)}
    for name, data in contents.items():
        s3.put(bucket, f"x/{name}", data)
    async with opened(s3, f"s3://{bucket}/x") as storage:
        for action in (INTERNAL_ERROR, CutBody(), HangUp(), ShortBody(7)):
            s3.faults.append(Fault(action, every=10))
        files = [file async for file in storage.list_files()]
        for file in files:
            storage.expect(file)
        found = await asyncio.gather(*(content(storage, file) for file in files))
    assert dict(zip([file.key for file in files], found, strict=True)) == contents
    assert all(fault.struck for fault in s3.faults)


async def test_room_for_what_is_needed_does_not_wait_for_what_is_not() -> None:
    room = Room(100)
    assert room.take_ahead(50)
    assert not room.take_ahead(1)
    await asyncio.wait_for(room.take(50), 1)
    waiting = asyncio.create_task(room.take(30))
    await asyncio.sleep(0)
    assert not waiting.done()
    room.free(50)
    await asyncio.wait_for(waiting, 1)
    room.need(50)
    room.free(50)
    room.free(30)
    await asyncio.wait_for(room.take(1000), 1)
    assert room.taken == 1000


async def test_a_way_that_cuts_connections_again_and_again_brings_every_byte(s3: S3Server, bucket: str) -> None:
    data = CONTENT * 8
    s3.put(bucket, "x/part", data)
    port = int(s3.url.rpartition(":")[2])
    with Proxy(("127.0.0.1", port)) as proxy:
        async with opened(s3, f"s3://{bucket}/x", aws_endpoint_url=f"http://127.0.0.1:{proxy.port}") as storage:
            file = await only_file(storage)
            proxy.cut_after(20_000, Direction.TO_CLIENT, Ending.RST, times=8)
            assert await content(storage, file) == data
            proxy.hold()
            waiting = asyncio.create_task(content(storage, file))
            await asyncio.sleep(0.05)
            proxy.cut(Ending.FIN)
            proxy.release()
            assert await waiting == data
