"""An exporter that is killed again and again writes each transition once."""

import asyncio
import json
import random
import signal
import sys
from collections import Counter
from contextlib import suppress

import aiohttp
import pytest

from exporter.simulator import Simulator, World
from tests.support.feed import feeding
from tests.support.harness import ACCOUNT, BEDROCK, CATALOG, REGION
from tests.support.patience import eventually
from tests.support.stack import BEAT, exporter_command, free_ports, process, ready

pytestmark = pytest.mark.slow

KILLS = 4
UP = "aws_job_exporter_source_up{"


async def test_each_transition_is_written_once_over_kills(tmp_path):
    """The file has what AWS lists: no line twice, none missing, none by half."""
    (port,) = free_ports(1)
    path, rng = tmp_path / "events.jsonl", random.Random(3)
    async with Simulator(World(CATALOG, account=ACCOUNT, region=REGION)) as aws:
        command = exporter_command(tmp_path, aws.endpoint_url, port, {"bedrock": {"kinds": [BEDROCK.key]}})
        command += [f"--storage.path={tmp_path / 'storage'}", f"--log.events={path}"]
        async with process(tmp_path, *command):
            await eventually(lambda: is_read(port))
        async with feeding(aws.world) as feed:
            for _ in range(KILLS):
                async with process(tmp_path, *command) as running:
                    await ready(f"http://127.0.0.1:{port}/-/ready")
                    await asyncio.sleep(rng.uniform(0, 3 * BEAT))
                    running.send_signal(signal.SIGKILL)
        async with process(tmp_path, *command):
            await eventually(lambda: len(ends(path)) == feed.jobs)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    sys.stdout.write(f"{feed.jobs} jobs, {len(lines)} lines, {KILLS} kills\n")
    assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1))
    assert max(Counter((line["id"], line["event"]) for line in lines).values()) == 1
    told = Counter(line["event"] for line in lines)
    assert (told["created"], told["failed"], told["succeeded"]) == (feed.jobs, feed.failing, feed.jobs - feed.failing)


async def is_read(port):
    """Return whether the list was read: what it showed then was there before."""
    with suppress(aiohttp.ClientError):
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as response:
            up = [line for line in (await response.text()).splitlines() if line.startswith(UP) and BEDROCK.key in line]
            return [line.rpartition(" ")[2] for line in up] == ["1.0"]
    return False


def ends(path):
    """Return the ids of the jobs whose end is in the file."""
    lines = [json.loads(line) for line in path.read_text().split("\n")[:-1]]
    return {line["id"] for line in lines if line["event"] in {"succeeded", "failed"}}
