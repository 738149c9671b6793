"""The whole chain, with real parts only: a job fails in AWS, and the right message reaches the right receiver.

The simulator and the receiver run in this process and speak HTTP; the exporter, Prometheus and Alertmanager run as
separate processes, with the rules and the configuration that we ship. Only their times are shortened.
"""

import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, urlsplit

import aiohttp
import pytest

from exporter.simulator import AwsError, RequestContext, Simulator, World
from tests.support.harness import ACCOUNT, BEDROCK, CATALOG, REGION
from tests.support.held import jobs_in
from tests.support.receiver import Receiver, alertmanager_command, served
from tests.support.stack import BEAT, CONFIG, exporter_command, free_ports, process, prometheus_command, ready

pytestmark = pytest.mark.slow

SERVICES = {"bedrock": {"kinds": [BEDROCK.key]}, "glue": {"kinds": ["data_quality_ruleset_evaluation_run"]}}

WINDOW = 20 * BEAT
"""Seconds that stand in for the hour in which a failure is news."""


class Outage:
    """A hook of the simulator that cuts services off."""

    def __init__(self) -> None:
        self.services: set[str] = set()

    async def __call__(self, call: RequestContext) -> None:
        """Respond with nothing but errors for these services."""
        if call.service in self.services:
            raise AwsError("ServiceUnavailableException", "Cut off.", 503)


@dataclass
class Chain:
    """The running parts."""

    aws: Simulator
    outage: Outage
    receiver: Receiver
    exporter_url: str

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, tool: Callable[..., str]) -> AsyncIterator[Self]:
        """Start everything, wait until Prometheus scrapes, and stop everything at the end."""
        exporter, prometheus, alertmanager, receiver_port = free_ports(4)
        receiver, outage = Receiver(), Outage()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(served(receiver, receiver_port))
            aws = await stack.enter_async_context(Simulator(World(CATALOG, account=ACCOUNT, region=REGION)))
            aws.hooks.append(outage)
            commands = [
                exporter_command(folder, aws.endpoint_url, exporter, SERVICES),
                alertmanager_command(
                    folder, tool("alertmanager", "prometheus-alertmanager"), alertmanager, receiver_port
                ),
                prometheus_command(
                    folder,
                    tool("prometheus"),
                    prometheus,
                    rules(),
                    exporters=[f"127.0.0.1:{exporter}"],
                    alertmanagers=[f"127.0.0.1:{alertmanager}"],
                ),
            ]
            for command in commands:
                await stack.enter_async_context(process(folder, *command))
            for port in (exporter, alertmanager, prometheus):
                await ready(f"http://127.0.0.1:{port}/-/ready")
            yield cls(aws, outage, receiver, f"http://127.0.0.1:{exporter}")

    def fail_a_job(self) -> float:
        """Make a job fail that has run for a minute, and return the time of its failure."""
        now = time.time()
        self.aws.world.add_job(BEDROCK, created=now - 60, path=[(0, "InProgress"), (60, "Failed")])
        return now


def rules() -> str:
    """Return our rules, with each minute shortened to a beat."""
    text = (CONFIG / "prometheus" / "rules" / "aws-job-exporter.yml").read_text()
    text = re.sub(r"for: (\d+)m", lambda found: f"for: {BEAT * int(found[1])}s", text)
    text = text.replace("offset 1m", f"offset {BEAT}s").replace("[1h]", f"[{WINDOW}s]")
    return text.replace("< bool 3600", f"< bool {WINDOW}")


@pytest.fixture
async def chain(tmp_path, tool):
    """Run the whole chain."""
    async with Chain.running(tmp_path, tool) as running:
        yield running


async def test_a_failed_job_is_reported_and_an_outage_replaces_it(chain):
    """A failure fires and resolves; when AWS is cut off, only that is reported, and nothing more about the jobs."""
    failed = chain.fail_a_job()
    alert = await chain.receiver.wait_for("AwsJobFailed", "firing", failed)
    expected = {
        "account_id": ACCOUNT,
        "region": REGION,
        "aws_service": "bedrock",
        "kind": BEDROCK.key,
        "severity": "warning",
        "job": "aws-job-exporter",
    }
    assert expected.items() <= alert["labels"].items()
    assert alert["receiver"] == "chat"
    assert alert["annotations"]["runbook_url"].endswith("/docs/runbooks/AwsJobFailed.md")
    await assert_link_to_the_job(chain, alert)

    await chain.receiver.wait_for("AwsJobFailed", "resolved", failed)
    assert time.time() - failed > WINDOW

    chain.outage.services = {"bedrock"}
    cut_off = time.time()
    down = await chain.receiver.wait_for("AwsJobSourceDown", "firing", cut_off)
    assert down["labels"]["aws_service"] == "bedrock"
    chain.fail_a_job()

    chain.outage.services = {"bedrock", "glue"}
    await chain.receiver.wait_for("AwsJobExporterBlind", "firing", time.time())
    assert chain.receiver.alerts("AwsJobFailed", "firing", cut_off) == []

    chain.fail_a_job()
    chain.outage.services = set()
    back = time.time()
    await chain.receiver.wait_for("AwsJobFailed", "firing", back)
    await chain.receiver.wait_for("AwsJobExporterBlind", "resolved", back)


async def assert_link_to_the_job(chain: Chain, alert: dict[str, Any]) -> None:
    """The message links to a page of this exporter that shows this job and no other; so does the API."""
    url = urlsplit(alert["annotations"]["jobs_url"])
    assert f"{url.scheme}://{url.netloc}" == chain.exporter_url
    assert parse_qs(url.query)["reason"] == [alert["labels"]["reason"]]
    (failed,) = jobs_in(chain.aws.world, BEDROCK)
    async with aiohttp.ClientSession() as session:
        async with session.get(url.geturl()) as response:
            page = await response.text()
            assert response.status == 200, page
        query = [(name, value) for name, value in parse_qsl(url.query) if value]
        async with session.get(f"{chain.exporter_url}/api/v1/jobs", params=query) as response:
            (job,) = (await response.json())["data"]["jobs"]
    assert re.findall(r'<b class="name">([^<]*)<', page) == [failed.name]
    assert re.findall(r'<dt>Id</dt><dd class="id">([^<]*)<', page) == [job["id"]]
    assert (job["name"], job["state"], job["reason"]) == (failed.name, "failed", alert["labels"]["reason"])
