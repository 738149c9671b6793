"""The event log of a whole exporter: what AWS lists becomes lines, over reloads and stops."""

import json
from contextlib import asynccontextmanager

import pytest

from exporter import app
from exporter.app import Configuration
from tests.support.faults import Fault
from tests.support.harness import BEDROCK, CATALOG, CUSTOMIZATION, KEYS, NOW, REGION, configured, simulated
from tests.support.patience import eventually

SERVICES = {"bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]}}


@pytest.fixture
async def aws(clock):
    """Return a simulated AWS with a job that was there before."""
    async with simulated(clock) as simulator:
        simulator.world.add_job(BEDROCK, created=NOW - 600, path=[(0, "InProgress"), (300, "Failed")])
        yield simulator


@pytest.fixture
def path(tmp_path):
    """Return where the event log will be."""
    return tmp_path / "events.jsonl"


def lines(path):
    """Return what the event log says."""
    return [json.loads(each) for each in path.read_text().splitlines()] if path.exists() else []


class Exporters:
    """Exporters that run one after the other."""

    def __init__(self, aws, clock):
        self._aws, self._clock = aws, clock

    @asynccontextmanager
    async def run(self, **sections):
        """Run one, after its first polls; `sections` may be changed for a reload."""

        def read():
            web = {"listen_address": ["127.0.0.1:0"]}
            return Configuration(configured(self._aws.endpoint_url, SERVICES, web=web, **sections), CATALOG, REGION)

        async with app.running(*read(), credentials=KEYS, clock=self._clock, read=read) as exporter:
            await exporter.poller.progress.complete.wait()
            yield exporter, sections

    async def until(self, exporter, condition):
        """Let time pass, a minute after the other, with the polls that are due by then, until a condition holds."""

        async def holds():
            await self._clock.until_asleep(lambda: len(exporter.poller._tasks))
            # At once, and not after a second of real time, in which hours may pass here.
            await exporter.group_report.publish()
            if condition():
                return True
            await self._clock.turn(60.0)
            return False

        await eventually(holds)

    async def polled_again(self, exporter):
        """Let time pass until each list was polled again, twice."""
        lists = [source.status for source in exporter.poller.sources if source.status.key.kind.endswith("_job")]
        before = [status.attempts for status in lists]
        await self.until(exporter, lambda: all(s.attempts > n + 1 for s, n in zip(lists, before, strict=True)))

    def add(self, kind, *path, **fields):
        """Add a job that is created now."""
        self._aws.world.add_job(kind, created=self._clock.now, path=list(path), **fields)


@pytest.fixture
def exporters(aws, clock):
    """Return exporters of one AWS."""
    return Exporters(aws, clock)


async def test_what_happens_to_a_job_becomes_lines(exporters, path):
    """What was there before becomes none; the reason is in the line, although it took a request."""
    groups = [{"name": "batch", "match": {"names": ["nightly*"]}}, {"name_from": "^(?P<name>train)-"}]
    async with exporters.run(log={"events": str(path)}, groups=groups) as (exporter, _):
        exporters.add(BEDROCK, (0, "Submitted"), (3600, "InProgress"), (7200, "Completed"), name="nightly")
        exporters.add(CUSTOMIZATION, (0, "InProgress"), (3600, "Failed"), name="train-1", message="Rate exceeded")
        await exporters.until(exporter, lambda: len(lines(path)) == 6)
    found = lines(path)
    assert [each["event"] for each in found if each["kind"] == BEDROCK.key] == ["created", "started", "succeeded"]
    *_, failed = [each for each in found if each["kind"] == CUSTOMIZATION.key]
    assert (failed["event"], failed["reason"], failed["message"]) == ("failed", "throttled", "Rate exceeded")
    assert {(each["name"], each["group"]) for each in found} == {("nightly", "batch"), ("train-1", "train")}
    assert {each["aws_service"] for each in found} == {"bedrock"}
    assert [each["sequence"] for each in found] == list(range(1, 7))


async def test_a_reload_turns_it_on_and_off(exporters, path):
    """Lines are about what happened in between."""
    async with exporters.run() as (exporter, sections):
        exporters.add(BEDROCK, (0, "InProgress"))
        await exporters.polled_again(exporter)
        sections["log"] = {"events": str(path)}
        assert await exporter.reload() == ()
        exporters.add(BEDROCK, (0, "Submitted"), name="between")
        await exporters.until(exporter, lambda: len(lines(path)) == 1)
        del sections["log"]
        assert await exporter.reload() == ()
        exporters.add(BEDROCK, (0, "Submitted"), name="after")
        await exporters.polled_again(exporter)
    assert [each["name"] for each in lines(path)] == ["between"]


@pytest.mark.parametrize("is_stored", [True, False])
async def test_what_happens_while_it_is_stopped_becomes_lines_with_storage(exporters, path, clock, tmp_path, is_stored):
    """Without storage, the first listing is again what was there before."""
    sections = {"log": {"events": str(path)}, "storage": {"path": str(tmp_path / "storage")} if is_stored else {}}
    async with exporters.run(**sections) as (exporter, _):
        exporters.add(BEDROCK, (0, "InProgress"), (3600, "Completed"))
        await exporters.polled_again(exporter)
    clock.now += 7200
    exporters.add(BEDROCK, (0, "Submitted"))
    async with exporters.run(**sections) as (exporter, _):
        await exporters.polled_again(exporter)
    expected = ["created", "started", *(["succeeded", "created"] if is_stored else [])]
    assert sorted(each["event"] for each in lines(path)) == sorted(expected)


@pytest.mark.parametrize("is_stored", [True, False])
async def test_what_is_late_is_told_once(exporters, path, clock, tmp_path, is_stored):
    """Jobs that run or wait too long, and a success that did not come, with the owner; also over a restart."""
    payroll = {"name": "payroll", "match": {"names": ["payroll-*"]}, "labels": {"owner": "ml-core"}}
    groups = [{**payroll, "max_duration": "1h", "max_wait": "30m", "expect_every": "3h"}]
    storage = {"path": str(tmp_path / "storage")} if is_stored else {}
    sections = {"log": {"events": str(path)}, "groups": groups, "storage": storage}
    async with exporters.run(**sections) as (exporter, _):
        exporters.add(BEDROCK, (0, "InProgress"), (90_000, "Completed"), name="payroll-a")
        exporters.add(BEDROCK, (0, "InProgress"), (3000, "Completed"), name="payroll-b")
        exporters.add(BEDROCK, (0, "Submitted"), (9000, "Stopped"), name="payroll-c")
        await exporters.until(exporter, lambda: len(lines(path)) == 10)
    late = [
        (each["event"], each.get("name"), each["time"][11:16])
        for each in lines(path)
        if each["event"] in {"late", "missed"}
    ]
    # All of them were created at 14:13; the success came at 15:03.
    assert late == [("late", "payroll-c", "14:43"), ("late", "payroll-a", "15:13"), ("missed", None, "18:03")]
    assert {each["group_labels"]["owner"] for each in lines(path)} == {"ml-core"}
    *_, missed = lines(path)
    assert missed.keys() == {"time", "event", "group", "group_labels", "seen", "log", "sequence"}
    async with exporters.run(**sections) as (exporter, _):
        await exporters.polled_again(exporter)
        await exporters.polled_again(exporter)
    assert len(lines(path)) == 10


async def test_a_success_that_somebody_else_may_have_seen_is_not_called_missed(exporters, path, aws, clock):
    """While a source is down, nobody knows."""
    groups = [{"name": "payroll", "expect_every": "1h"}]
    async with exporters.run(log={"events": str(path)}, groups=groups) as (exporter, _):
        fault = aws.faults.add(Fault.access_denied(), operation="ListModelInvocationJobs")
        exporters.add(CUSTOMIZATION, (0, "InProgress"))
        await exporters.until(exporter, lambda: exporter.group_report.views["payroll"].due < clock.now - 600)
        assert [each["event"] for each in lines(path)] == ["created", "started"]
        aws.faults.remove(fault)
        await exporters.until(exporter, lambda: len(lines(path)) == 3)
    assert lines(path)[-1]["event"] == "missed"


async def test_a_job_that_was_late_before_is_not_told(exporters, path, aws):
    """Nor is anything else that the first listing shows; but a job that becomes late later is."""
    for start, name in ((7200, "before"), (600, "after")):
        aws.world.add_job(BEDROCK, created=NOW - start, name=name, path=[(0, "InProgress")])
    groups = [{"name": "all", "max_duration": "1h"}]
    async with exporters.run(log={"events": str(path)}, groups=groups) as (exporter, _):
        await exporters.until(exporter, lambda: lines(path))
        await exporters.polled_again(exporter)
    assert [(each["event"], each["name"]) for each in lines(path)] == [("late", "after")]
