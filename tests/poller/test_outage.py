"""AWS becomes unavailable under a running exporter and comes back."""

from exporter.simulator import Simulator, World
from tests.support.harness import BEDROCK, CATALOG, CUSTOMIZATION, NOW, HandClock, configured, running

HOUR = 3600.0


def world():
    """Return an AWS with one active job."""
    made = World(CATALOG)
    made.add_job(BEDROCK, created=NOW - HOUR, path=[(0, "Submitted"), (60, "InProgress")])
    return made


async def test_an_outage_leaves_the_last_numbers_until_they_are_stale_and_ends_by_itself():
    """Not one number is wrong in the meantime."""
    clock = HandClock()
    async with Simulator(world(), clock=clock.time) as aws:
        endpoint = aws.endpoint_url
        settings = configured(endpoint, {"bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]}})
        exporting = running(settings, clock)
        exporter = await exporting.__aenter__()
    try:
        for seconds in (70, 70, 70, 70):
            await exporter.turn(seconds)
            assert exporter.up(kind=BEDROCK.key) == 0
            assert exporter.why(kind=BEDROCK.key) == "network"
            assert exporter.value("aws_jobs", kind=BEDROCK.key, status="InProgress") == 1
        await exporter.turn(70)
        assert exporter.samples("aws_jobs") == {}
        assert exporter.value("aws_job_exporter_source_last_success_timestamp_seconds", kind=BEDROCK.key) == NOW
        async with Simulator(world(), clock=clock.time, port=int(endpoint.rpartition(":")[2])):
            await exporter.turn(70)
            assert exporter.up(kind=BEDROCK.key) == 1
            assert exporter.why(kind=BEDROCK.key) is None
            assert exporter.value("aws_jobs", kind=BEDROCK.key, status="InProgress") == 1
    finally:
        await exporting.__aexit__(None, None, None)
