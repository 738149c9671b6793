"""Reality's own conformance suite: responses in the shapes that AWS gives, replayed through the whole exporter."""

from collections import Counter
from pathlib import Path

import pytest

from exporter.cli.outcome import outcome
from exporter.simulator.recordings import Recording, Replay, recordings
from tests.support.harness import CATALOG, HandClock, Running, configured, running, simulated

FILES = sorted((Path(__file__).parents[1] / "data" / "recordings").glob("*.yaml"))
RECORDINGS = [pytest.param(each, id=f"{file.stem}:{each.kind}") for file in FILES for each in recordings(file)]


@pytest.mark.parametrize("recording", RECORDINGS)
async def test_a_recording_is_read_as_it_says(recording: Recording) -> None:
    """Status, state, times and reason of each job are those that stand in the file, and so are the metrics."""
    service, key = recording.kind.split("/")
    kind = CATALOG[service].kinds[key]
    clock = HandClock(recording.recorded)
    replay = Replay(recording, kind)
    async with simulated(clock) as aws:
        aws.hooks.append(replay)
        settings = configured(aws.endpoint_url, {service: {"kinds": [key]}}, poll={"details_budget": 1000})
        async with running(settings, clock) as exporter:
            expected = sorted(recording.jobs, key=lambda job: job["id"])
            assert await outcome(exporter.poller.sources) == expected
            check_metrics(exporter, recording)
            pages = {n for n, exchange in enumerate(recording.exchanges) if exchange.operation == kind.operation}
            assert pages <= replay.used
            # What the first polls asked for changes nothing that they knew.
            await exporter.turn(settings.poll.interval * 1.2)
            assert await outcome(exporter.poller.sources) == expected


def check_metrics(exporter: Running, recording: Recording) -> None:
    """Check that /metrics counts the jobs, and the failed ones by reason, and that nothing failed."""
    key = recording.kind.partition("/")[2]
    shown = exporter.samples("aws_jobs", "status", "state", kind=key)
    states = Counter((job.get("status", "unknown"), job["state"]) for job in recording.jobs)
    known = Counter({("unknown" if state == "unknown" else status, state): n for (status, state), n in states.items()})
    assert {labels: count for labels, count in shown.items() if count} == known
    failures = exporter.by("reason", "aws_job_failures", kind=key)
    reasons = Counter(job["reason"] for job in recording.jobs if job["state"] == "failed")
    assert {reason: count for reason, count in failures.items() if count} == reasons
    assert set(exporter.by("kind", "aws_job_exporter_source_up").values()) == {1}
    assert not any(exporter.by("reason", "aws_job_exporter_detail_errors_total", kind=key).values())
