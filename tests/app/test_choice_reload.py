"""Another choice of metric families while the exporter runs."""

import pytest

from tests.support.harness import ACCOUNT, BEDROCK, NOW, simulated
from tests.support.reloading import Configured, reloading

OWN = "aws_job_exporter_"
OF_LIST = {"account_id": ACCOUNT, "kind": BEDROCK.key}


@pytest.fixture
async def aws(clock):
    """Return a simulated AWS with one job that runs."""
    async with simulated(clock) as simulator:
        simulator.world.add_job(BEDROCK, created=NOW, path=[(0, "InProgress")])
        yield simulator


@pytest.fixture
def config(aws, tmp_path):
    """Return a configuration that reads one kind, and exports what operators read."""
    config = Configured(tmp_path / "exporter.yml", aws)
    config.write(metrics={"exporter_details": False})
    return config


async def test_what_is_left_out_goes_at_once_and_comes_back(clock, config):
    """It goes for lists, for what finds them, and for the exporter itself."""
    names = f"{OWN}source_interval_seconds", f"{OWN}sources", "aws_jobs"
    async with reloading(config, clock) as exporter:

        def there():
            """Return how many samples each family has."""
            return [len(exporter.samples(name, *(["kind"] if name != f"{OWN}sources" else []))) for name in names]

        assert there() == [2, 1, 1]
        config.write(metrics={"families": {"exclude": list(names)}, "exporter_details": False})
        assert await exporter.reload() == ()
        assert there() == [0, 0, 0]
        assert exporter.up(**OF_LIST) == 1
        config.write(metrics={"exporter_details": False})
        assert await exporter.reload() == ()
        assert there() == [2, 1, 1]


async def test_details_come_at_once(clock, config):
    """Of what finds lists, too, although that is polled seldom."""
    async with reloading(config, clock) as exporter:
        assert exporter.value(f"{OWN}source_children", kind="account") is None
        config.write(metrics={"exporter_details": True})
        assert await exporter.reload() == ()
        assert exporter.value(f"{OWN}source_children", kind="account") == 1
        assert exporter.value(f"{OWN}jobs", **OF_LIST) == 1
        assert exporter.value(f"{OWN}poll_duration_seconds_count", kind=BEDROCK.key) == 1


async def test_a_family_that_does_not_exist_changes_nothing(clock, config):
    """The configuration before stays in effect."""
    async with reloading(config, clock) as exporter:
        config.write(metrics={"families": {"include": ["aws_jobz"]}})
        (problem,) = await exporter.reload()
        assert "metrics.families.include: no metric family is called 'aws_jobz'; did you mean `aws_jobs`" in problem
        assert exporter.up(**OF_LIST) == 1
