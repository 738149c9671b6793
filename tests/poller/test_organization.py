"""An organization whose accounts are refused, renamed and reconfigured, in the simulator."""

import pytest

from exporter.aws import PollErrorReason
from exporter.simulator import AwsError
from tests.support.faults import Fault
from tests.support.harness import ACCOUNT, BEDROCK, NOW, REGION, HandClock, configured, running, simulated

pytestmark = pytest.mark.slow

SERVICES = {"bedrock": {"kinds": [BEDROCK.key]}}
TEAMS = {f"{number:012}": f"team-{number}" for number in range(1, 4)}
FIRST, SECOND, THIRD = TEAMS


@pytest.fixture
async def clock():
    """Return a clock that is turned by hand."""
    return HandClock()


@pytest.fixture
async def aws(clock):
    """Return a simulated AWS with an organization of four accounts and a job in each."""
    async with simulated(clock) as aws:
        aws.members.update({ACCOUNT: "management", **TEAMS})
        for account in aws.members:
            aws.world.add_job(BEDROCK, created=NOW - 60, path=[(0, "InProgress")], account=account)
        yield aws


def settings(aws, services=SERVICES, **organization):
    """Return settings for the organization."""
    entry = {"role_name": "aws-job-exporter", "regions": [REGION], **organization}
    return configured(aws.endpoint_url, services, accounts={"organization": entry})


def refuse(service, operation, code, account=None):
    """Return a hook of the simulator that refuses a request, for one account's role if one is named."""

    async def hook(call):
        if (call.service, call.operation) == (service, operation) and (account or "") in str(call.arguments):
            raise AwsError(code, "no", 403)

    return hook


async def test_only_an_account_whose_role_cannot_be_assumed_is_down(aws, clock):
    """It shows the reason and recovers once its role exists; the others are read all the while."""
    hook = refuse("sts", "AssumeRole", "AccessDenied", SECOND)
    aws.hooks.append(hook)
    async with running(settings(aws), clock) as exporter:
        down = exporter.samples("aws_job_exporter_source_failure_info", "account_id", "kind", "reason")
        assert down.keys() == {(SECOND, "account", PollErrorReason.ACCESS_DENIED)}
        counts = exporter.by("account_id", "aws_jobs", state="running")
        assert counts == {ACCOUNT: 1, FIRST: 1, THIRD: 1}
        aws.hooks.remove(hook)
        await exporter.turn(1200)
        assert exporter.by("account_id", "aws_jobs", state="running").keys() == {ACCOUNT, *TEAMS}


async def test_a_failed_listing_removes_no_account(aws, clock):
    """A failed listing does not mean that anything has changed."""
    async with running(settings(aws), clock) as exporter:
        aws.hooks.append(refuse("organizations", "ListAccounts", "AccessDeniedException"))
        await exporter.turn(660)
        assert exporter.why(aws_service="organizations") == PollErrorReason.ACCESS_DENIED
        assert exporter.by("account_id", "aws_jobs", state="running").keys() == {ACCOUNT, *TEAMS}


async def test_without_an_organization_the_source_is_down(aws, clock):
    """The error is in AWS's own words."""
    aws.members.clear()
    async with running(settings(aws), clock) as exporter:
        assert exporter.why(aws_service="organizations") == PollErrorReason.INVALID_REQUEST
        (source,) = exporter.poller.sources
        assert "AWSOrganizationsNotInUseException" in source.status.error


async def test_a_response_without_account_ids_is_refused(aws, clock):
    """The ids become part of role ARNs."""
    aws.members["*"] = "hostile"
    async with running(settings(aws), clock) as exporter:
        assert exporter.why(aws_service="organizations") == PollErrorReason.BAD_RESPONSE


async def test_an_organization_without_accounts_is_not_believed(aws, clock):
    """The account that asks is one of them; so none is withdrawn, and the source says why it is down."""
    async with running(settings(aws), clock) as exporter:
        aws.faults.add(Fault.members(Accounts=[]), operation="ListAccounts")
        for _ in range(2):
            await exporter.turn(660)
        assert exporter.why(aws_service="organizations") == PollErrorReason.BAD_RESPONSE
        assert exporter.by("account_id", "aws_jobs", state="running").keys() == {ACCOUNT, *TEAMS}


@pytest.mark.parametrize("regions", [[], ["elsewhere-1"]], ids=["none", "unknown"])
async def test_an_account_without_regions_is_not_believed(aws, clock, regions):
    """The region that responds is one of them; so no account is withdrawn, and the source says why it is down."""
    async with running(configured(aws.endpoint_url, SERVICES, accounts=[{"regions": "all"}]), clock) as exporter:
        aws.regions = regions
        for _ in range(2):
            await exporter.turn(660)
        assert exporter.why(aws_service="ec2") == PollErrorReason.BAD_RESPONSE
        assert exporter.by("region", "aws_jobs", state="running") == {REGION: 1}


async def test_an_account_is_renamed(aws, clock):
    """Its new name shows with the next discovery."""
    async with running(settings(aws), clock) as exporter:
        aws.members[FIRST] = "renamed"
        await exporter.turn(660)
        await exporter.turn(660)
        names = exporter.by("scope_name", "aws_job_scope_info", account_id=FIRST)
    assert names == {"renamed": 1}


async def test_nothing_of_an_account_that_left_stays(aws, clock):
    """Neither its series, nor its credentials, nor its rates: an organization changes its accounts all the time."""
    everywhere = ["us-east-1", "eu-west-1"]
    async with running(settings(aws, regions=everywhere), clock) as exporter:
        before = exporter.read()
        assert any(f'account_id="{FIRST}"' in line for line in before.lines)
        for account in (FIRST, SECOND):
            del aws.members[account]
        for _ in range(3):
            await exporter.turn(660)
        after = exporter.read()
        series = [line.rpartition(" ")[0] for line in after.lines]
        assert [name for name in series if FIRST in name or SECOND in name] == []
        clients = exporter.poller._context.reader.clients
        assert {account.account_id for account, _ in clients._identities._roles} == {THIRD}
        assert {account for account, *_ in clients.limiters._limiters} == {ACCOUNT, THIRD}
