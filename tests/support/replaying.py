"""A recording, replayed through the whole exporter."""

from collections import Counter

from exporter.cli.outcome import outcome
from exporter.simulator.recordings import Recording, Replay
from tests.support.harness import CATALOG, HandClock, Running, configured, running, simulated


async def check(recording: Recording) -> None:
    """Check that the exporter makes of a recording what it says, also when it reads again."""
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
            _check_metrics(exporter, recording)
            pages = {n for n, exchange in enumerate(recording.exchanges) if exchange.operation == kind.operation}
            assert pages <= replay.used
            # What the first polls asked for changes nothing that they knew.
            await exporter.turn(settings.poll.interval * 1.2)
            assert await outcome(exporter.poller.sources) == expected


def _check_metrics(exporter: Running, recording: Recording) -> None:
    """Check that /metrics counts the jobs, and the failed ones by reason, and that nothing failed."""
    key = recording.kind.partition("/")[2]
    shown: Counter[tuple[str, ...]] = Counter()
    for (_, *labels), count in exporter.samples("aws_jobs", "scope", "status", "state", kind=key).items():
        shown[tuple(labels)] += int(count)
    states = [(job.get("status", ""), job["state"]) for job in recording.jobs]
    assert +shown == Counter(("unknown", state) if state == "unknown" else (status, state) for status, state in states)
    failures: Counter[str] = Counter()
    for (_, reason), count in exporter.failures("scope", kind=key).items():
        failures[reason] += int(count)
    assert +failures == Counter(job["reason"] for job in recording.jobs if job["state"] == "failed")
    assert set(exporter.samples("aws_job_exporter_source_up", "kind", "scope").values()) == {1}
    assert not any(exporter.by("reason", "aws_job_exporter_detail_errors_total", kind=key).values())
