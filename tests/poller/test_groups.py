"""Groups of jobs: whose job it is, and whether it is late."""

import pytest

from tests.support.harness import BEDROCK, CUSTOMIZATION, NOW, configured, running, simulated

HOUR, DAY = 3_600.0, 86_400.0
PAYROLL = {"name": "payroll", "match": {"names": ["payroll-*"]}, "labels": {"owner": "ml-core"}}
RUNS = [(0, "InProgress"), (600, "Completed")]
FAILS = [(0, "InProgress"), (600, "Failed")]


@pytest.fixture
async def aws(clock):
    """Return an empty simulated AWS."""
    async with simulated(clock) as simulator:
        yield simulator


def settings(aws, *groups, **sections):
    """Return the settings of an exporter that reads two kinds, with these groups."""
    services = {"bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]}}
    return configured(aws.endpoint_url, services, groups=list(groups), **sections)


def states(exporter, group="payroll"):
    """Return how many jobs of a group are in each state, without zeros."""
    found = exporter.samples("aws_job_group_jobs", "state", "reason", group=group)
    return {state: jobs for (state, _), jobs in found.items() if jobs}


async def test_a_group_that_was_never_seen_is_there_at_zero(aws, clock):
    """Absent is not fine: an alert on it would never fire."""
    group = {**PAYROLL, "expect_every": "24h", "max_duration": "6h", "max_wait": "1h"}
    async with running(settings(aws, group), clock) as exporter:
        assert exporter.value("aws_job_group_info", group="payroll", owner="ml-core") == 1
        assert exporter.value("aws_job_group_jobs", group="payroll", state="running", reason="") == 0
        assert exporter.value("aws_job_group_finished_total", group="payroll", state="failed") == 0
        assert exporter.value("aws_job_group_failed_total", group="payroll", reason="quota_exceeded") == 0
        assert exporter.value("aws_job_group_expect_every_seconds", group="payroll") == DAY
        assert exporter.value("aws_job_group_due_timestamp_seconds", group="payroll") == NOW + DAY
        assert exporter.value("aws_job_group_max_duration_seconds", group="payroll") == 6 * HOUR
        assert exporter.value("aws_job_group_max_wait_seconds", group="payroll") == HOUR
        assert exporter.value("aws_job_group_last_finished_timestamp_seconds", group="payroll") is None
        assert exporter.by("state", "aws_job_group_sources", group="payroll") == {"up": 2, "down": 0}


async def test_a_group_adds_up_over_sources(aws, clock):
    """Its jobs may be of several kinds; those with other names are not among them."""
    aws.world.add_job(BEDROCK, created=NOW, name="payroll-a", path=RUNS)
    aws.world.add_job(CUSTOMIZATION, created=NOW, name="payroll-b", path=FAILS)
    aws.world.add_job(BEDROCK, created=NOW, name="report-a", path=RUNS)
    async with running(settings(aws, PAYROLL), clock) as exporter:
        assert states(exporter) == {"running": 2}
        assert exporter.value("aws_job_group_oldest_active_timestamp_seconds", group="payroll", state="running") == NOW
        assert exporter.value("aws_job_group_last_created_timestamp_seconds", group="payroll") == NOW
        await exporter.turn(610)
        assert states(exporter) == {"succeeded": 1, "failed": 1}
        assert exporter.by("state", "aws_job_group_finished_total", group="payroll")["succeeded"] == 1
        assert sum(exporter.by("reason", "aws_job_group_failed_total", group="payroll").values()) == 1
        assert exporter.value("aws_job_group_duration_seconds_count", group="payroll", state="succeeded") == 1
        assert exporter.by("quantile", "aws_job_group_duration_seconds", group="payroll", state="succeeded")
        ends = exporter.by("state", "aws_job_group_last_finished_timestamp_seconds", group="payroll")
        assert ends == {"succeeded": NOW + 600, "failed": NOW + 600}
