"""What is answered where a request cannot be: an envelope by the API, a page to who reads pages, else a line."""

from __future__ import annotations

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from exporter.web.server.connections import Handler
from exporter.web.views import api, pages

log = structlog.get_logger(__name__)

_SHOWN = 200
"""Characters of an address that an answer repeats."""


def explained(telemetry_path: str) -> Middleware:
    """Return what turns errors into answers that tell as much as who asks may know: no trace."""

    @web.middleware
    async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as refused:
            error = refused
        except Exception:
            if request.writer.output_size:
                # The answer has begun: aiohttp breaks it off.
                raise
            log.exception("Cannot answer a request", path=request.path[:_SHOWN])
            error = web.HTTPInternalServerError()
        return _answer(request, error, telemetry_path)

    return explain


def _answer(request: web.Request, error: web.HTTPException, telemetry_path: str) -> web.Response:
    path = request.path[:_SHOWN]
    if request.path.startswith("/api/"):
        answer = api.refusal(f"{request.method} {path}: {error.reason}", error.status)
    elif "text/html" in request.headers.get("Accept", ""):
        answer = pages.refusal(path, error.status, str(error.text), f".{telemetry_path}")
    else:
        raise error
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer
