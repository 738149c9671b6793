"""The whole chain once more, for the owner of a group: each is told what concerns them, once, over a restart."""

import re
import time
from contextlib import AsyncExitStack

import pytest

from exporter.simulator import AwsError, RequestContext, Simulator, World
from tests.support.harness import ACCOUNT, BEDROCK, CATALOG, REGION
from tests.support.receiver import Receiver, alertmanager_command, served
from tests.support.stack import BEAT, CONFIG, exporter_command, free_ports, process, prometheus_command, ready

pytestmark = pytest.mark.slow

DENIED = "444455556666"
OWNED = {"accounts": [ACCOUNT]}
GROUPS = [
    {"name": "nightly", "match": {**OWNED, "names": ["nightly-*"]}, "labels": {"owner": "ml-core"}},
    {
        "name": "weekly",
        "match": {**OWNED, "names": ["weekly-*"]},
        "labels": {"owner": "ml-core"},
        "expect_every": f"{20 * BEAT}s",
    },
]
ACCOUNTS = [
    {"regions": [REGION]},
    {"role_arn": f"arn:aws:iam::{DENIED}:role/exporter", "regions": [REGION]},
]


def rules() -> str:
    """Return our rules, with each minute shortened to a beat."""
    text = (CONFIG / "prometheus" / "rules" / "aws-job-exporter.yml").read_text()
    text = re.sub(r"for: (\d+)m", lambda found: f"for: {BEAT * int(found[1])}s", text)
    text = re.sub(r"\[(\d+)m\]", lambda found: f"[{BEAT * int(found[1])}s]", text)
    return text.replace("offset 1m", f"offset {BEAT}s")


async def deny(call: RequestContext) -> None:
    """Refuse the role of the other account."""
    if (call.service, call.operation) == ("sts", "AssumeRole"):
        raise AwsError("AccessDenied", "Not allowed.", 403)


async def test_owners_are_told_once_of_what_concerns_them(tmp_path, tool):
    """A nightly job fails, is repeated and succeeds; a weekly one is missed; an account is denied."""
    exporter, prometheus, alertmanager, port = free_ports(4)
    receiver = Receiver()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(served(receiver, port))
        aws = await stack.enter_async_context(Simulator(World(CATALOG, account=ACCOUNT, region=REGION)))
        aws.hooks.append(deny)
        services = {"bedrock": {"kinds": [BEDROCK.key]}}
        command = exporter_command(tmp_path, aws.endpoint_url, exporter, services, accounts=ACCOUNTS, groups=GROUPS)
        command.append(f"--storage.path={tmp_path / 'storage'}")
        program = tool("alertmanager", "prometheus-alertmanager")
        await stack.enter_async_context(process(tmp_path, *alertmanager_command(tmp_path, program, alertmanager, port)))
        scraper = prometheus_command(
            tmp_path,
            tool("prometheus"),
            prometheus,
            rules(),
            exporters=[f"127.0.0.1:{exporter}"],
            alertmanagers=[f"127.0.0.1:{alertmanager}"],
        )
        begun = time.time()
        async with process(tmp_path, *command):
            await stack.enter_async_context(process(tmp_path, *scraper))
            for each in (exporter, prometheus, alertmanager):
                await ready(f"http://127.0.0.1:{each}/-/ready")
            now = time.time()
            aws.world.add_job(BEDROCK, created=now - 60, name="nightly-1", path=[(0, "InProgress"), (60, "Failed")])
            failed = await receiver.wait_for("AwsJobGroupFailed", "firing", begun)
        async with process(tmp_path, *command):
            await ready(f"http://127.0.0.1:{exporter}/-/ready")
            path = [(0, "InProgress"), (8 * BEAT, "Completed")]
            aws.world.add_job(BEDROCK, created=time.time(), name="nightly-2", path=path)
            await receiver.wait_for("AwsJobGroupFailed", "resolved", begun)
            late = await receiver.wait_for("AwsJobGroupLate", "firing", begun)
            down = await receiver.wait_for("AwsJobAccountDown", "firing", begun)
    assert (failed["labels"]["group"], late["labels"]["group"]) == ("nightly", "weekly")
    assert down["labels"]["account_id"] == DENIED
    assert "A job of nightly failed" in failed["annotations"]["description"]
    told: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for _, alert in receiver.received:
        name, where = alert["labels"]["alertname"], alert["receiver"]
        told.setdefault((where, name), set()).add((alert["labels"].get("group", DENIED), alert["startsAt"]))
    # Whoever owns the groups hears nothing else, and nobody else hears of them.
    owned = {name for where, name in told if where == "ml-core"}
    assert owned == {"AwsJobGroupFailed", "AwsJobGroupLate"}
    assert owned.isdisjoint(name for where, name in told if where != "ml-core")
    # An alert that ends and begins anew is a second message.
    assert {name: len(found) for (_, name), found in told.items() if name in {*owned, "AwsJobAccountDown"}} == {
        "AwsJobGroupFailed": 1,
        "AwsJobGroupLate": 1,
        "AwsJobAccountDown": 1,
    }
