from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from pydantic import SecretStr

from dbrestore.errors import ConnectError, UsageError
from dbrestore.target.connect import ConnectionSettings, open_pool
from dbrestore.target.iam import IamOptions
from dbrestore.target.tls import TlsMode, TlsOptions
from tests.integration.certificates import Authority
from tests.integration.front import Front

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from dbrestore.testing.databases import Database

REGION = "eu-west-1"
KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


class Gate:
    """Lets in whoever has a token that AWS would take; keeps the tokens."""

    def __init__(self) -> None:
        self.port = 0
        self.tokens: list[str] = []

    def admits(self, token: str) -> bool:
        self.tokens.append(token)
        address, query = urlsplit(f"https://{token}"), {}
        query = {name: value for name, [value] in parse_qs(address.query).items()}
        return (
            address.netloc == f"localhost:{self.port}"
            and (query["Action"], query["DBUser"], query["X-Amz-Expires"]) == ("connect", "postgres", "900")
            and query["X-Amz-Credential"].endswith(f"/{REGION}/rds-db/aws4_request")
            and query["X-Amz-Signature"] == self._signature(query)
        )

    def _signature(self, query: dict[str, str]) -> str:
        """As AWS signs it, of which botocore knows how."""
        url = f"https://localhost:{self.port}/?Action=connect&DBUser=postgres"
        request = AWSRequest("GET", url, params={})
        auth = SigV4QueryAuth(Credentials(KEY_ID, SECRET), "rds-db", REGION, expires=900)
        request.context["timestamp"] = query["X-Amz-Date"]
        auth._modify_request_before_signing(request)
        return str(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request))


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@asynccontextmanager
async def gated(database: Database, folder: Path) -> AsyncIterator[tuple[Gate, ConnectionSettings]]:
    """A gate before ``database``, and the settings by which one comes in."""
    authority = Authority(folder, "authority")
    issued = authority.issue("gate", "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    gate = Gate()
    async with Front(database.server, keeps_process=True, tls=context, admits=gate.admits).running() as front:
        gate.port = front.port
        tls = TlsOptions(root_certificate=str(authority.root))
        settings = ConnectionSettings(
            host="localhost", port=gate.port, user="postgres", database=database.name, tls=tls,
            iam=IamOptions(region=REGION),
        )  # fmt: skip
        yield gate, settings


async def connect(settings: ConnectionSettings, number: int = 1) -> None:
    """Have ``number`` connections at a time."""
    async with open_pool(settings, number) as pool:
        connections = [await pool.acquire() for _ in range(number)]
        for connection in connections:
            assert await connection.fetchval("SELECT 1") == 1
            await pool.release(connection)


async def test_a_token_that_aws_would_take_opens_a_connection(database: Database, tmp_path: Path) -> None:
    async with gated(database, tmp_path) as (gate, settings):
        await connect(settings)
        assert gate.tokens
        assert all(token.startswith(f"localhost:{gate.port}/?Action=connect") for token in gate.tokens)


async def test_each_connection_has_a_token_of_its_own(database: Database, tmp_path: Path) -> None:
    async with gated(database, tmp_path) as (gate, settings), open_pool(settings, 2) as pool, pool.acquire():
        before = list(gate.tokens)
        await asyncio.sleep(1.1)  # tokens of one second are the same
        async with pool.acquire() as connection:
            assert await connection.fetchval("SELECT current_user") == "postgres"
        assert len(gate.tokens) > len(before)
        assert gate.tokens[-1] not in before


async def test_a_token_of_other_credentials_is_refused_and_not_shown(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    async with gated(database, tmp_path) as (gate, settings):
        with pytest.raises(ConnectError) as caught:
            await connect(settings)
    assert gate.tokens
    assert "PAM authentication failed" in caught.value.message
    assert "rds-db:connect" in (caught.value.hint or "")
    assert "X-Amz" not in f"{caught.value} {caught.value.hint}"


async def test_a_password_that_is_given_too_is_not_sent(database: Database, tmp_path: Path) -> None:
    async with gated(database, tmp_path) as (gate, settings):
        dsn = f"postgresql://postgres:hunter2@localhost:{gate.port}/{database.name}"
        await connect(replace(settings, dsn=SecretStr(dsn), host=None, port=None, user=None, database=None))
        assert "hunter2" not in gate.tokens


async def test_without_a_mode_tls_is_required(database: Database) -> None:
    settings = ConnectionSettings(SecretStr(database.dsn), iam=IamOptions(region=REGION))
    with pytest.raises(ConnectError, match="rejected SSL upgrade"):
        await connect(settings)


@pytest.mark.parametrize("mode", [TlsMode.DISABLE, TlsMode.ALLOW, TlsMode.PREFER])
async def test_no_token_goes_over_the_network_unencrypted(database: Database, mode: TlsMode) -> None:
    settings = ConnectionSettings(SecretStr(database.dsn), tls=TlsOptions(mode), iam=IamOptions(region=REGION))
    with pytest.raises(UsageError, match="needs TLS"):
        await connect(settings)


async def test_credentials_are_needed(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    async with gated(database, tmp_path) as (_, settings):
        with pytest.raises(ConnectError, match="no IAM token could be signed: Unable to locate credentials") as caught:
            await connect(settings)
    assert "--aws-profile" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"iam": IamOptions()}, "needs a region"),
        ({"iam": IamOptions(profile="nobody")}, "make no sense"),
        ({"host": "/tmp"}, "needs the name of one host"),
        ({"host": "one,two"}, "needs the name of one host"),
        ({"user": None}, "needs a role"),
    ],
)
async def test_what_a_token_is_signed_for_has_to_be_known(changes: dict[str, Any], message: str) -> None:
    settings = ConnectionSettings(host="localhost", port=1, user="me", iam=IamOptions(region=REGION))
    with pytest.raises(UsageError, match=message):
        await connect(replace(settings, **changes))
