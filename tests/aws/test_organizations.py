"""A whole organization: its accounts and their regions, in moto."""

import json
from types import SimpleNamespace

import pytest

from exporter.cli import main
from tests.support.harness import CUSTOMIZATION, REGION, HandClock, configured, running
from tests.support.patience import UNHURRIED_FLAGS
from tests.support.reloading import Configured, reloading

pytestmark = pytest.mark.slow

OWN = "123456789012"
"""moto's account of the default credentials, which is the one that manages the organisation."""

SERVICES = {"bedrock": {"kinds": [CUSTOMIZATION.key]}}
ROLE = "monitoring/aws-job-exporter"


@pytest.fixture
def organizations(client):
    """Return boto3's client of an organization that has only its management account."""
    organizations = client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    return organizations


@pytest.fixture
def join(organizations):
    """Return a function that creates an account, in an organizational unit if one is named, and returns its id."""

    def create(name, unit=None):
        response = organizations.create_account(AccountName=name, Email=f"{name}@example.com")
        account = response["CreateAccountStatus"]["AccountId"]
        if unit:
            root = organizations.list_roots()["Roots"][0]["Id"]
            organizations.move_account(AccountId=account, SourceParentId=root, DestinationParentId=unit)
        return account

    return create


@pytest.fixture
def unit(organizations):
    """Return a function that creates an organizational unit and returns its id."""

    def create(name, parent=None):
        parent = parent or organizations.list_roots()["Roots"][0]["Id"]
        response = organizations.create_organizational_unit(ParentId=parent, Name=name)
        return response["OrganizationalUnit"]["Id"]

    return create


def settings(moto, services=SERVICES, **organization):
    """Return settings for an organization in moto."""
    entry = {"role_name": ROLE, "regions": [REGION], **organization}
    return configured(moto, services, accounts={"organization": entry})


def read(exporter):
    """Return the accounts whose jobs are read."""
    return set(exporter.by("account_id", "aws_job_exporter_source_up", kind=CUSTOMIZATION.key))


async def test_every_active_account_is_read(moto, organizations, join):
    """The exporter's own account needs no role; AWS lists 20 to a page; closed accounts are left out."""
    accounts = {join(f"team-{number}") for number in range(21)}
    closed = accounts.pop()
    organizations.close_account(AccountId=closed)
    async with running(settings(moto), HandClock()) as exporter:
        assert read(exporter) == {OWN, *accounts}
        assert exporter.up(aws_service="organizations", kind="account") == 1
        requests = exporter.by("operation", "aws_job_exporter_aws_requests_total", code="200")
    assert requests["AssumeRole"] == len(accounts)
    assert requests["ListAccounts"] == 2


async def test_the_name_of_an_account_is_exported(moto, join):
    """Alerts can show the name, which joins by the id."""
    account = join("payments")
    async with running(settings(moto), HandClock()) as exporter:
        assert exporter.by("account_id", "aws_job_scope_info", scope_name="payments", scope_kind="account") == {
            account: 1
        }


async def test_patterns_filter_by_name_and_id(moto, join):
    """Exclusion wins."""
    first, second, _ = join("prod-a"), join("prod-b"), join("sandbox")
    async with running(settings(moto, include=["prod-*", OWN], exclude=[second]), HandClock()) as exporter:
        assert read(exporter) == {OWN, first}


async def test_a_unit_selects_all_accounts_within_it(moto, join, unit):
    """The depth makes no difference; a unit within another can be excluded from it."""
    production = unit("production")
    nested = unit("eu", production)
    frozen = unit("frozen", nested)
    outside, top, deep, left_out = join("x"), join("a", production), join("b", nested), join("c", frozen)
    async with running(settings(moto, include=[production], exclude=[frozen]), HandClock()) as exporter:
        assert read(exporter) == {top, deep}
    async with running(settings(moto, exclude=[production]), HandClock()) as exporter:
        assert read(exporter) == {OWN, outside}
    assert left_out


async def test_accounts_come_and_go(moto, organizations, join):
    """They appear at the next discovery, and disappear at the one after, which follows soon, with their series."""
    first = join("first")
    clock = HandClock()
    async with running(settings(moto), clock) as exporter:
        assert read(exporter) == {OWN, first}
        second = join("second")
        organizations.close_account(AccountId=first)
        await exporter.turn(660)
        await exporter.settle()
        assert read(exporter) == {OWN, first, second}
        await exporter.turn(70)
        await exporter.settle()
        assert read(exporter) == {OWN, second}
        assert exporter.samples("aws_jobs", account_id=first) == {}
        assert exporter.samples("aws_job_exporter_source_up", account_id=first) == {}


def test_the_doctor_checks_an_organization(moto, join, capsys):
    """It prints one line for each account and one for the list of them."""
    account = join("team")
    organization = {"role_name": ROLE, "regions": [REGION]}
    arguments = (
        f"--accounts={json.dumps({'organization': organization})}",
        f"--services={json.dumps(SERVICES)}",
        *UNHURRIED_FLAGS,
    )
    assert main(["doctor", "--all", f"--aws.endpoint-url={moto}", *arguments]) == 0
    lines = [line.split()[:6] for line in capsys.readouterr().out.splitlines()]
    assert [account, REGION, "bedrock", CUSTOMIZATION.key, "ok", "1"] in lines
    # The list, and whose credentials they are.
    assert [REGION, "organizations", "account", "ok", "2", "12"] in lines


async def test_all_regions(moto, client, tmp_path, aws_credentials):
    """Enabled regions only, each with the services it has; a reload keeps those found last."""
    config = Configured(tmp_path / "exporter.yml", SimpleNamespace(endpoint_url=moto))
    accounts = [{"regions": "all"}]
    # AWS had Lookout for Equipment in three regions.
    lookout = {"lookoutequipment": {"inference_schedulers": ["pump-7"]}}
    config.write(lookout, accounts=accounts)
    enabled = {region["RegionName"] for region in client("ec2").describe_regions()["Regions"]}
    three = {"ap-northeast-2", "eu-west-1", "us-east-1"}
    async with reloading(config, HandClock()) as exporter:
        found = exporter.samples("aws_job_exporter_source_up", "kind", "region")
        assert {region for kind, region in found if kind == "account"} == enabled
        assert {region for kind, region in found if kind == "inference_execution"} == three
        config.write({"lookoutequipment": {}}, accounts=accounts, poll={"lookback": "1d"})
        assert await exporter.reload() == ()
        found = exporter.samples("aws_job_exporter_source_up", "kind", "region")
        assert {region for kind, region in found if kind == "account"} == enabled
        assert {region for kind, region in found if kind == "inference_scheduler"} == three
        assert exporter.up(aws_service="ec2", kind="region") == 1


async def test_regions_by_pattern(moto, client):
    """Those that are enabled and match, and those that are named; a service can be read in some of them."""
    services = {"bedrock": {"kinds": [CUSTOMIZATION.key]}, "glue": {"kinds": ["ml_task_run"], "regions": ["eu-west-*"]}}
    accounts = [{"regions": ["eu-*", "us-east-1"]}]
    enabled = {region["RegionName"] for region in client("ec2").describe_regions()["Regions"]}
    europe = {region for region in enabled if region.startswith("eu-")}
    async with running(configured(moto, services, accounts=accounts), HandClock()) as exporter:
        found = exporter.samples("aws_job_exporter_source_up", "aws_service", "region")
        assert {region for service, region in found if service == "sts"} == {*europe, "us-east-1"}
        assert {region for service, region in found if service == "bedrock"} == {*europe, "us-east-1"}
        assert {region for service, region in found if service == "glue"} == {"eu-west-1", "eu-west-2", "eu-west-3"}


async def test_regions_by_unit_and_account(moto, join, unit):
    """Ten lines for an organization: the first pattern that applies decides, and the others have the usual regions."""
    production = unit("production")
    first, second, third = join("a", production), join("b-eu"), join("c")
    own = {production: ["us-east-1", "us-west-2"], "*-eu": ["eu-west-1"], "b-*": ["eu-west-2"]}
    async with running(settings(moto, exclude=[OWN], account_regions=own), HandClock()) as exporter:
        found = exporter.samples("aws_job_exporter_source_up", "kind", "account_id", "region")
        assert {(account, region) for kind, account, region in found if kind == CUSTOMIZATION.key} == {
            *((first, "us-east-1"), (first, "us-west-2")),
            *((second, "eu-west-1"), (third, REGION)),
        }


@pytest.mark.slow
def test_the_doctor_requests_the_regions(moto, organizations, capsys):
    """It requests them once for each account."""
    accounts = {"organization": {"role_name": ROLE, "regions": "all"}}
    services = {"lookoutequipment": {"inference_schedulers": ["pump-7"]}}
    arguments = (f"--accounts={json.dumps(accounts)}", f"--services={json.dumps(services)}", *UNHURRIED_FLAGS)
    # moto has no Lookout for Equipment.
    assert main(["doctor", "--all", f"--aws.endpoint-url={moto}", *arguments]) == 1
    lines = [line.split()[:6] for line in capsys.readouterr().out.splitlines()]
    assert [OWN, REGION, "ec2", "region", "ok", "1"] in lines
