"""What is behind an error: of most that happens on the way, botocore says "Could not connect to the endpoint URL"."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import aiohttp
from botocore import exceptions

from exporter.clock import Clock
from exporter.text.durations import format_duration

REGION = "Region"
"""The key of an error response's metadata that says in which region it was requested."""

_PROXY_WANTS_PASSWORD = 407

BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
"""Variables that name a bundle of certificates, the strongest first; the profile's `ca_bundle` comes between them."""

PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY")
"""Variables that name a proxy, those that win first: Python prefers lower case."""

_BROKEN_OFF = "the TLS handshake was broken off by {}"
_NO_TLS = "{} does not speak TLS"
_WANTS_CERTIFICATE = "{} asks for a client certificate, and the exporter has none"
_TLS = {
    "HTTP_REQUEST": _NO_TLS,
    "WRONG_VERSION_NUMBER": _NO_TLS,
    # None was sent that could be bad.
    "SSLV3_ALERT_BAD_CERTIFICATE": _WANTS_CERTIFICATE,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _WANTS_CERTIFICATE,
    # TLS 1.2 has one word for that and for much else.
    "SSLV3_ALERT_HANDSHAKE_FAILURE": f"{_BROKEN_OFF}, which may ask for a client certificate",
}
"""What OpenSSL's words mean of a server."""

_CLOCK = re.compile(r"Signature (?:expired|not yet current)")
_TIMES = re.compile(r"Signature .*: (\d{8}T\d{6}Z) is .* \((\d{8}T\d{6}Z) [-+]")
_TOLERANCE = 60.0
"""Seconds; AWS accepts five minutes or more."""
_CLOCK_CODES = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}

_UNKNOWN_KEY_CODES = {"AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException"}
_OPTIONAL = re.compile(r"(?:af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-\d+")
_NOT_OPTIONAL = {
    *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
    *("ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3"),
    *("sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2"),
}
"""Regions that are always enabled. None will be added: every region since 2019 has to be enabled by the account (AWS
Account Management, "Enable or disable AWS Regions in your account").
"""


def network_text(error: Exception) -> str:
    """Return an error on the way to AWS in words that name its cause."""
    # A TimeoutError has no text.
    said = str(error) or type(error).__name__
    words = next(filter(None, map(_words, _chain(error))), "")
    return f"{said}: {words}" if words else said


def refusal_text(error: exceptions.ClientError) -> str:
    """Return an error response of AWS in its own words, and what they leave out: by how much the clock is wrong."""
    code, about = str(error.response.get("Error", {}).get("Code", "")), error.response.get("ResponseMetadata", {})
    region = about.get(REGION, "")
    if code in _CLOCK_CODES or _CLOCK.search(str(error)):
        return f"{error}{_skew(error)}"
    if may_lack_region(error):
        return f"{error} (AWS says the same of a valid key where {region} is not enabled for the account)"
    if about.get("HTTPStatusCode") == _PROXY_WANTS_PASSWORD:
        return f"{error}: {_proxy_words(_PROXY_WANTS_PASSWORD, _proxy('http'))}"
    return str(error)


def may_lack_region(error: exceptions.ClientError) -> bool:
    """Return whether AWS may have refused a request because its region is not enabled for the account."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code not in _UNKNOWN_KEY_CODES or _CLOCK.search(str(error)):
        return False
    region = error.response.get("ResponseMetadata", {}).get(REGION, "")
    return region not in _NOT_OPTIONAL and _OPTIONAL.fullmatch(region) is not None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what led to it: botocore keeps that in a keyword, aiohttp in an attribute."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = getattr(error, "kwargs", {}).get("error") or getattr(error, "os_error", None)
        error = inner if isinstance(inner, BaseException) else error.__cause__


def _words(error: BaseException) -> str:
    """Return what an error means; empty if it says so itself, or if what led to it says more."""
    match error:
        case aiohttp.ClientHttpProxyError():
            return _proxy_words(error.status, _proxy("https"))
        # Why a certificate is not trusted stands in the error already.
        case aiohttp.ClientConnectorError() if not isinstance(error, aiohttp.ClientConnectorCertificateError):
            return f"{_connection_words(error)}{_proxy_at(error)}"
        # TLS 1.3 refuses a client after the handshake.
        case ssl.SSLError(reason=str(reason)):
            return _TLS.get(reason, "").format("the server")
        case ConnectionResetError():
            return "the connection was reset"
        # Whatever happens to a connection has another class: this happened to a file, before there was one.
        case exceptions.HTTPClientError(kwargs={"error": OSError()}) if type(error) is exceptions.HTTPClientError:
            return f"the CA bundle {_bundle()} cannot be used"
    return ""


def _connection_words(error: aiohttp.ClientConnectorError) -> str:
    """Return why a connection could not be opened."""
    match error.os_error:
        case socket.gaierror():
            return _host_words(error)
        case ConnectionRefusedError():
            return f"connection refused by {error.host}:{error.port}"
        # Once it is open, aiohttp has another class for a reset.
        case ConnectionResetError() | ssl.SSLError() as reason:
            return _TLS.get(getattr(reason, "reason", ""), _BROKEN_OFF).format(f"{error.host}:{error.port}")
        case other:
            return other.strerror or str(other)


def _host_words(error: aiohttp.ClientConnectorError) -> str:
    """Return why a name could not be looked up."""
    is_silent = error.os_error.errno == socket.EAI_AGAIN
    return f"no name server answers for {error.host}" if is_silent else f"unknown host {error.host}"


def _bundle() -> str:
    """Return the path of the bundle of certificates in use, and where it is written."""
    named = next((name for name in BUNDLES if os.environ.get(name)), "")
    return f"{os.environ[named]} ({named})" if named else "of the AWS profile (ca_bundle)"


def _proxy(scheme: str) -> str:
    """Return the proxy for a scheme without its password, and the variable that names it."""
    for name in PROXIES:
        if name.lower() == f"{scheme}_proxy" and (url := os.environ.get(name)):
            return f"the proxy {url.rpartition('@')[2].removeprefix(f'{scheme}://')} of {name}"
    return "a proxy"


def _proxy_at(error: aiohttp.ClientConnectorError) -> str:
    """Return a remark if the host of an error is that of a proxy."""
    for name in PROXIES:
        url = os.environ.get(name, "")
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if url and parts.hostname == error.host and (parts.port or error.port) == error.port:
            return f", the proxy of {name}"
    return ""


def _proxy_words(status: int, proxy: str) -> str:
    """Return why a proxy refuses."""
    if status == _PROXY_WANTS_PASSWORD:
        return f"{proxy} wants a user and a password (HTTP 407)"
    return f"{proxy} responds with HTTP {status}"


def _skew(error: exceptions.ClientError) -> str:
    """Return by how much this machine's clock is wrong, if the response tells."""
    try:
        ahead = _ahead(error)
    except (KeyError, TypeError, ValueError):
        ahead = 0
    if abs(ahead) < _TOLERANCE:
        # Clocks that agree now: it was set right since, or the request was held up.
        return " (the clock of this machine is wrong, or the request was long on its way)"
    way = "ahead of" if ahead > 0 else "behind"
    # To the minute, because AWS's date was already on its way.
    return f" (the clock of this machine is {format_duration(60 * round(abs(ahead) / 60))} {way} that of AWS)"


def _ahead(error: exceptions.ClientError) -> float:
    """Return by how many seconds this machine's clock is ahead, by AWS's words or by the date of its response."""
    if told := _TIMES.search(str(error)):
        signed, received = (datetime.strptime(text, "%Y%m%dT%H%M%S%z").timestamp() for text in told.groups())
    else:
        # The system's, because botocore signs by it.
        signed = Clock().time()
        received = parsedate_to_datetime(error.response["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
    return signed - received
