"""What a configuration leads to, told beforehand: as an exporter then does it."""

import re

import pytest

from exporter.cli import main
from exporter.cli.forecast import forecast
from exporter.settings import load
from tests.support.harness import BEDROCK, CATALOG, HandClock, configured, running, simulated

SECTIONS = {
    "kinds of two services": {"bedrock": {}, "glue": {"kinds": ["ml_task_run", "workflow_run"]}},
    "scopes that are named": {
        "lookoutequipment": {"kinds": ["inference_execution"], "inference_schedulers": ["a", "b"]}
    },
    "a service with an interval": {"bedrock": {"interval": "10m"}},
}
ROLES = [
    {"role_arn": f"arn:aws:iam::44440000000{number}:role/x", "regions": ["us-east-1", "eu-west-1"]}
    for number in range(3)
]


@pytest.mark.parametrize("services", SECTIONS.values(), ids=SECTIONS.keys())
@pytest.mark.parametrize("accounts", [[{}], ROLES], ids=["one account", "three in two regions"])
async def test_it_is_what_an_exporter_without_jobs_does(services, accounts):
    """As many sources, and as many series about them; the requests are those of an hour's polls."""
    clock = HandClock()
    async with simulated(clock) as aws:
        settings = configured(aws.endpoint_url, services, accounts=accounts)
        said = forecast(settings, CATALOG)
        async with running(settings, clock) as exporter:
            about = [line for line in exporter.read().lines if 'scope="' in line]
            found = [source.status for source in exporter.poller.sources]
    numbers = re.findall(r"([\d,]+) (?:sources|series|requests)", said)
    sources, series, requests = (int(number.replace(",", "")) for number in numbers)
    assert sources == len(found)
    assert requests == sum(3600 / status.interval for status in found)
    # A source that is down, because its scope does not exist, exports nothing about jobs.
    if all(status.is_up for status in found):
        assert series == len(about)


async def test_groups_have_series_before_their_first_jobs():
    """What is declared is exported from the start."""
    groups = [
        {"name": "payroll", "labels": {"owner": "ml-core"}, "expect_every": "1d", "max_duration": "6h"},
        {"name": "audit"},
        {"name_from": "^(?P<name>[a-z]+)-"},
    ]
    clock = HandClock()
    async with simulated(clock) as aws:
        services = {"bedrock": {"kinds": [BEDROCK.key]}}
        plain, owned = (configured(aws.endpoint_url, services, groups=each) for each in ([], groups))
        without, said = (int(re.findall(r"(\d+) series", forecast(each, CATALOG))[0]) for each in (plain, owned))
        async with running(owned, clock) as exporter:
            of_groups = [line for line in exporter.read().lines if re.match(r"aws_job_group_.*group=", line)]
    assert said - without == len(of_groups) > 60


def test_what_is_still_to_be_found_is_said(tmp_path, capsys):
    """Nobody knows how many accounts an organization has before AWS is asked."""
    file = tmp_path / "exporter.yml"
    file.write_text("accounts: {organization: {role_name: r, regions: all}}\nservices: {bedrock: {}}\n")
    assert main(["check-config", str(file)]) == 0
    assert capsys.readouterr().out.endswith("for each account of the organization, in each region\n")
    file.write_text("accounts: [{regions: [eu-*]}]\nservices: {bedrock: {}}\n")
    assert main(["check-config", str(file)]) == 0
    assert capsys.readouterr().out.endswith("for each account and region\n")


@pytest.mark.parametrize(("only", "sources"), [({}, 4), ({"regions": ["eu-*"]}, 3)])
def test_a_service_counts_only_in_its_regions(only, sources):
    """Here it is read in both regions of the account, or in one."""
    services = {"bedrock": {"kinds": [BEDROCK.key], **only}}
    settings = load(CATALOG, defaults={"accounts": [{"regions": ["us-east-1", "eu-west-1"]}], "services": services})
    assert f"at least {sources} sources" in forecast(settings, CATALOG)


@pytest.mark.parametrize(
    ("content", "sentences"),
    [
        ("aws: {calls_per_hour: 100}\nservices: {bedrock: {kinds: [model_invocation_job, model_copy_job]}}\n", 1),
        ("aws: {calls_per_hour: 1000}\nservices: {bedrock: {kinds: [model_invocation_job, model_copy_job]}}\n", 0),
        ("services: {emr: {requests_per_second: 2}}\n", 1),
        ("services: {bedrock: {requests_per_second: 2}}\n", 0),
    ],
)
def test_limits_that_do_not_fit_are_told(tmp_path, capsys, content, sentences):
    """Whoever checks a configuration learns that intervals will be longer, or that AWS allows less."""
    file = tmp_path / "exporter.yml"
    file.write_text(content)
    assert main(["check-config", str(file)]) == 0
    lines = [line.removeprefix(f"{file}: ") for line in capsys.readouterr().out.splitlines()]
    found = [line for line in lines if line.startswith(("aws.calls_per_hour: 100 are less", "services.emr.requests"))]
    assert len(found) == sentences
    assert all("126 requests" in line and "1.3 times" in line for line in found if line.startswith("aws"))
