"""Why a poll failed: every exception on the way to AWS maps to one reason of the closed list."""

import socket
import ssl
from unittest.mock import Mock

import aiohttp
import pytest
from botocore import exceptions
from botocore.parsers import ResponseParserError

from exporter.aws import PollError, poll_error
from exporter.aws.causes import REGION
from exporter.aws.poll_error import BadResponseError

URL = {"endpoint_url": "https://bedrock.us-east-1.amazonaws.com"}
WHY = {"error": "made up"}

EXCEPTIONS = [
    (TimeoutError(), "timeout"),
    (exceptions.ConnectTimeoutError(**URL), "timeout"),
    (exceptions.ReadTimeoutError(**URL), "timeout"),
    (aiohttp.ServerTimeoutError(), "timeout"),
    (aiohttp.ConnectionTimeoutError(), "timeout"),
    (exceptions.CredentialRetrievalError(provider="made-up", error_msg="made up"), "expired_credentials"),
    (exceptions.NoCredentialsError(), "expired_credentials"),
    (exceptions.PartialCredentialsError(provider="env", cred_var="secret"), "expired_credentials"),
    (exceptions.MetadataRetrievalError(error_msg="made up"), "expired_credentials"),
    (exceptions.RefreshWithMFAUnsupportedError(), "expired_credentials"),
    (exceptions.TokenRetrievalError(provider="sso", error_msg="made up"), "expired_credentials"),
    (exceptions.UnauthorizedSSOTokenError(), "expired_credentials"),
    (exceptions.SSOTokenLoadError(error_msg="made up"), "expired_credentials"),
    (exceptions.LoginRefreshRequired(), "expired_credentials"),
    (ResponseParserError("made up"), "bad_response"),
    (BadResponseError("made up"), "bad_response"),
    (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), "invalid_request"),
    (exceptions.HTTPClientError(**WHY), "network"),
    (exceptions.ConnectionClosedError(**URL), "network"),
    (exceptions.EndpointConnectionError(**URL, **WHY), "network"),
    (exceptions.ConnectionError(**WHY), "network"),
    (exceptions.SSLError(**URL, **WHY), "network"),
    (exceptions.ProxyConnectionError(proxy_url="http://127.0.0.1:3128", **WHY), "network"),
    (exceptions.ResponseStreamingError(**WHY), "network"),
    (exceptions.EndpointResolutionError(msg="made up"), "network"),
    (exceptions.NoRegionError(), "network"),
    (aiohttp.ClientConnectionError(), "network"),
    (aiohttp.ServerDisconnectedError(), "network"),
    (aiohttp.ClientPayloadError(), "network"),
    (aiohttp.ClientConnectorError(Mock(), OSError("made up")), "network"),
    (ConnectionResetError(), "network"),
    (ConnectionRefusedError(), "network"),
    (socket.gaierror(-2, "Name or service not known"), "network"),
    (ssl.SSLCertVerificationError("made up"), "network"),
    (exceptions.ParamValidationError(report="made up"), "invalid_request"),
]


@pytest.mark.parametrize(("error", "reason"), EXCEPTIONS, ids=[type(error).__name__ for error, _ in EXCEPTIONS])
def test_every_exception_has_a_reason(error, reason):
    """It also has a text for people, even where the exception has none."""
    found = poll_error(error)
    assert found.reason == reason
    assert str(found)


def client_error(code, status=400, message="made up"):
    """Return what botocore raises for an error response."""
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return exceptions.ClientError(response, "ListThings")


CODES = [
    ("ThrottlingException", "throttled"),
    ("Throttling", "throttled"),
    ("TooManyRequestsException", "throttled"),
    ("RequestLimitExceeded", "throttled"),
    ("SlowDown", "throttled"),
    ("AccessDeniedException", "access_denied"),
    ("AccessDenied", "access_denied"),
    ("UnauthorizedOperation", "access_denied"),
    ("SubscriptionRequiredException", "access_denied"),
    ("ExpiredTokenException", "expired_credentials"),
    ("ExpiredToken", "expired_credentials"),
    ("UnrecognizedClientException", "expired_credentials"),
    ("InvalidClientTokenId", "expired_credentials"),
    ("InvalidSignatureException", "expired_credentials"),
    ("AuthFailure", "expired_credentials"),
    ("InvalidAccessKeyId", "expired_credentials"),
    ("RequestTimeTooSkewed", "expired_credentials"),
    ("MissingAuthenticationTokenException", "expired_credentials"),
    ("OptInRequired", "access_denied"),
    ("RegionDisabledException", "access_denied"),
    ("Blocked", "access_denied"),
    ("ResourceNotFoundException", "not_found"),
    ("EntityNotFoundException", "not_found"),
    ("StateMachineDoesNotExist", "not_found"),
    ("ExportTaskNotFound", "not_found"),
    ("InternalServerException", "server_error"),
    ("ServiceUnavailableException", "server_error"),
    ("ValidationException", "invalid_request"),
]


@pytest.mark.parametrize(("code", "reason"), CODES)
def test_a_code_takes_precedence_over_its_status(code, reason):
    """AWS's protocols send most errors with status 400."""
    assert poll_error(client_error(code)).reason == reason


STATUSES = [
    (400, "invalid_request"),
    (401, "access_denied"),
    (403, "access_denied"),
    (404, "not_found"),
    (407, "network"),
    (409, "invalid_request"),
    (429, "throttled"),
    (500, "server_error"),
    (503, "server_error"),
]


@pytest.mark.parametrize(("status", "reason"), STATUSES)
def test_the_status_decides_where_the_code_is_unknown(status, reason):
    """A proxy sends no code, and AWS adds new ones."""
    assert poll_error(client_error(str(status), status)).reason == reason


def test_a_response_without_code_and_status_is_an_invalid_request():
    """Even an empty error response can be read."""
    assert poll_error(exceptions.ClientError({}, "ListThings")).reason == "invalid_request"


def test_a_very_long_text_is_cut():
    """The text is kept for each source, and shown on a page and in the log. Its end says which policy denies."""
    text = str(poll_error(client_error("AccessDeniedException", 403, "made up " * 20_000 + "with an explicit deny")))
    assert text.startswith("An error occurred (AccessDeniedException)")
    assert text.endswith("with an explicit deny")
    assert 1990 < len(text) <= 2000


@pytest.mark.parametrize("before", [*range(900, 1000, 9), *range(1900, 2000, 9)])
def test_no_part_of_a_secret_shows_where_a_text_is_cut(before):
    """Neither its start nor its end is shown."""
    token = f"eyJ{'a' * 900}.{'b' * 300}.{'c' * 300}"
    for around in ("x" * before, "x" * 9000), ("x" * 9000, "x" * before):
        text = str(poll_error(client_error("InvalidIdentityToken", 400, f" {token} ".join(around))))
        assert not {"eyJ", "bbb", "ccc"} & {text[start : start + 3] for start in range(len(text))}


def test_the_text_keeps_the_words_of_aws():
    """A reader can look it up."""
    text = str(poll_error(client_error("AccessDeniedException", 403, "User: made-up is not authorized")))
    assert "AccessDeniedException" in text
    assert "ListThings" in text
    assert "User: made-up is not authorized" in text


def test_an_unexpected_exception_is_internal():
    """A bug shows with the name of its type."""
    found = poll_error(ZeroDivisionError("division by zero"))
    assert found.reason == "internal"
    assert str(found) == "ZeroDivisionError: division by zero"


def test_a_poll_error_keeps_its_reason():
    """A reason that the caller already determined is kept."""
    known = PollError(poll_error(TimeoutError()).reason, "made up")
    assert poll_error(known) is known


@pytest.mark.parametrize(
    ("code", "message", "region", "is_denial"),
    [
        ("AccessDenied", "no", "us-east-1", True),
        ("InvalidClientTokenId", "The security token included in the request is invalid", "me-south-1", True),
        ("InvalidClientTokenId", "The security token included in the request is invalid", "us-east-1", False),
        ("InvalidClientTokenId", "The security token included in the request is invalid", "", False),
        ("AuthFailure", "Signature expired: 20261127T130000Z is now earlier", "me-south-1", False),
        ("ExpiredToken", "The security token included in the request is expired", "me-south-1", False),
        ("ValidationException", "no", "me-south-1", False),
    ],
)
def test_a_denial_is_what_only_people_can_change(code, message, region, is_denial):
    """A region that is not enabled is one, as far as can be told; a key or a clock that is wrong is not."""
    error = client_error(code, 403, message)
    error.response["ResponseMetadata"][REGION] = region
    assert poll_error(error).is_denial is is_denial
