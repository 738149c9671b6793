"""Error responses: an envelope from the API, a page for browsers, a line for everyone else."""

from __future__ import annotations

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from exporter.web.server.connections import Handler
from exporter.web.views import api, pages

log = structlog.get_logger(__name__)

_SHOWN = 200
"""Characters of a path that a response or the log repeats."""

_KEPT = ("Allow", "Retry-After")
"""Headers of an error that its explanation has as well."""


def explained(telemetry_path: str) -> Middleware:
    """Return middleware that turns errors into responses without a traceback."""

    @web.middleware
    async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as refused:
            error = refused
        except Exception:
            if request.writer.output_size:
                # The response has started: aiohttp closes the connection.
                raise
            log.exception("Cannot respond to a request", path=request.path[:_SHOWN])
            error = web.HTTPInternalServerError()
        return _response(request, error, telemetry_path)

    return explain


def _response(request: web.Request, error: web.HTTPException, telemetry_path: str) -> web.Response:
    path = request.path[:_SHOWN]
    if request.path.startswith("/api/"):
        response = api.refusal(f"{request.method} {path}: {error.reason}", error.status)
    elif "text/html" in request.headers.get("Accept", ""):
        response = pages.refusal(path, error.status, str(error.text), f".{telemetry_path}")
    else:
        raise error
    response.headers.update({name: error.headers[name] for name in _KEPT if name in error.headers})
    return response
