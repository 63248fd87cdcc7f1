"""The client of S3: credentials, region, endpoint, limits."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import UNSIGNED
from botocore.exceptions import BotoCoreError
from botocore.utils import parse_timestamp

from dbrestore.errors import UsageError
from dbrestore.export.s3.faults import translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dbrestore.export.opening import SourceSettings

REQUESTS = 32
"""Requests at a time."""
CONNECT_TIMEOUT = 10.0


@asynccontextmanager
async def open_client(settings: SourceSettings, url: str) -> AsyncIterator[Any]:
    """A client with the credentials that AWS's default chain finds, renewed as long as it is open.

    It makes each request once: whether and when to repeat one is ours to say. Only the redirect to a bucket's own
    region is botocore's.

    Raises:
        UsageError: the profile, the region or the endpoint makes no sense.
    """
    config = AioConfig(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=settings.read_timeout,
        max_pool_connections=REQUESTS,
        retries={"mode": "standard", "total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        signature_version=UNSIGNED if settings.aws_anonymous else None,
        user_agent_extra="dbrestore",
    )
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(
                _open_session(settings.aws_profile).create_client(
                    "s3", region_name=settings.aws_region, endpoint_url=settings.aws_endpoint_url, config=config
                )
            )
        except ValueError as error:
            hint = "Look at --aws-endpoint-url, --aws-region and --aws-profile, and at the AWS_* variables."
            raise UsageError(f"the settings for S3 make no sense: {error}", hint=hint) from error
        except BotoCoreError as error:
            raise translated(error, url) from error
        yield client


def _open_session(profile: str | None) -> AioSession:
    session = AioSession(profile=profile)
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_parse_timestamp)
    return session


def _parse_timestamp(value: str | float) -> datetime:
    """As botocore does, whose way takes half the time of a long listing."""
    with suppress(TypeError, ValueError):
        return datetime.fromisoformat(value)  # type: ignore[arg-type]
    moment: datetime = parse_timestamp(value)
    return moment
