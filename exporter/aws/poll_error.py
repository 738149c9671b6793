"""Why a poll failed: what AWS, the network or botocore say, as one of a short closed list of reasons."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import aiohttp
from botocore import exceptions
from botocore.discovery import EndpointDiscoveryException
from botocore.parsers import ResponseParserError

from exporter.text.redaction import redacted


class PollErrorReason(StrEnum):
    """The closed list."""

    THROTTLED = "throttled"
    ACCESS_DENIED = "access_denied"
    NOT_FOUND = "not_found"
    EXPIRED_CREDENTIALS = "expired_credentials"
    INVALID_REQUEST = "invalid_request"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    NETWORK = "network"
    BAD_RESPONSE = "bad_response"
    INTERNAL = "internal"

    @property
    def is_refusal(self) -> bool:
        """Whether AWS will most likely answer the same in a minute: it understood, and declined."""
        return self in _REFUSALS


_REFUSALS = {
    PollErrorReason.THROTTLED,
    PollErrorReason.ACCESS_DENIED,
    PollErrorReason.NOT_FOUND,
    PollErrorReason.EXPIRED_CREDENTIALS,
    PollErrorReason.INVALID_REQUEST,
}


_LONGEST = 2000
"""Characters of an error that are told: it is held for each source, and in each line of the log about it."""


class PollError(Exception):
    """A poll failed: `reason` of the closed list, the text in AWS's own words but for secrets and what is too long."""

    def __init__(self, reason: PollErrorReason, text: str) -> None:
        # Cut again afterwards: of a secret at the first cut, what tells that it is one may be gone.
        super().__init__(redacted(text[: 2 * _LONGEST])[:_LONGEST])
        self.reason = reason


class BadResponseError(Exception):
    """AWS answered, but not what its model promises."""


# Codes that say more than the HTTP status they come with; most services declare none of the first group.
_CODES = {
    PollErrorReason.THROTTLED: (
        "BandwidthLimitExceeded EC2ThrottledException LimitExceededException PriorRequestNotComplete "
        "ProvisionedThroughputExceededException RequestLimitExceeded RequestThrottled RequestThrottledException "
        "SlowDown Throttled ThrottledException Throttling ThrottlingException TooManyRequestsException "
        "TransactionInProgressException"
    ),
    PollErrorReason.EXPIRED_CREDENTIALS: (
        "ExpiredToken ExpiredTokenException IDPRejectedClaim InvalidClientTokenId InvalidIdentityToken "
        "InvalidSignatureException RequestExpired "
        "SignatureDoesNotMatch TokenRefreshRequired UnrecognizedClientException"
    ),
    PollErrorReason.ACCESS_DENIED: (
        "AccessDenied AccessDeniedException AuthFailure AuthorizationError NotAuthorized OptInRequired "
        "RegionDisabledException SubscriptionRequiredException UnauthorizedOperation"
    ),
    PollErrorReason.NOT_FOUND: "EntityNotFoundException NotFoundException ResourceNotFound ResourceNotFoundException",
    PollErrorReason.SERVER_ERROR: (
        "IDPCommunicationError InternalError InternalFailure InternalServerError InternalServerException "
        "InternalServiceException ServiceUnavailable ServiceUnavailableException"
    ),
    PollErrorReason.INVALID_REQUEST: (
        "IncompleteSignature InvalidAction InvalidParameterCombination InvalidParameterValue MalformedQueryString "
        "MissingParameter UnknownOperationException ValidationError ValidationException"
    ),
}
_REASONS = {code: reason for reason, codes in _CODES.items() for code in codes.split()}

KNOWN_CODES = _REASONS.keys()
"""The error codes that any service of AWS may answer with; others stand in the model of a service."""

_EXCEPTIONS: tuple[tuple[tuple[type[Exception], ...], PollErrorReason], ...] = (
    (
        (
            TimeoutError,
            exceptions.ConnectTimeoutError,
            exceptions.ReadTimeoutError,
        ),
        PollErrorReason.TIMEOUT,
    ),
    (
        (
            exceptions.CredentialRetrievalError,
            exceptions.NoCredentialsError,
            exceptions.PartialCredentialsError,
            exceptions.MetadataRetrievalError,
            exceptions.RefreshWithMFAUnsupportedError,
            exceptions.TokenRetrievalError,
            exceptions.LoginError,
            exceptions.SSOError,
        ),
        PollErrorReason.EXPIRED_CREDENTIALS,
    ),
    ((ResponseParserError, BadResponseError), PollErrorReason.BAD_RESPONSE),
    (
        (
            exceptions.HTTPClientError,
            exceptions.ConnectionError,
            exceptions.EndpointResolutionError,
            exceptions.NoRegionError,
            aiohttp.ClientError,
            OSError,
        ),
        PollErrorReason.NETWORK,
    ),
    # An id with half of a surrogate pair cannot be sent back.
    ((exceptions.ParamValidationError, UnicodeEncodeError), PollErrorReason.INVALID_REQUEST),
)

_THROTTLED, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _SERVER = 429, 401, 403, 404, 500


def poll_error(error: Exception) -> PollError:
    """Return what an exception of a poll means; what nobody foresaw is `internal`."""
    if isinstance(error, PollError):
        return error
    if isinstance(error, EndpointDiscoveryException) and isinstance(error.__context__, Exception):
        return poll_error(error.__context__)
    if isinstance(error, exceptions.ClientError):
        return PollError(error_reason(error.response), str(error))
    for types, reason in _EXCEPTIONS:
        if isinstance(error, types):
            return PollError(reason, str(error) or type(error).__name__)
    return PollError(PollErrorReason.INTERNAL, f"{type(error).__name__}: {error}")


def credentials_error(error: Exception) -> PollError:
    """Return what an exception means where credentials were looked for: a missing file of a token is no bug."""
    failure = poll_error(error)
    if failure.reason is PollErrorReason.INTERNAL or isinstance(error, FileNotFoundError | PermissionError):
        return PollError(PollErrorReason.EXPIRED_CREDENTIALS, f"no credentials: {failure}")
    return failure


def error_reason(answer: Mapping[str, Any]) -> PollErrorReason:
    """Return what an answer of AWS's that is an error means."""
    code = str(answer.get("Error", {}).get("Code", ""))
    if code in _REASONS:
        return _REASONS[code]
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status == _THROTTLED:
        return PollErrorReason.THROTTLED
    if status in (_UNAUTHORIZED, _FORBIDDEN):
        return PollErrorReason.ACCESS_DENIED
    if status == _NOT_FOUND:
        return PollErrorReason.NOT_FOUND
    return PollErrorReason.SERVER_ERROR if status >= _SERVER else PollErrorReason.INVALID_REQUEST
