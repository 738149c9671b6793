"""The JSON API, in the envelope that Prometheus' own API has; openapi.yaml describes it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from exporter import __version__
from exporter.web.views.inside import Inside
from exporter.web.views.parameters import JobParameters, ParameterError, Parameters, SourceParameters, cursor, given
from exporter.web.views.rows import JobRow, SourceRow
from exporter.web.views.words import moment

_DESCRIPTION = (Path(__file__).parent / "openapi.yaml").read_bytes()

_TIMES = ("created", "started", "finished", "deadline", "as_of", "last_success", "next_poll")
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

Handler = Callable[[web.Request], Awaitable[web.Response]]


def routes(inside: Inside) -> list[web.RouteDef]:
    """Return the routes below `/api/v1/`."""

    async def jobs(request: web.Request) -> Mapping[str, Any]:
        page = await inside.jobs(JobParameters.of(given(request), inside.inventory.now()))
        rows = [_plain(JobRow.of(found)) for found in page.jobs]
        return {"jobs": rows, "total": page.total, "next": cursor(page.next) if page.next else None}

    async def sources(request: web.Request) -> Mapping[str, Any]:
        rows, following, total = inside.sources(SourceParameters.of(given(request), inside.inventory.now()))
        return {
            "sources": list(map(_plain, rows)),
            "total": total,
            "next": None if following is None else str(following),
        }

    async def status(request: web.Request) -> Mapping[str, Any]:
        Parameters.of(given(request), inside.inventory.now())
        return {
            "version": __version__,
            "time": _time(inside.inventory.now()),
            "sources": inside.health(),
            "jobs": await inside.inventory.states(),
            "failures": [
                {"hour": _time(begin), "failed": count} for begin, count in await inside.inventory.failures(hours=24)
            ],
        }

    async def description(_request: web.Request) -> web.Response:
        return web.Response(body=_DESCRIPTION, content_type="application/yaml", headers=_HEADERS)

    return [
        web.get("/api/v1/jobs", partial(_answer, jobs)),
        web.get("/api/v1/sources", partial(_answer, sources)),
        web.get("/api/v1/status", partial(_answer, status)),
        web.get("/api/v1/openapi.yaml", description),
    ]


async def _answer(data: Callable[[web.Request], Awaitable[Mapping[str, Any]]], request: web.Request) -> web.Response:
    """Return data in the envelope, or what is wrong with the request."""
    try:
        return _json({"status": "success", "data": await data(request)})
    except ParameterError as error:
        return refusal(str(error), 400)


_TYPES = {404: "not_found", 500: "internal"}


def refusal(problem: str, status: int) -> web.Response:
    """Return what is wrong, in the envelope, with the type that Prometheus has for it."""
    return _json({"status": "error", "errorType": _TYPES.get(status, "bad_data"), "error": problem}, status)


def _json(content: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.Response(text=json.dumps(content), content_type="application/json", status=status, headers=_HEADERS)


def _plain(row: JobRow | SourceRow) -> Mapping[str, Any]:
    """Return a row with its times as RFC 3339 writes them."""
    return {name: _time(value) if name in _TIMES else value for name, value in row._asdict().items()}


def _time(seconds: float | None) -> str | None:
    time = moment(seconds)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z") if time else None
