"""Every panel, queried from a real Prometheus that scrapes a real exporter of a busy AWS."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from exporter.simulator import AwsError, RequestContext, Simulator, World, populate
from tests.support.dashboards import EVERYTHING, Target, expanded, targets
from tests.support.harness import ACCOUNT, BEDROCK, CATALOG, REGION
from tests.support.patience import eventually
from tests.support.stack import BEAT, CONFIG, exporter_command, free_ports, process, prometheus_command, ready

pytestmark = pytest.mark.slow

KINDS = {
    "bedrock/model_invocation_job": "has records and deadlines",
    "sagemaker/compilation_job": "tells when a job starts, and is asked why one failed, which is denied here",
    "cleanroomsml/trained_model_version": "is listed in scopes",
    "comprehend/document_classifier": "can be read once, and then no more",
}

ACCOUNTS = ({"regions": [REGION]}, {"role_arn": "arn:aws:iam::444455556666:role/exporter", "regions": [REGION]})
"""One that can be read, and one whose role cannot be assumed."""

GROUPS = ({"name": "batch", "match": {"services": ["bedrock"]}, "labels": {"owner": "ml-core"}, "expect_every": "1m"},)
"""One that is late between two of its jobs, and whose jobs stay known."""

HOUR, DAY = 3600, 86400

EMPTY = {
    "kind: Resources used A": "of none of these kinds AWS tells seconds",
    "health: Rate limit B": "nothing is throttled",
    "health: Requests waiting for the rate limit B": "nothing is throttled",
    "health: Left out because of limits A": "no limit is met",
    "health: Left out because of limits B": "no limit is met",
    "health: Left out because of limits C": "no limit is met",
    "health: Requests in an hour C": "there is no limit to them",
    "health: Connections closed early A": "no client is slow, and there are few",
    "accounts: All accounts J": "accounts have names in an organization",
    "accounts: What cannot be reached B": "an account that never could be reached was never read",
}
"""The queries that find nothing while all is well, and why."""

SELDOM = {
    "health: Requests waiting for the rate limit A": "a request may have waited",
    "health: Reasons still to be requested A": "a reason may be requested just now",
}
"""The queries that find something now and then."""


@dataclass
class Stand:
    """A Prometheus, and the queries that the dashboards send it."""

    url: str
    session: aiohttp.ClientSession
    instances: list[str]

    async def query(self, query: str, *, over_time: bool = False) -> list[dict[str, Any]]:
        """Return the series of a query, now or over the last thirty beats."""
        now = time.time()
        moment = {"start": f"{now - 30 * BEAT}", "end": f"{now}", "step": "2"} if over_time else {"time": f"{now}"}
        path = "query_range" if over_time else "query"
        async with self.session.post(f"{self.url}/api/v1/{path}", data={"query": query, **moment}) as response:
            content = await response.json()
        assert content["status"] == "success", f"{query}: {content}"
        return list(content["data"]["result"])

    async def series_of(self, target: Target, **chosen: str) -> list[dict[str, Any]]:
        """Return the series that a panel shows, with these variables."""
        recently = {
            "__interval": f"{10 * BEAT}s",
            "__rate_interval": f"{10 * BEAT}s",
            "__range": f"{60 * BEAT}s",
            "__from": f"{now_ms() - HOUR * 1000}",
        }
        query = expanded(target.query, {**EVERYTHING, **recently, **chosen})
        return await self.query(query, over_time=target.panel["type"] == "timeseries")

    async def until(self, query: str) -> None:
        """Wait until a query has a result."""
        await eventually(lambda: self.query(query))


def now_ms() -> int:
    """Return the time in Grafana's format."""
    return int(time.time() * 1000)


@dataclass
class Refusals:
    """A hook of the simulator that denies what is to fail: operations, by the start of their names."""

    refused: set[tuple[str, str]]

    async def __call__(self, call: RequestContext) -> None:
        """Deny an operation on the list."""
        if any(call.service == service and call.operation.startswith(name) for service, name in self.refused):
            raise AwsError("AccessDeniedException", "Not allowed.", 403)


def busy_world(now: float) -> World:
    """Return a world with a day of jobs behind it, and with rare events."""
    world = World(CATALOG, account=ACCOUNT, region=REGION)
    populate(world, [kind for kind in CATALOG.kinds() if str(kind) in KINDS], now=now, history=DAY)
    world.add_job(BEDROCK, created=now - 2 * HOUR, path=[(0, "Submitted")], name="waits")
    world.add_job(BEDROCK, created=now - 3 * DAY, path=[(0, "Submitted"), (60, "InProgress")], name="hangs")
    world.add_job(BEDROCK, created=now - HOUR, path=[(0, "Submitted")], fields={"status": "Daydreaming"})
    return world


@asynccontextmanager
async def stand(folder: Path, prometheus: str) -> AsyncIterator[Stand]:
    """Run an exporter and a Prometheus that scrapes it under two addresses, as if there were two exporters."""
    exporter, port = free_ports(2)
    instances = [f"127.0.0.1:{exporter}", f"localhost:{exporter}"]
    services: dict[str, dict[str, list[str]]] = {}
    for service, kind in (name.split("/") for name in KINDS):
        services.setdefault(service, {"kinds": []})["kinds"].append(kind)
    rules = (CONFIG / "prometheus" / "rules" / "aws-job-exporter.yml").read_text()
    async with AsyncExitStack() as stack:
        aws = await stack.enter_async_context(Simulator(busy_world(time.time())))
        refusals = Refusals({("sagemaker", "Describe"), ("sts", "AssumeRole")})
        aws.hooks.append(refusals)
        for command in (
            exporter_command(folder, aws.endpoint_url, exporter, services, accounts=[*ACCOUNTS], groups=[*GROUPS]),
            prometheus_command(folder, prometheus, port, rules, exporters=instances, alertmanagers=[]),
        ):
            await stack.enter_async_context(process(folder, *command))
        await ready(f"http://127.0.0.1:{exporter}/-/ready")
        await ready(f"http://127.0.0.1:{port}/-/ready")
        session = await stack.enter_async_context(aiohttp.ClientSession())
        running = Stand(f"http://127.0.0.1:{port}", session, instances)
        await running.until(f"count(aws_jobs offset {3 * BEAT}s) > 1")
        refusals.refused.add(("comprehend", "List"))
        await stack.enter_async_context(failing(aws.world))
        await running.until(f"count(count by (instance, kind) (increase(aws_jobs_failed_total[{20 * BEAT}s]) > 0)) > 3")
        await running.until(f"count(increase(aws_job_exporter_detail_errors_total[{10 * BEAT}s]) > 0) > 1")
        await running.until(f"count(increase(aws_job_exporter_poll_errors_total[{10 * BEAT}s]) > 0) > 1")
        # What was recorded of it, by the groups that are evaluated last.
        await running.until("count(account_kind_reason:aws_jobs_failed:increase1m) > 1")
        await running.until("count(account_kind:aws_job_exporter_source_up:count) > 1")
        yield running


@asynccontextmanager
async def failing(world: World) -> AsyncIterator[None]:
    """Make a job of each kind fail now and then, so that panels of what happened lately show it whenever they ask."""

    async def fail() -> None:
        while True:
            for found in CATALOG.kinds():
                if str(found) in KINDS and not found.scope:
                    fail_a_job(world, found, time.time())
            await asyncio.sleep(5 * BEAT)

    task = asyncio.create_task(fail())
    try:
        yield
    finally:
        task.cancel()


def fail_a_job(world: World, kind: Any, now: float) -> None:
    """Make a job fail right now."""
    running, failed = (
        next(status for status, state in kind.state_of.items() if state == name) for name in ("running", "failed")
    )
    world.add_job(kind, created=now - 60, path=[(0, running), (60, failed)], message="Access denied to the bucket.")


async def test_every_panel_has_data(tmp_path, tool):
    """Each query returns series with the labels its panel names, and a second exporter changes no number of jobs."""
    async with stand(tmp_path, tool("prometheus")) as prometheus:
        for target in targets():
            found = await shown(prometheus, target)
            if str(target) not in SELDOM:
                assert bool(found) != (str(target) in EMPTY), f"{target}: {target.query}"
            named = set(re.findall(r"\{\{(\w+)\}\}", target.legend))
            assert all(named <= series["metric"].keys() for series in found), target
            instances = {series["metric"].get("instance") for series in found}
            assert instances <= {None, *prometheus.instances}, f"{target} is not about exporters alone"
            if target.panel["title"] == "Exporters up":
                assert [series["value"][1] for series in found] == ["2"]
            if found:
                await links_work(prometheus, target, found[0]["metric"])
        for target in targets():
            # What is recorded counts once by the unit tests of the rules: here, it cannot be told by exporter.
            if target.dashboard == "kind":
                await counts_once(prometheus, target)


async def shown(prometheus: Stand, target: Target) -> list[dict[str, Any]]:
    """Return what a panel shows, for any one kind if the dashboard is about one."""
    if target.dashboard != "kind":
        return await prometheus.series_of(target)
    found = []
    for service, kind in (name.split("/") for name in KINDS):
        found += await prometheus.series_of(target, aws_service=service, kind=kind)
    return found


async def links_work(prometheus: Stand, target: Target, labels: Mapping[str, str]) -> None:
    """Follow the links from a series or a row to the exporter's pages, filled in as Grafana does."""
    chosen = {"exporter_url": f"http://{prometheus.instances[0]}", "aws_service": "bedrock", "kind": BEDROCK.key}
    times = {"__from:date:seconds": f"{time.time() - HOUR:.0f}", "__to:date:seconds": f"{time.time():.0f}"}
    for link in target.panel["fieldConfig"]["defaults"].get("links", []):
        if not link["url"].startswith("/d/"):
            url = re.sub(
                r"\$\{(?:__data\.fields\.|__field\.labels\.)?(.+?)(?::percentencode)?\}",
                lambda found: quote({**chosen, **times, **labels}.get(found[1], ""), safe=":/"),
                link["url"],
            )
            async with prometheus.session.get(url) as response:
                assert response.status == 200, f"{target}: {url}: {await response.text()}"


async def counts_once(prometheus: Stand, target: Target) -> None:
    """Assert that a panel shows the same for two exporters of the same jobs as for one, within one scrape."""
    found = ""

    async def agree() -> bool:
        nonlocal found
        both = last_values(await prometheus.series_of(target))
        one = last_values(await prometheus.series_of(target, instance=prometheus.instances[0].replace(".", r"\\.")))
        found = f"{both} of two, {one} of one"
        return both == {labels: pytest.approx(value, rel=0.4) for labels, value in one.items()}

    try:
        await eventually(agree)
    except TimeoutError:
        pytest.fail(f"{target}: {found}")


def last_values(found: list[dict[str, Any]]) -> Mapping[frozenset[tuple[str, str]], float]:
    """Return the last value of each series by its labels; NaN means that nothing was observed."""
    values = {frozenset(series["metric"].items()): series.get("value") or series["values"][-1] for series in found}
    return {labels: float(value) for labels, (_, value) in values.items() if value != "NaN"}
