"""Why a poll failed: an error of AWS, the network or botocore, as one of a short closed list of reasons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import aiohttp
from botocore import exceptions
from botocore.discovery import EndpointDiscoveryException
from botocore.parsers import ResponseParserError

from exporter.aws.causes import may_lack_region, network_text, refusal_text
from exporter.telemetry import PollErrorReason
from exporter.text.redaction import redacted

_LONGEST = 2000
"""Characters kept of an error: every source holds one, and the log repeats it."""
_GAP = " [...] "
_HALF = (_LONGEST - len(_GAP)) // 2


class PollError(Exception):
    """A poll failed, for a `reason`; the text is AWS's own, without secrets and shortened."""

    def __init__(self, reason: PollErrorReason, text: str, *, is_denial: bool = False) -> None:
        super().__init__(_shortened(text))
        self.reason = reason
        self.is_denial = is_denial or reason is PollErrorReason.ACCESS_DENIED
        """Whether AWS will say the same until somebody changes what the account may do."""


def _shortened(text: str) -> str:
    """Return a text without secrets, and without its middle if it is long: AWS says last which policy denies."""
    # Redacted between two cuts: the first bounds the work, and the second drops the edge of the first, where half a
    # secret may no longer look like one.
    if len(text) <= 2 * _LONGEST:
        text = redacted(text)
        return text if len(text) <= _LONGEST else f"{text[:_HALF]}{_GAP}{text[-_HALF:]}"
    return f"{redacted(text[: 2 * _LONGEST])[:_HALF]}{_GAP}{redacted(text[-2 * _LONGEST :])[-_HALF:]}"


class BadResponseError(Exception):
    """AWS responded, but not as its model promises."""


# Codes that say more than their HTTP status. Most services do not declare those of the first group in their models.
_CODES = {
    PollErrorReason.THROTTLED: (
        "BandwidthLimitExceeded EC2ThrottledException LimitExceededException PriorRequestNotComplete "
        "ProvisionedThroughputExceededException RequestLimitExceeded RequestThrottled RequestThrottledException "
        "SlowDown Throttled ThrottledException Throttling ThrottlingException TooManyRequestsException "
        "TransactionInProgressException"
    ),
    PollErrorReason.EXPIRED_CREDENTIALS: (
        "AuthFailure ExpiredToken ExpiredTokenException IDPRejectedClaim InvalidAccessKeyId InvalidClientTokenId "
        "InvalidIdentityToken InvalidSignatureException InvalidToken MissingAuthenticationToken "
        "MissingAuthenticationTokenException RequestExpired RequestInTheFuture RequestTimeTooSkewed "
        "SignatureDoesNotMatch TokenRefreshRequired UnrecognizedClientException"
    ),
    PollErrorReason.ACCESS_DENIED: (
        "AccessDenied AccessDeniedException AuthorizationError Blocked KMS.AccessDeniedException NotAuthorized "
        "OptInRequired PendingVerification RegionDisabledException SubscriptionRequiredException UnauthorizedOperation"
    ),
    PollErrorReason.NOT_FOUND: (
        "AWS.SimpleQueueService.NonExistentQueue NotFoundException ResourceNotFound ResourceNotFoundException"
    ),
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

_GONE = re.compile(r"(?:NotFound|DoesNotExist)(?:Exception)?$")
"""What each service calls in its own way: StateMachineDoesNotExist, ExportTaskNotFound. Most have status 400."""

KNOWN_CODES = _REASONS.keys()
"""Error codes that any service may return; others are in the model of a service."""

_MISTAKES = (
    exceptions.ConfigParseError,
    exceptions.EndpointVariantError,
    exceptions.InvalidConfigError,
    exceptions.InvalidDefaultsMode,
    exceptions.InvalidEndpointDiscoveryConfigurationError,
    exceptions.InvalidIMDSEndpointError,
    exceptions.InvalidIMDSEndpointModeError,
    exceptions.InvalidMaxRetryAttemptsError,
    exceptions.InvalidProxiesConfigError,
    exceptions.InvalidRegionError,
    exceptions.InvalidRetryConfigurationError,
    exceptions.InvalidRetryModeError,
    exceptions.InvalidS3UsEast1RegionalEndpointConfigError,
    exceptions.InvalidSTSRegionalEndpointsConfigError,
    exceptions.MissingDependencyException,
    exceptions.ProfileNotFound,
)
"""What botocore raises about AWS's own configuration. Most of it is found at the start: see variables.py."""

_EXCEPTIONS: tuple[tuple[tuple[type[Exception], ...], PollErrorReason], ...] = (
    # Before those of the network, which are their base classes.
    ((TimeoutError, exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError), PollErrorReason.TIMEOUT),
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
    # An id with half of a surrogate pair, which JSON can hold, cannot be sent back.
    ((exceptions.ParamValidationError, UnicodeEncodeError, *_MISTAKES), PollErrorReason.INVALID_REQUEST),
)

_STATUSES = {
    401: PollErrorReason.ACCESS_DENIED,
    403: PollErrorReason.ACCESS_DENIED,
    404: PollErrorReason.NOT_FOUND,
    # Only a proxy says so.
    407: PollErrorReason.NETWORK,
    429: PollErrorReason.THROTTLED,
}
_SERVER = 500
"""The first HTTP status of the server's own errors."""


def poll_error(error: Exception) -> PollError:
    """Return an exception of a poll as a PollError; one that nobody foresaw is `internal`."""
    if isinstance(error, PollError):
        return error
    if isinstance(error, EndpointDiscoveryException) and isinstance(error.__context__, Exception):
        return poll_error(error.__context__)
    if isinstance(error, exceptions.ClientError):
        is_denial = may_lack_region(error)
        return PollError(error_reason(error.response), refusal_text(error), is_denial=is_denial)
    for types, reason in _EXCEPTIONS:
        if isinstance(error, types):
            return PollError(reason, network_text(error))
    return PollError(PollErrorReason.INTERNAL, f"{type(error).__name__}: {error}")


def credentials_error(error: Exception) -> PollError:
    """Return an exception raised while looking for credentials; there, a missing token file is not a bug."""
    failure = poll_error(error)
    if failure.reason is PollErrorReason.INTERNAL or isinstance(
        error, (FileNotFoundError, PermissionError, *_MISTAKES)
    ):
        return PollError(PollErrorReason.EXPIRED_CREDENTIALS, f"no credentials: {failure}")
    return failure


def error_reason(response: Mapping[str, Any]) -> PollErrorReason:
    """Return the reason for an error response: by its code, or by its HTTP status."""
    code = str(response.get("Error", {}).get("Code", ""))
    if code in _REASONS:
        return _REASONS[code]
    if _GONE.search(code):
        return PollErrorReason.NOT_FOUND
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status in _STATUSES:
        return _STATUSES[status]
    return PollErrorReason.SERVER_ERROR if status >= _SERVER else PollErrorReason.INVALID_REQUEST
