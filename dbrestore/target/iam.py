"""Tokens of AWS IAM in place of a password.

A token opens connections for 15 minutes, so each connection has a token of its own. It is made here, without asking
AWS, and is worth what the credentials are worth that signed it.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
"""

from __future__ import annotations

import re
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from dbrestore.errors import ConnectError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from dbrestore.target.address import Parameters

    MakeToken: TypeAlias = Callable[[], Awaitable[str]]

DEFAULT_PORT = 5432
_RDS_HOST = re.compile(
    r".+\.(?:(?P<region>[a-z0-9-]+)\.rds\.amazonaws\.com|rds\.(?P<china>[a-z0-9-]+)\.amazonaws\.com\.cn)"
)


@dataclass(frozen=True, slots=True)
class IamOptions:
    """Whose credentials sign the tokens, and for which region; None leaves it to AWS's own settings."""

    profile: str | None = None
    region: str | None = None
    """Of a database whose host does not name one: the host of an RDS endpoint does."""


@dataclass(frozen=True, slots=True)
class Login:
    """What a token opens."""

    host: str
    port: int
    user: str

    @property
    def region(self) -> str | None:
        """That of an RDS endpoint."""
        match = _RDS_HOST.fullmatch(self.host.lower())
        return (match["region"] or match["china"]) if match else None


def find_login(parameters: Parameters) -> Login:
    """The one host, port and role that a token is signed for. Raises UsageError."""
    host, port, user = (parameters.find(name) for name in ("host", "port", "user"))
    if not host or "," in host or host.startswith("/"):
        raise UsageError("--db-iam-auth needs the name of one host", hint="Give the endpoint of the database.")
    if not user:
        raise UsageError("--db-iam-auth needs a role", hint="Name one with --db-user; it has to have rds_iam.")
    if port and not port.isdecimal():
        raise UsageError(f"{port} is no port", hint="--db-iam-auth signs for one port: give its number.")
    return Login(host, int(port or DEFAULT_PORT), user)


@asynccontextmanager
async def open_token_maker(options: IamOptions, login: Login) -> AsyncIterator[MakeToken]:
    """What makes a token for each connection, with credentials that are renewed in time.

    Raises UsageError where profile or region make no sense.
    """
    from aiobotocore.session import AioSession  # noqa: PLC0415 - AWS's libraries take half a second
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    session = AioSession(profile=options.profile)
    async with AsyncExitStack() as stack:
        try:
            region = login.region or options.region or session.get_config_variable("region")
            if not region:
                hint = f"{login.host} is no endpoint of RDS that names one: give --aws-region or AWS_DEFAULT_REGION."
                raise UsageError("--db-iam-auth needs a region", hint=hint)
            client = await stack.enter_async_context(session.create_client("rds", region_name=region))
        except (BotoCoreError, ValueError) as error:
            hint = "Look at --aws-profile, --aws-region and the files in ~/.aws."
            raise UsageError(f"the settings for --db-iam-auth make no sense: {error}", hint=hint) from error

        async def make_token() -> str:
            try:
                return str(await client.generate_db_auth_token(login.host, login.port, login.user, region))
            except (BotoCoreError, ClientError) as error:
                hint = "--db-iam-auth takes AWS's default chain of credentials, or --aws-profile."
                raise ConnectError(f"no IAM token could be signed: {error}", hint=hint) from error

        yield make_token
