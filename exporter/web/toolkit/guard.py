"""The checks that a request must pass, in the exporter-toolkit's order."""

from __future__ import annotations

import time

import structlog
from aiohttp import web

from exporter.bucket import Bucket
from exporter.settings import ConfigurationError
from exporter.web.server.connections import Handler, TlsContext
from exporter.web.toolkit import tls
from exporter.web.toolkit.auth import Authenticator, credentials
from exporter.web.toolkit.schema import WebConfig
from exporter.web.toolkit.web_config import WebConfigFile

log = structlog.get_logger(__name__)

_HEADERS = web.RequestKey("web_config_headers", dict[str, str])


class Guard:
    """Guards an application. Users and headers are read for each request, the rate limit only at start."""

    def __init__(self, file: WebConfigFile) -> None:
        """Read the file and the files that it names; raises ConfigurationError."""
        self._file = file
        config = file.check()
        self.has_tls = config.tls_server_config.is_enabled
        self.rate_limit = config.rate_limit
        limit = config.rate_limit
        # Where the burst is 0, nobody gets in, as with Go's limiter.
        self._bucket = Bucket(limit.burst, 1 / limit.interval, time.monotonic) if limit.interval else None
        self._authenticator = Authenticator()

    @property
    def tls(self) -> TlsContext | None:
        """Returns the context for each new connection; None if the exporter started without TLS."""
        return self._file.context if self.has_tls else None

    def protect(self, app: web.Application) -> None:
        """Put the checks in front of every route of an application."""
        app.middlewares.insert(0, self._admit)
        app.on_response_prepare.append(_set_headers)

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            config = await self._file.config()
        except ConfigurationError as error:
            log.error("Unable to parse configuration", err=str(error))  # noqa: TRY400 - its text says all
            raise _error(web.HTTPInternalServerError) from None
        if self.has_tls:
            _check_names(request, config)
        if self._bucket and self._bucket.take():
            raise _error(web.HTTPTooManyRequests)
        request[_HEADERS] = config.http_server_config.headers
        if config.basic_auth_users:
            given = credentials(request.headers.get("Authorization", ""))
            if given is None or not await self._authenticator.admits(*given, config.basic_auth_users):
                unauthorized = _error(web.HTTPUnauthorized)
                unauthorized.headers["WWW-Authenticate"] = "Basic"
                raise unauthorized
        return await handler(request)


def _check_names(request: web.Request, config: WebConfig) -> None:
    """Close a connection whose client certificate has none of the names that the file allows."""
    allowed = config.tls_server_config.client_allowed_sans
    found = tls.names(request.get_extra_info("peercert"))
    if allowed and set(allowed).isdisjoint(found):
        log.warning("could not find allowed SANs in client cert", found=found)
        # The exporter-toolkit checks names within the handshake. Python's ssl cannot, so the connection breaks here.
        if request.transport:
            request.transport.abort()
        raise _error(web.HTTPForbidden)


def _error(kind: type[web.HTTPError]) -> web.HTTPError:
    """Return an error as Go's http.Error writes it."""
    error = kind(headers={"X-Content-Type-Options": "nosniff"})
    error.text = f"{error.reason}\n"
    return error


async def _set_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(request.get(_HEADERS, {}))
