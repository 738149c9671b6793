"""The pages for people, rendered on the server. They work without the script that refreshes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml
from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from exporter import __version__, permissions
from exporter.jobs import ACTIVE, Reason, State
from exporter.reasons import REMEDIES
from exporter.settings import ServiceSettings, Settings, without_secrets
from exporter.store import JobFilter
from exporter.store.inventory import HOUR, Found, Places
from exporter.store.search import Order
from exporter.telemetry import PollErrorReason
from exporter.threads import CONFIGURATION
from exporter.web.views.inside import RUNS, Inside, UnknownJobError
from exporter.web.views.parameters import (
    JobAddress,
    JobParameters,
    OverviewParameters,
    ParameterError,
    Parameters,
    SourcePageParameters,
    SourceParameters,
    cursor,
    given,
)
from exporter.web.views.renderer import Renderer
from exporter.web.views.rows import JobRow
from exporter.web.views.survey import Survey
from exporter.web.views.words import ago, moment, span, usage

_HERE = Path(__file__).parent
_FEW = 5
"""Jobs and sources of each sort on the overview."""

_FEW_CAUSES = 20
"""Reasons for which sources are down, above all sources."""

_MANY = 200
"""The longest list of choices. A filter with more of them is a field to type into."""

_SECTIONS = {"job": "jobs"}
"""Where pages belong that the navigation does not name."""

_ORDERS = {
    "": "active first, then the most recently finished",
    "status": "by AWS's status",
    "-status": "by AWS's status, from Z to A",
    "name": "by name",
    "-name": "by name, from Z to A",
    "-created": "the newest first",
    "created": "the oldest first",
    "-started": "by start, the latest first",
    "started": "by start, the earliest first",
    "-finished": "by end, the latest first",
    "finished": "by end, the earliest first",
    "-duration": "the longest first",
    "duration": "the shortest first",
    "reason": "by reason",
    "-reason": "by reason, from Z to A",
}
"""Each order of jobs in words."""

_SOURCE_ORDERS = {
    "": "by account, region and service",
    "last_success": "the last success longest ago first",
    "-last_success": "the latest success first",
    "next_poll": "the next poll first",
    "-next_poll": "the next poll last",
    "-duration": "the longest poll first",
    "duration": "the shortest poll first",
    "-calls": "the most requests first",
    "calls": "the fewest requests first",
    "-jobs": "the most jobs first",
    "jobs": "the fewest jobs first",
    "-failures": "the most failed polls in a row first",
    "failures": "the fewest failed polls in a row first",
}
"""Each order of sources in words."""

_FOLDS = {
    "source": "each source",
    "service": "by account and service",
    "reason": "by account and reason, while down",
}
"""What has a row on the page of sources, in words."""

_STATIC = {
    file.name: (file.read_bytes(), {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}[file.suffix])
    for file in sorted((_HERE / "static").iterdir())
}
_VERSION = blake2b(b"".join(content for content, _ in _STATIC.values()), digest_size=6).hexdigest()
"""Part of the addresses that browsers may cache, so that they fetch the files again after an update."""

_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_DYNAMIC = {**_SECURITY, "Cache-Control": "no-store"}


def _link(page: str, /, **parameters: Any) -> str:
    """Return the relative address of another page: a proxy may have put a path in front of both."""
    given = {name: value for name, value in parameters.items() if value not in (None, "", ())}
    return f"./{page}{'?' if given else ''}{urlencode(given, doseq=True)}"


_TEMPLATES = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    # A misspelled name in a template is an error, not an empty cell.
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters.update(ago=ago, moment=moment, span=span, usage=usage)
_TEMPLATES.globals.update(
    many=_MANY,
    link=_link,
    version=__version__,
    assets=_VERSION,
    State=State,
    Reason=Reason,
    remedies=REMEDIES,
    PollErrorReason=PollErrorReason,
)

Context = Mapping[str, Any]


def routes(inside: Inside, telemetry_path: str, renderer: Renderer) -> list[web.RouteDef]:
    """Return the routes of the pages and of their style, script and icon."""
    metrics = f".{telemetry_path}"

    def page(
        path: str, name: str, model: type[Parameters], context: Callable[[Inside, Any], Awaitable[Context]]
    ) -> web.RouteDef:
        async def show(request: web.Request) -> web.Response:
            looking = inside.at_once()
            now = looking.inventory.now()
            # A form sends every field, whether it has a value or not.
            filters = {key: kept for key, values in given(request).items() if (kept := list(filter(None, values)))}
            section = _SECTIONS.get(name, name)
            common = {"page": name, "section": section, "metrics": metrics, "given": filters, "now": now}
            common["names"] = await looking.names()
            try:
                values = await context(looking, model.of(filters, now))
            except ParameterError as error:
                return refusal(str(error), 400, "This address is not valid", metrics, section)
            except UnknownJobError as error:
                return refusal(str(error), 404, "No such job", metrics, "jobs")
            template = _TEMPLATES.get_template(f"{name}.html")
            texts = template.generate(common, several=looking.inventory.several(), **values)
            return await renderer.response(texts, "text/html", _DYNAMIC)

        return renderer.get(path, show)

    return [
        page("/", "overview", OverviewParameters, _overview),
        page("/jobs", "jobs", JobParameters, _jobs),
        page("/groups", "groups", Parameters, _groups),
        page("/job", "job", JobAddress, _job),
        page("/sources", "sources", SourcePageParameters, _sources),
        page("/kinds", "kinds", Parameters, _kinds),
        page("/config", "config", Parameters, _config),
        web.get("/static/{name}", _static),
    ]


def refusal(problem: str, status: int, title: str, metrics: str, page: str = "") -> web.Response:
    """Return a page that says what is wrong, with a link to a page that works."""
    template = _TEMPLATES.get_template("error.html")
    text = template.render(error=problem, title=title, page=page, section=page, metrics=metrics)
    return web.Response(text=text, content_type="text/html", status=status, headers=_DYNAMIC)


async def _static(request: web.Request) -> web.Response:
    """Serve the style, the script and the icon."""
    try:
        content, content_type = _STATIC[request.match_info["name"]]
    except KeyError:
        raise web.HTTPNotFound from None
    headers = {**_SECURITY, "Cache-Control": "public, max-age=86400"}
    return web.Response(body=content, content_type=content_type, charset="utf-8", headers=headers)


async def _overview(inside: Inside, parameters: OverviewParameters) -> Context:
    """Return what is going on now."""
    inventory = inside.inventory
    places = Places(account_id=frozenset(parameters.account_id))
    survey = await inside.survey(SourceParameters(account_id=parameters.account_id))
    states = await inventory.states(places)
    polled = await survey.services_with_jobs()
    services = polled | states.keys() if parameters.all_services else states.keys()
    failures = await inventory.failures(24, places)
    since = failures[0][0]
    failed = JobFilter(states=frozenset({State.FAILED}), finished_since=float(since))
    newest = await inventory.jobs(places, failed, _FEW)
    longer = JobFilter(longer_than_usual_at=inventory.now())
    longest = await inventory.jobs(places, longer, _FEW, order=Order("created"))
    causes, causes_in_all = await survey.causes(0, _FEW)
    return {
        "health": survey.healths,
        "states": {service: states.get(service, Counter()) for service in sorted(services)},
        "idle": sorted(polled - states.keys()),
        "chosen": {"account_id": parameters.account_id},
        "accounts": _choices(inventory.labels())["account_id"],
        "shown": [state for state in State if any(counts[state] for counts in states.values())],
        "active": sum(counts[state] for counts in states.values() for state in ACTIVE),
        "failures": failures,
        "hour": HOUR,
        "since": since,
        "failed": sum(count for _, count in failures),
        "newest": _rows(newest.jobs),
        "longer": _rows(longest.jobs),
        "has_more": longest.next is not None,
        "causes": causes,
        "causes_in_all": causes_in_all,
    }


async def _jobs(inside: Inside, parameters: JobParameters) -> Context:
    """Return a table of jobs, filtered and sorted."""
    rows, following, total = await inside.jobs(parameters)
    return {
        "jobs": rows,
        "total": total,
        "next": cursor(following) if following else None,
        "sort": parameters.sort or "",
        "orders": _ORDERS,
        "health": await inside.health(),
        "choices": {**_choices(inside.inventory.labels()), "group": sorted(inside.groups())},
    }


async def _job(inside: Inside, address: JobAddress) -> Context:
    """Return all that is known of one job, and the last runs of its name."""
    job, runs, limit = await inside.job(address)
    now = inside.inventory.now()
    longest = max((run.took(now) or 0 for run in runs), default=0)
    return {"job": job, "runs": runs, "limit": limit, "most": RUNS, "longest": longest}


async def _sources(inside: Inside, parameters: SourcePageParameters) -> Context:
    """Return the sources, each or folded, and above them why those that are down are."""
    survey = await inside.survey(parameters)
    by = parameters.by or ("source" if parameters.sort or len(survey.found) <= parameters.limit else "service")
    return {
        **await _LISTS[by](inside, parameters, survey),
        "by": by,
        "total": len(survey.found),
        "health": survey.healths,
        "late": survey.overdue,
        "calls": inside.calls(),
        "orders": _SOURCE_ORDERS,
        "folds": _FOLDS,
        "sort": parameters.sort or "",
        "choices": _choices(await inside.labels()),
    }


async def _groups(inside: Inside, _parameters: Parameters) -> Context:
    """Return the groups of jobs, those that are late first."""
    return {"groups": inside.group_lines()}


async def _each_source(inside: Inside, parameters: SourceParameters, survey: Survey) -> Context:
    rows, following = await inside.sources(parameters, survey)
    # By key they are in order; sorted, they cannot be grouped.
    groups = groupby(rows, key=lambda row: None if parameters.sort else row[:3])
    return {"groups": [(place, list(group)) for place, group in groups], "next": following}


async def _each_service(_inside: Inside, parameters: SourceParameters, survey: Survey) -> Context:
    end = parameters.cursor + parameters.limit
    rows, count = await survey.services(parameters.cursor, end)
    causes, causes_in_all = await survey.causes(0, _FEW_CAUSES)
    following = end if end < count else None
    return {"services": rows, "next": following, "causes": causes, "causes_in_all": causes_in_all}


async def _each_cause(_inside: Inside, parameters: SourceParameters, survey: Survey) -> Context:
    end = parameters.cursor + parameters.limit
    rows, count = await survey.causes(parameters.cursor, end)
    return {"services": [], "next": end if end < count else None, "causes": rows, "causes_in_all": count}


_LISTS: Mapping[str, Callable[[Inside, SourceParameters, Survey], Awaitable[Context]]] = {
    "source": _each_source,
    "service": _each_service,
    "reason": _each_cause,
}


async def _kinds(inside: Inside, _parameters: Parameters) -> Context:
    """Return every kind of the catalog, with its permissions and whether it is polled."""
    settings, catalog = inside.settings(), inside.catalog()
    polled = {str(kind): selected.settings for selected in settings.selections(catalog) for kind in selected.kinds}
    rows = []
    for kind in catalog.kinds():
        calls = permissions.calls(kind, polled.get(str(kind), ServiceSettings()))
        actions = dict.fromkeys(action for call in calls for action in permissions.actions(call, kind, catalog))
        rows.append({"kind": kind, "is_polled": str(kind) in polled, "permissions": list(actions)})
    return {"kinds": rows}


async def _config(inside: Inside, _parameters: Parameters) -> Context:
    """Return the configuration in effect."""
    # In a thread: half a second for a thousand accounts.
    return {"configuration": await CONFIGURATION.run(_as_yaml, inside.settings())}


def _as_yaml(settings: Settings) -> str:
    return yaml.safe_dump(without_secrets(settings), sort_keys=False, allow_unicode=True, width=100)


def _rows(jobs: Iterable[Found]) -> list[JobRow]:
    return [JobRow.of(job) for job in jobs]


def _choices(values: Mapping[str, set[str]]) -> dict[str, Collection[str]]:
    """Return the values of each label, sorted if they are few enough for a list."""
    return {label: sorted(found) if len(found) <= _MANY else found for label, found in values.items()}
