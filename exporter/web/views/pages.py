"""The pages for people, rendered on the server; they work without the script that refreshes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from hashlib import blake2b
from itertools import groupby, repeat
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import yaml
from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from exporter import __version__
from exporter.jobs import ACTIVE, SourceKey, State
from exporter.reasons import Reason
from exporter.settings import without_secrets
from exporter.store import Wanted
from exporter.store.search import HOUR, Found, Places
from exporter.web.views import kind_rows
from exporter.web.views.inside import Inside
from exporter.web.views.parameters import (
    Given,
    JobParameters,
    ParameterError,
    Parameters,
    SourceParameters,
    cursor,
    given,
)
from exporter.web.views.rows import JobRow, SourceRow
from exporter.web.views.words import ago, moment, span

_HERE = Path(__file__).parent
_DAY = 24
_FEW = 5
"""So many jobs and sources of each sort stand on the first page."""

_MANY = 200
"""More choices than these are typed, not chosen from a list."""

_STATIC = {
    file.name: (file.read_bytes(), {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}[file.suffix])
    for file in sorted((_HERE / "static").iterdir())
}
_VERSION = blake2b(b"".join(content for content, _ in _STATIC.values()), digest_size=6).hexdigest()
"""Stands in the addresses of what browsers may keep, so that they fetch it anew after an update."""

_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def _link(page: str, /, **parameters: Any) -> str:
    """Return the address of a page beside the one that is shown: a proxy may have put a path before both."""
    given = {name: value for name, value in parameters.items() if value not in (None, "", ())}
    return f"./{page}{'?' if given else ''}{urlencode(given, doseq=True)}"


def _same(values: Iterable[str]) -> list[tuple[str, str]]:
    """Return values to choose from, each shown as it is."""
    return [(value, value) for value in values]


_TEMPLATES = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters.update(ago=ago, moment=moment, span=span)
_TEMPLATES.globals.update(
    many=_MANY, link=_link, same=_same, version=__version__, assets=_VERSION, State=State, Reason=Reason
)

Context = Mapping[str, Any]


def routes(inside: Inside, telemetry_path: str) -> list[web.RouteDef]:
    """Return the routes of the pages and of what they are made with."""
    metrics = f".{telemetry_path}"

    def page(name: str, context: Callable[[Inside, web.Request], Awaitable[Context]]) -> web.RouteDef:
        return web.get(f"/{name}", partial(_page, inside, metrics, name or "overview", context))

    return [
        page("", _overview),
        page("jobs", _jobs),
        page("sources", _sources),
        page("kinds", _kinds),
        page("config", _config),
        web.get("/static/{name}", _static),
    ]


async def _page(
    inside: Inside,
    metrics: str,
    name: str,
    context: Callable[[Inside, web.Request], Awaitable[Context]],
    request: web.Request,
) -> web.Response:
    """Render a page; what is wrong with the address is said on a page, too."""
    common = {"page": name, "metrics": metrics, "now": inside.inventory.now(), "several": inside.inventory.several()}
    try:
        values = await context(inside, request)
    except ParameterError as error:
        return refusal(str(error), 400, "This address asks for something that cannot be", metrics, name)
    return _html(_TEMPLATES.get_template(f"{name}.html").render(common, **values))


def refusal(problem: str, status: int, title: str, metrics: str, page: str = "") -> web.Response:
    """Return a page that tells why there is no other, and leads to one that there is."""
    template = _TEMPLATES.get_template("error.html")
    return _html(template.render(error=problem, title=title, page=page, metrics=metrics), status)


def _html(text: str, status: int = 200) -> web.Response:
    headers = {**_SECURITY, "Cache-Control": "no-store"}
    return web.Response(text=text, content_type="text/html", status=status, headers=headers)


async def _static(request: web.Request) -> web.Response:
    """Serve the style, the script and the icon."""
    try:
        content, form = _STATIC[request.match_info["name"]]
    except KeyError:
        raise web.HTTPNotFound from None
    headers = {**_SECURITY, "Cache-Control": "public, max-age=86400"}
    return web.Response(body=content, content_type=form, charset="utf-8", headers=headers)


class Bar(NamedTuple):
    """One hour of the chart of failures."""

    begin: float
    failed: int
    height: float
    """Of the highest bar, 0 to 1."""

    @property
    def end(self) -> float:
        """When the hour ends."""
        return self.begin + HOUR


async def _overview(inside: Inside, request: web.Request) -> Context:
    """What is going on now."""
    inventory = inside.inventory
    Parameters.of(_given(request), inventory.now())
    states = await inventory.states()
    failures = await inventory.failures(_DAY)
    most = max(count for _, count in failures)
    failed = Wanted(states=frozenset({State.FAILED}), finished_since=float(failures[0][0]))
    newest = await inventory.jobs(Places(), failed, _FEW)
    down = sorted((status for status in inventory.each_status() if status.consecutive_failures), key=attrgetter("key"))
    return {
        "health": inside.health(),
        "states": states,
        "shown": [state for state in State if any(counts[state] for counts in states.values())],
        "active": sum(counts[state] for counts in states.values() for state in ACTIVE),
        "few": _FEW,
        "bars": [Bar(begin, count, count / most if most else 0.0) for begin, count in failures],
        "most": most,
        "failed": sum(count for _, count in failures),
        "newest": _rows(newest.jobs),
        "overdue": _rows(await inventory.overdue(_FEW)),
        "down": [SourceRow.of(status) for status in down[:_FEW]],
    }


async def _jobs(inside: Inside, request: web.Request) -> Context:
    """A table of jobs, filtered."""
    asked = JobParameters.of(_given(request), inside.inventory.now())
    page = await inside.jobs(asked)
    return {
        "jobs": _rows(page.jobs),
        "total": page.total,
        "next": cursor(page.next) if page.next else None,
        "health": inside.health(),
        **_filters(inside, request, asked),
    }


async def _sources(inside: Inside, request: web.Request) -> Context:
    """Every source, grouped by account, region and service."""
    asked = SourceParameters.of(_given(request), inside.inventory.now())
    rows, following, total = inside.sources(asked)
    groups = [(place, list(group)) for place, group in groupby(rows, key=lambda row: row[:3])]
    return {
        "groups": groups,
        "total": total,
        "next": following,
        "health": inside.health(),
        **_filters(inside, request, asked),
    }


async def _kinds(inside: Inside, request: web.Request) -> Context:
    """The catalog: what is polled, by which operation and with which permissions."""
    Parameters.of(_given(request), inside.inventory.now())
    return {"kinds": kind_rows.rows(inside.settings(), inside.catalog())}


async def _config(inside: Inside, request: web.Request) -> Context:
    """The configuration as it took effect."""
    Parameters.of(_given(request), inside.inventory.now())
    text = yaml.safe_dump(without_secrets(inside.settings()), sort_keys=False, allow_unicode=True, width=100)
    return {"configuration": text}


def _rows(jobs: Iterable[Found]) -> list[JobRow]:
    return [JobRow.of(job) for job in jobs]


def _filters(inside: Inside, request: web.Request, asked: JobParameters | SourceParameters) -> Context:
    """Return what a form of filters needs: what was asked for, as it stood in the address, and what can be."""
    sources = inside.inventory.lists() if isinstance(asked, JobParameters) else None
    keys = [source.status.key for source in sources] if sources else [s.key for s in inside.inventory.each_status()]
    columns = zip(*keys, strict=True) if keys else repeat((), len(SourceKey._fields))
    values = {label: set(column) - {""} for label, column in zip(SourceKey._fields, columns, strict=True)}
    # Too many are typed, not chosen from a list.
    choices = {label: sorted(few) if len(few) <= _MANY else few for label, few in values.items()}
    return {"given": _given(request), "choices": choices}


def _given(request: web.Request) -> Given:
    """Return the parameters of a request that have a value: a form sends every field."""
    return {name: kept for name, values in given(request).items() if (kept := list(filter(None, values)))}
