"""Which families about jobs a configuration exports."""

import re

import pytest

from exporter.cli import main
from exporter.families import JOB_FAMILIES, SINGLE_JOBS, dropped, job_families
from exporter.settings import Metrics
from tests.support.harness import BEDROCK, NOW, HandClock, configured, running, simulated

ALL = {family.name for family in JOB_FAMILIES}
SERVICES = {"bedrock": {"kinds": [BEDROCK.key]}}


def names(**choice):
    """Return the names of the families that are chosen."""
    return {family.name for family in job_families(Metrics(families=choice))}


def test_without_a_choice_all_are_exported():
    """Most need a job before they have samples."""
    assert names() == ALL


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        ({"include": ["aws_jobs"]}, {"aws_jobs"}),
        ({"include": ["aws_jobs*"]}, {"aws_jobs", "aws_jobs_finished_total", "aws_jobs_failed_total"}),
        ({"exclude": ["aws_job_records"]}, ALL - {"aws_job_records"}),
        ({"include": ["aws_jobs*"], "exclude": ["*_total"]}, {"aws_jobs"}),
        ({"exclude": ["aws_job_exporter_*"]}, ALL),
        ({"exclude": ["*"]}, set()),
    ],
)
def test_names_and_patterns_choose(choice, chosen):
    """What is excluded is left out, also if it is included."""
    assert names(**choice) == chosen


def test_a_run_time_keeps_its_buckets():
    """The choice is by the family's name, whatever its series are."""
    settings = Metrics(families={"include": ["aws_job_duration_seconds"]}, duration_buckets=["1m"])
    assert [family.bounds for family in job_families(settings)] == [(60.0,)]


async def exposed(**sections):
    """Return the names of the series about a list with jobs, and how many there are of each source."""
    clock = HandClock()
    async with simulated(clock) as aws:
        aws.world.add_job(BEDROCK, created=NOW - 60, path=[(0, "InProgress"), (30, "Failed")])
        for number in range(3):
            aws.world.add_job(BEDROCK, created=NOW - number, path=[(0, "InProgress")])
        async with running(configured(aws.endpoint_url, SERVICES, **sections), clock) as exporter:
            lines = [line for line in exporter.read().lines if 'kind="model_invocation_job"' in line]
            return [re.split(r"[{ ]", line)[0] for line in lines]


async def test_what_is_left_out_is_neither_exported_nor_counted():
    """A source has so many series fewer, and no limit is said to drop them."""
    every = await exposed(metrics={"per_job": True, "per_job_active": 2})
    families = {"exclude": ["aws_job_info", "aws_jobs_*", "aws_job_exporter_poll_*"]}
    some = await exposed(metrics={"per_job": True, "per_job_active": 2, "families": families})
    assert {"aws_job_info", "aws_jobs_finished_total", "aws_job_exporter_series_dropped"} < set(every)
    assert set(some) == {
        name for name in every if not re.match(r"aws_job_info|aws_jobs_|aws_job_exporter_(poll_|series_dropped)", name)
    }


async def test_a_limit_drops_what_is_there():
    """Of families that are left out there is nothing to drop."""
    families = {"exclude": ["aws_job_info", "aws_job_duration_seconds"]}
    limited = await exposed(metrics={"per_job": True, "families": families}, limits={"series_per_source": 30})
    assert "aws_jobs" in limited
    assert not {*SINGLE_JOBS, "aws_job_duration_seconds_count"} & set(limited)
    assert dropped([], 0) == {}


def told(tmp_path, capsys, content):
    """Return the lines that the check of a configuration prints, without the first one."""
    file = tmp_path / "exporter.yml"
    file.write_text(content)
    assert main(["check-config", str(file)]) == 0
    return [line.removeprefix(f"{file}: ") for line in capsys.readouterr().out.splitlines()][1:]


def test_who_reads_what_is_left_out_is_told(tmp_path, capsys):
    """Alerts, recording rules and dashboards, also those that read it through a recording rule."""
    lines = told(tmp_path, capsys, "{metrics: {families: {exclude: [aws_job_queue*]}}, services: {bedrock: {}}}")
    reads = "reads aws_job_queue_duration_seconds, which metrics.families leaves out"
    assert f"alert AwsJobWaitsTooLong: {reads}" in lines
    assert any(line.startswith("recording rule ") and line.endswith(reads) for line in lines)
    assert f"dashboard AWS jobs: one kind: {reads}" in lines
    assert all(line.endswith(reads) for line in lines)


def test_what_nobody_reads_may_go_without_a_word(tmp_path, capsys):
    """So it is with the series of single jobs, which are for people's own queries."""
    content = "{metrics: {families: {exclude: [aws_job_info]}}, services: {bedrock: {}}}"
    assert told(tmp_path, capsys, content) == []
