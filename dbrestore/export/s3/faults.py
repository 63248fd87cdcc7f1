"""What S3 and the way to it can answer: which of it passes, and what the rest means to a user.

Codes are those of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from dbrestore.errors import ExportError, LayoutError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbrestore.errors import DbrestoreError


class WrongBodyError(Exception):
    """A body that is not what was asked for, but may be if it is asked for again."""


_SSL_ERRORS = (aws.SSLError, aiohttp.ClientSSLError)
_CREDENTIAL_ERRORS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.ProfileNotFound,
    aws.SSOError,
    aws.TokenRetrievalError,
    aws.InvalidConfigError,
    aws.ConfigParseError,
)
_PASSING_ERRORS = (
    WrongBodyError,
    aws.ConnectionError,
    aws.HTTPClientError,
    aws.IncompleteReadError,
    aws.MetadataRetrievalError,
    ResponseParserError,
    aiohttp.ClientError,
    asyncio.TimeoutError,
    OSError,
)
FOREIGN_ERRORS = (aws.BotoCoreError, aws.ClientError, *_PASSING_ERRORS)
"""All that a request can end in."""

_PASSING_CODES = {
    "BandwidthLimitExceeded",
    "InternalError",
    "OperationAborted",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_PASSING_STATUSES = {408, 429, 500, 502, 503, 504}


def answered(error: Exception) -> bool:
    """Was there an answer of a server at all?"""
    return isinstance(error, aws.ClientError | WrongBodyError)


def passes(error: Exception) -> bool:
    """May the same request be answered if it is made again?"""
    if isinstance(error, aws.ClientError):
        answer = _Answer.of(error)
        return answer.code in _PASSING_CODES or answer.status in _PASSING_STATUSES
    return isinstance(error, _PASSING_ERRORS) and not isinstance(error, _SSL_ERRORS)


def translated(error: Exception, url: str) -> DbrestoreError:
    """The error of dbrestore that an error of a request about ``url`` is."""
    if isinstance(error, aws.ClientError):
        return _translated_answer(_Answer.of(error), url)
    if isinstance(error, _CREDENTIAL_ERRORS):
        return ExportError(f"{url}: {_text(error)}", hint=_CREDENTIALS_HINT)
    if isinstance(error, _SSL_ERRORS):
        return ExportError(
            f"{url}: no trusted TLS connection: {_text(error)}",
            hint="Name the authority that signed the server's certificate in AWS_CA_BUNDLE.",
        )
    if isinstance(error, aws.ParamValidationError | aws.InvalidRegionError | aws.EndpointProviderError):
        return UsageError(f"{url}: {_text(error)}", hint="Look at the bucket's name, --aws-region and AWS_REGION.")
    hint = "Check the network, and --aws-endpoint-url or --aws-region if they are set."
    return ExportError(f"{url}: {_text(error)}", hint=hint)


@dataclass(frozen=True, slots=True)
class _Answer:
    code: str
    message: str
    status: int
    operation: str
    headers: Mapping[str, str]

    @classmethod
    def of(cls, error: aws.ClientError) -> _Answer:
        fault: Mapping[str, Any] = error.response.get("Error", {})
        metadata: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
        return cls(
            code=str(fault.get("Code", "")),
            message=str(fault.get("Message", "")),
            status=int(metadata.get("HTTPStatusCode", 0)),
            operation=error.operation_name,
            headers=metadata.get("HTTPHeaders", {}),
        )


_CREDENTIALS_HINT = (
    "Give credentials in one of AWS's ways: --aws-profile, AWS_PROFILE, AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, a role; or --aws-anonymous for a public bucket."
)
_RENEW_HINT = "Renew them (aws sso login, or a new session token), then start again."
_HINTS = {
    "InvalidAccessKeyId": _CREDENTIALS_HINT,
    "InvalidToken": _CREDENTIALS_HINT,
    "SignatureDoesNotMatch": "The secret key does not belong to the access key, or a proxy changes the requests.",
    "ExpiredToken": _RENEW_HINT,
    "TokenRefreshRequired": _RENEW_HINT,
    "RequestExpired": _RENEW_HINT,
    "KMS.DisabledException": "The key that encrypts the export is disabled: enable it.",
    "KMS.NotFoundException": "The key that encrypts the export is gone, and the export with it: export again.",
}
_ACCESS_HINTS = {
    "GetObject": "The role needs s3:GetObject on the export, and kms:Decrypt with the key that encrypts it.",
    "ListObjectsV2": "The role needs s3:ListBucket on the bucket.",
    "PutObject": "The role needs s3:PutObject on the bucket, and kms:GenerateDataKey if a key encrypts it.",
}
_REDIRECTS = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}


def _translated_answer(answer: _Answer, url: str) -> ExportError:
    if answer.code == "NoSuchBucket":
        bucket = url.removeprefix("s3://").partition("/")[0]
        return LayoutError(
            f"there is no bucket {bucket}", hint="Check its name, and --aws-endpoint-url if that is set."
        )
    if answer.code == "NoSuchKey" or (answer.status == 404 and not answer.message):
        return LayoutError(f"{url} does not exist any more", hint="Has the export been moved or deleted?")
    if answer.code in ("PreconditionFailed", "412"):
        return changed(url)
    if answer.code == "InvalidObjectState":
        hint = "Bring it back from Glacier first: aws s3api restore-object, for each of the export's objects."
        return ExportError(f"{url} is archived", hint=hint)
    if answer.code == "RequestTimeTooSkewed":
        seen = answer.headers.get("date", "another time")
        return ExportError(f"{url}: S3 refuses the time of this machine; there it is {seen}", hint="Set the clock.")
    if answer.code in _REDIRECTS:
        region = answer.headers.get("x-amz-bucket-region", "<region>")
        return ExportError(f"{url}: the bucket is in another region", hint=f"Name it: --aws-region {region}")
    shown = f"{answer.code or answer.status} {answer.message}".strip()
    access = _ACCESS_HINTS.get(answer.operation) if answer.status == 403 else None
    return ExportError(f"{url}: S3 says {shown}", hint=_HINTS.get(answer.code, access))


def changed(url: str) -> ExportError:
    """The object is another than the one that was listed."""
    return ExportError(
        f"{url} has changed since the export was listed",
        hint="If the export is still being written, wait for its end and start again.",
    )


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
