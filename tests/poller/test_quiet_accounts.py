"""What an account without jobs costs: few series, whatever is read."""

import pytest

from tests.support.harness import HandClock, configured, running, simulated

SEVEN = ("bedrock", "sagemaker", "glue", "batch", "stepfunctions", "emr", "emr-serverless")

AS_USUAL = {"zero_fill": "seen", "exporter_details": False}


async def exposed(*services):
    """Return how many series there are of each source and in total, an hour after the start in an empty account."""
    clock = HandClock()
    async with simulated(clock) as aws:
        settings = configured(aws.endpoint_url, {service: {} for service in services}, metrics=AS_USUAL)
        async with running(settings, clock) as exporter:
            await exporter.turn(3600)
            sources = [source.status for source in exporter.poller.sources]
            assert all(source.is_up for source in sources)
            lines = [line for line in exporter.read().lines if line and not line.startswith("#")]
    return len([line for line in lines if 'scope="' in line]) / len(sources), len(lines)


@pytest.mark.slow
async def test_by_default_it_has_few_series():
    """A server of metrics that is billed by the series would otherwise be paid for zeros."""
    each, total = await exposed()
    assert each == 3
    assert total <= 1_200


async def test_seven_services_fit_into_a_budget():
    """Room is left for what only a real exporter has: responses to scrapes, and waits for the rate limit."""
    each, total = await exposed(*SEVEN)
    assert each == 3
    assert total <= 250 - 1 - len(SEVEN)
