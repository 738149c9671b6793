"""The JSON API, in the envelope of Prometheus's own API; openapi.yaml describes it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from exporter import __version__
from exporter.web.views import csv_table
from exporter.web.views.group_lines import GroupLine
from exporter.web.views.inside import Inside, UnknownJobError
from exporter.web.views.parameters import (
    JobAddress,
    JobParameters,
    ParameterError,
    Parameters,
    SourceParameters,
    cursor,
    given,
)
from exporter.web.views.renderer import Renderer
from exporter.web.views.rows import JobRow, SourceRow
from exporter.web.views.words import moment

_DESCRIPTION = (Path(__file__).parent / "openapi.yaml").read_bytes()

_TIMES = {
    *("created", "started", "finished", "deadline", "as_of", "last_success", "next_poll"),
    *("due", "last_failure", "running_since", "waiting_since"),
}
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


Data = Callable[[Inside, Any], Awaitable[Mapping[str, Any]]]


def routes(inside: Inside, renderer: Renderer) -> list[web.RouteDef]:
    """Return the routes below `/api/v1/`."""

    async def description(_request: web.Request) -> web.Response:
        return web.Response(body=_DESCRIPTION, content_type="application/yaml", headers=_HEADERS)

    def route(path: str, model: type[Parameters], data: Data) -> web.RouteDef:
        async def respond(request: web.Request) -> web.Response:
            try:
                parameters = model.of(given(request), inside.inventory.now())
            except ParameterError as error:
                return refusal(str(error), 400)
            try:
                texts = _encoded(await data(inside.at_once(), parameters))
            except UnknownJobError as error:
                return refusal(str(error), 404)
            return await renderer.response(texts, "application/json", _HEADERS)

        return renderer.get(path, respond)

    def table(path: str, model: type[Parameters], data: Data, name: str, columns: Sequence[str]) -> web.RouteDef:
        async def respond(request: web.Request) -> web.Response:
            try:
                parameters = model.of(given(request), inside.inventory.now())
            except ParameterError as error:
                return refusal(str(error), 400)
            found = await data(inside.at_once(), parameters)
            headers = {**_HEADERS, "Content-Disposition": f'attachment; filename="{name}.csv"'}
            if found["next"]:
                following = request.rel_url.update_query(cursor=found["next"]).raw_query_string
                headers["Link"] = f'<./{name}.csv?{following}>; rel="next"'
            return await renderer.response(csv_table.lines(columns, found[name]), "text/csv", headers)

        return renderer.get(path, respond)

    return [
        route("/api/v1/job", JobAddress, _job),
        route("/api/v1/jobs", JobParameters, _jobs),
        route("/api/v1/groups", Parameters, _groups),
        route("/api/v1/sources", SourceParameters, _sources),
        route("/api/v1/status", Parameters, _status),
        table("/api/v1/jobs.csv", JobParameters, _jobs, "jobs", JobRow._fields),
        table("/api/v1/sources.csv", SourceParameters, _sources, "sources", SourceRow._fields),
        web.get("/api/v1/openapi.yaml", description),
    ]


async def _job(inside: Inside, address: JobAddress) -> Mapping[str, Any]:
    """Return one job and the last runs of its name."""
    job, runs, limit = await inside.job(address)
    return {"job": _plain(job), "runs": map(_plain, runs), "usual_limit_seconds": limit}


async def _jobs(inside: Inside, parameters: JobParameters) -> Mapping[str, Any]:
    """Return one page of jobs."""
    rows, following, total = await inside.jobs(parameters)
    return {"jobs": map(_plain, rows), "total": total, "next": cursor(following) if following else None}


async def _sources(inside: Inside, parameters: SourceParameters) -> Mapping[str, Any]:
    """Return one page of sources."""
    survey = await inside.survey(parameters)
    rows, following = await inside.sources(parameters, survey)
    following_text = None if following is None else str(following)
    return {"sources": map(_plain, rows), "total": len(survey.found), "next": following_text}


async def _groups(inside: Inside, _parameters: Parameters) -> Mapping[str, Any]:
    """Return the groups of jobs."""
    return {"groups": map(_plain, inside.group_lines())}


async def _status(inside: Inside, _parameters: Parameters) -> Mapping[str, Any]:
    """Return the totals."""
    inventory = inside.inventory
    failures = await inventory.failures(hours=24)
    return {
        "version": __version__,
        "time": _time(inventory.now()),
        "sources": await inside.health(),
        "jobs": await inventory.states(),
        "failures": [{"hour": _time(hour), "failed": count} for hour, count in failures],
    }


_TYPES = {404: "not_found", 500: "internal", 503: "unavailable"}


def refusal(problem: str, status: int) -> web.Response:
    """Return an error in the envelope, with Prometheus's name for its type if there is one."""
    content = {"status": "error", "errorType": _TYPES.get(status, "bad_data"), "error": problem}
    return web.Response(text=json.dumps(content), content_type="application/json", status=status, headers=_HEADERS)


def _encoded(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield the envelope of data as JSON, where the items of an iterator come one by one."""
    yield '{"status": "success", "data": {'
    for number, (name, value) in enumerate(data.items()):
        yield f"{', ' if number else ''}{json.dumps(name)}: "
        yield from _items(value) if isinstance(value, Iterator) else (json.dumps(value),)
    yield "}}"


def _items(values: Iterator[Any]) -> Iterator[str]:
    yield "["
    for number, value in enumerate(values):
        yield f"{', ' if number else ''}{json.dumps(value)}"
    yield "]"


def _plain(row: JobRow | SourceRow | GroupLine) -> Mapping[str, Any]:
    """Return a row with its times in RFC 3339."""
    return {name: _time(value) if name in _TIMES else value for name, value in row._asdict().items()}


def _time(seconds: float | None) -> str | None:
    time = moment(seconds)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z") if time else None
