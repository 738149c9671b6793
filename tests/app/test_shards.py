"""Four exporters that share the sources, each in its own process, compared with one that has them all."""

import asyncio
import json
import os
import re
import sys
from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.cli import main
from exporter.families import JOB_FAMILIES, SOURCE_FAMILIES
from exporter.simulator import World
from tests.support.harness import ACCOUNT, BEDROCK, CATALOG, CUSTOMIZATION, NOW, REGION, TRAINED
from tests.support.patience import PATIENCE, UNHURRIED_FLAGS
from tests.support.processes import ROOT
from tests.support.simulated_aws import SimulatedAws

pytestmark = pytest.mark.slow

SERVICES = {
    "bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]},
    "cleanroomsml": {"kinds": [TRAINED.key]},
}
TEAMS = [f"{number:012}" for number in range(1, 9)]
SHARDS = 4


@pytest.fixture
async def aws(monkeypatch):
    """Return a simulated organization: each account has two jobs, two memberships and a trained model in each."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_REGION", REGION)
    world = World(CATALOG, account=ACCOUNT, region=REGION)
    members = {account: f"team-{account}" for account in (ACCOUNT, *TEAMS)}
    for account in members:
        world.add_job(BEDROCK, created=NOW, path=[(0, "InProgress")], account=account)
        world.add_job(CUSTOMIZATION, created=NOW, path=[(0, "InProgress")], account=account)
        for number in range(2):
            identifier = f"{account[:8]}-{account[8:]}-4000-8000-{number:012}"
            membership = world.add_scope("cleanroomsml", "membership", id=identifier, account=account)
            model = world.add_scope("cleanroomsml", "trained_model", within=membership)
            world.add_job(TRAINED, created=NOW, path=[(0, "CREATE_IN_PROGRESS")], scope=model)
    async with SimulatedAws(world) as aws:
        aws.members.update(members)
        yield aws


async def once(aws, *flags, host="exporter"):
    """Return the samples exported after one poll: those about jobs with their values, and those about sources."""
    organization = {"role_name": "aws-job-exporter"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", "once", f"--aws.endpoint-url={aws.endpoint_url}"),
        *("--aws.requests-per-second=1000", "--aws.burst=1000", *UNHURRIED_FLAGS),
        *(f"--services={json.dumps(SERVICES)}", f"--accounts={json.dumps({'organization': organization})}", *flags),
        cwd=ROOT,
        env={**os.environ, "HOSTNAME": host},
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return [sample for family in text_string_to_metric_families(out.decode()) for sample in family.samples]


def series(samples):
    """Return how often each series about jobs and sources occurs; those about jobs with their values."""
    of_jobs, of_sources = ({family.name for family in families} for families in (JOB_FAMILIES, SOURCE_FAMILIES))
    found: Counter[object] = Counter()
    for name, labels, value, *_ in samples:
        family = re.sub(r"_(bucket|gcount|gsum)$", "", name)
        if family in of_jobs | of_sources:
            found[name, frozenset(labels.items()), value if family in of_jobs else None] += 1
    return found


async def test_four_shards_export_what_one_exporter_does(aws):
    """Each series is exported once and each job list read once; only discovery sources are read by every shard."""
    whole = series(await once(aws))
    alone = aws.requests.copy()
    aws.requests.clear()
    parts = await asyncio.gather(
        *(once(aws, f"--shard.count={SHARDS}", host=f"aws-job-exporter-{index}") for index in range(SHARDS))
    )
    assert sum(map(series, parts), Counter()) == whole
    assert set(whole.values()) == {1}
    assert all(series(part) for part in parts)
    lists = [(kind.service, kind.operation) for kind in (BEDROCK, CUSTOMIZATION, TRAINED)]
    assert [aws.requests[call] for call in lists] == [alone[call] for call in lists]
    assert aws.requests["cleanrooms", "ListMemberships"] == SHARDS * alone["cleanrooms", "ListMemberships"]
    numbers = [labels["shard"] for part in parts for name, labels, *_ in part if name == "aws_job_exporter_shard_info"]
    assert numbers == ["0", "1", "2", "3"]
    counts = {value for part in parts for name, _, value, *_ in part if name == "aws_job_exporter_shards"}
    assert counts == {SHARDS}


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("exporter-7d9f8bcb5-x2x4z", "'exporter-7d9f8bcb5-x2x4z' does not end with the number of one of 4 shards"),
        ("exporter-4", "(-0 to -3)"),
        ("", "shard.index: not set"),
    ],
)
def test_a_host_without_a_number_is_an_error(monkeypatch, capsys, host, expected):
    """One line says what to set."""
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("HOSTNAME", host)
    monkeypatch.setattr("socket.gethostname", lambda: "laptop")
    assert main(["--shard.count=4"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


def test_a_configuration_for_all_shards_can_be_checked_anywhere(monkeypatch, capsys, tmp_path):
    """The machine that checks it is not one of the shards."""
    monkeypatch.setenv("HOSTNAME", "laptop")
    file = tmp_path / "exporter.yml"
    file.write_text("shard: {count: 4}")
    assert main(["check-config", str(file)]) == 0
    assert capsys.readouterr().out.startswith(f"{file}: valid: ")
