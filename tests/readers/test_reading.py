"""Programs that read metrics, each run for real: every family and sample arrives, as docs/readers.md says."""

import asyncio
import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from exporter.cli.readers import _SIZE
from exporter.exposition import Format
from tests.support.arrived import Arrived, in_collector, in_datadog, in_prometheus, in_telegraf, written
from tests.support.exposed import Page, series, served
from tests.support.patience import PATIENCE, eventually
from tests.support.stack import free_ports, process, query, ready

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("readers")]

CHECK = Path(__file__).parents[1] / "support" / "datadog_check.py"

ALONE = ("OpenMetricsText1.0.0", "OpenMetricsText0.0.1", "PrometheusText1.0.0", "PrometheusText0.0.4")
"""The protocols that Prometheus 3 asks for, each by itself; what the exporter does not speak falls back to text."""


def targets(url: str) -> list[dict[str, list[str]]]:
    """Return the configuration of a target."""
    return [{"targets": [url.removeprefix("http://")]}]


async def scraped_by_prometheus(folder: Path, program: str, jobs: list[dict[str, Any]]) -> dict[str, Arrived]:
    """Return what a Prometheus has of each job once it has scraped all of them."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    settings = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    options = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    async with process(folder, program, *options, f"--web.listen-address=127.0.0.1:{port}"):
        await ready(f"{url}/-/ready")
        return {job["job_name"]: await held(url, job["job_name"]) for job in jobs}


async def held(url: str, job: str) -> Arrived:
    """Return what a Prometheus has of a job once it has scraped it."""

    async def is_up() -> bool:
        return any(result["value"][1] == "1" for result in await query(url, f'up{{job="{job}"}}'))

    await eventually(is_up)
    parameters = {"match_target": json.dumps({"job": job})[1:-1].replace('"job": ', "{job=") + "}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/api/v1/targets/metadata", params=parameters) as response,
    ):
        metadata = (await response.json())["data"]
    return in_prometheus(await query(url, f'{{__name__!="", job="{job}"}}'), metadata)


def test_there_is_something_to_read(page):
    """Every type that the exporter has, counters that have risen, and names that need escapes."""
    assert set(page.types.values()) == {"gauge", "counter", "summary", "histogram"} - (
        {"summary"} if page.types["aws_job_duration_seconds"] == "histogram" else set()
    )
    values = {name: [page.samples[key] for key in page.samples if key[0] == name] for name, _ in page.samples}
    assert all(sum(values[name]) > 0 for name in ("aws_jobs_finished_total", "aws_jobs_failed_total"))
    assert any('"' in value and "\\" in value for _, labels in page.samples for key, value in labels)


@pytest.mark.parametrize("form", Format)
def test_the_size_of_a_series_is_what_is_foretold(page, form):
    """`check-config` estimates by it how many bytes there will be."""
    assert len(page.bodies[form]) / len(page.samples) == pytest.approx(_SIZE, rel=0.25)


@pytest.mark.parametrize(("form", "parse"), [(Format.TEXT, text_families), (Format.OPENMETRICS, openmetrics_families)])
def test_python_parsers(page, form, parse):
    """The text parser, and the strict one of OpenMetrics."""
    arrived = Arrived()
    for family in parse(page.bodies[form].decode()):
        assert isinstance(family, Metric)
        name = family.name + ("_total" if family.type == "counter" else "")
        arrived.types[name] = family.type
        arrived.samples |= {series(sample.name, sample.labels): sample.value for sample in family.samples}
    assert arrived.differences(page) == {}


@pytest.mark.parametrize("program", ["prometheus", "prometheus-3"])
async def test_prometheus(tmp_path, reader, page, program):
    """Versions 2 and 3, in the format of their choice, and each of both alone."""
    async with served(page) as url:
        paths = ("/metrics", "/text", "/openmetrics")
        jobs = [{"job_name": path, "metrics_path": path, "static_configs": targets(url)} for path in paths]
        found = await scraped_by_prometheus(tmp_path, reader(program), jobs)
    assert {path: arrived.differences(page) for path, arrived in found.items()} == {path: {} for path in paths}


async def test_prometheus_with_each_protocol(tmp_path, reader, page):
    """What version 3 asks for can be chosen."""
    async with served(page) as url:
        jobs = [
            {"job_name": each, "scrape_protocols": [each], "static_configs": targets(url)}
            for each in ("PrometheusProto", *ALONE)
        ]
        found = await scraped_by_prometheus(tmp_path, reader("prometheus-3"), jobs)
    assert [each for each, arrived in found.items() if arrived.differences(page)] == []


async def test_prometheus_with_native_histograms(tmp_path, reader, pages):
    """Version 3 can make native ones of the classic ones: the same counts and sums, and buckets that are not empty."""
    page = pages["histograms"]
    async with served(page) as url:
        native = {"convert_classic_histograms_to_nhcb": True, "scrape_native_histograms": True}
        jobs = [{"job_name": "native", **native, "static_configs": targets(url)}]
        arrived = (await scraped_by_prometheus(tmp_path, reader("prometheus-3"), jobs))["native"]
    buckets, others = split(arrived.samples)
    expected_buckets, expected_others = split(page.samples)
    assert others == expected_others
    assert cumulative(buckets).items() <= expected_buckets.items()
    assert {bare(labels) for _, labels in buckets} == {bare(labels) for (_, labels), n in expected_buckets.items() if n}


def split(samples):
    """Return the buckets among samples, and the others."""
    buckets = {key: value for key, value in samples.items() if key[0].endswith("_bucket")}
    return buckets, {key: value for key, value in samples.items() if key not in buckets}


def bare(labels):
    """Return the labels of a bucket without its bound."""
    return frozenset((key, value) for key, value in labels if key != "le")


def cumulative(buckets):
    """Return the buckets of native histograms as classic ones have them: each with all below."""
    totals: Counter[tuple[str, frozenset[tuple[str, str]]]] = Counter()
    found = {}
    for (name, labels), count in sorted(buckets.items(), key=lambda item: float(dict(item[0][1])["le"])):
        totals[name, bare(labels)] += count
        found[name, labels] = totals[name, bare(labels)]
    return found


async def test_collector(tmp_path, reader, page):
    """The Prometheus receiver of OpenTelemetry's Collector, with both protocols."""
    program, file = reader("otelcol-contrib"), tmp_path / "collected.jsonl"
    protocols = {"openmetrics": "OpenMetricsText1.0.0", "text": "PrometheusText0.0.4"}
    async with served(page) as url:
        jobs = [
            {"job_name": name, "scrape_interval": "1s", "scrape_protocols": [each], "static_configs": targets(url)}
            for name, each in protocols.items()
        ]
        settings = {
            "receivers": {"prometheus": {"config": {"scrape_configs": jobs}}},
            "exporters": {"file": {"path": str(file)}},
            "service": {
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {"metrics": {"receivers": ["prometheus"], "exporters": ["file"]}},
            },
        }
        (tmp_path / "collector.yml").write_text(yaml.safe_dump(settings))
        async with process(tmp_path, program, "--config", str(tmp_path / "collector.yml")):
            await eventually(lambda: all(in_collector(written(file), job).samples for job in protocols))
    found = {job: in_collector(written(file), job) for job in protocols}
    assert {job: arrived.differences(page) for job, arrived in found.items()} == {job: {} for job in protocols}
    units = found["openmetrics"].units
    assert (units["aws_job_last_duration_seconds"], units["aws_job_exporter_storage_size_bytes"]) == ("s", "By")


@pytest.mark.parametrize("version", [1, 2])
async def test_telegraf(tmp_path, reader, page, version):
    """Its input for Prometheus, in both versions of its metrics; it does not tell types apart in JSON."""
    program, file = reader("telegraf"), tmp_path / "gathered.json"
    async with served(page) as url:
        (tmp_path / "telegraf.conf").write_text(f"""
[agent]
  omit_hostname = true
[[inputs.prometheus]]
  urls = ["{url}/metrics"]
  metric_version = {version}
[[outputs.file]]
  files = ["{file}"]
  data_format = "json"
""")
        async with process(tmp_path, program, "--config", str(tmp_path / "telegraf.conf"), "--once") as running:
            assert await asyncio.wait_for(running.wait(), PATIENCE) == 0
    arrived = in_telegraf(written(file))
    arrived.types = dict(page.types)
    assert arrived.differences(page) == {}


async def test_vmagent(tmp_path, reader, page):
    """It writes what it scraped to a Prometheus, without types."""
    agent, prometheus = reader("vmagent"), reader("prometheus")
    port, own = free_ports(2)
    url = f"http://127.0.0.1:{port}"
    (tmp_path / "prometheus.yml").write_text("")
    receiver = [
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
    ]
    async with served(page) as exposition, process(tmp_path, prometheus, *receiver):
        await ready(f"{url}/-/ready")
        jobs = [{"job_name": "vmagent", "scrape_interval": "1s", "static_configs": targets(exposition)}]
        (tmp_path / "scrape.yml").write_text(yaml.safe_dump({"scrape_configs": jobs}))
        options = [
            f"-promscrape.config={tmp_path / 'scrape.yml'}",
            f"-remoteWrite.url={url}/api/v1/write",
            f"-remoteWrite.tmpDataPath={tmp_path / 'queue'}",
            f"-httpListenAddr=127.0.0.1:{own}",
        ]
        async with process(tmp_path, agent, *options):
            await eventually(lambda: is_whole(url, page))
            arrived = await held(url, "vmagent")
    # Its parser of numbers may be wrong in the last of sixteen digits: less than a microsecond of a time.
    arrived.types, arrived.precision = dict(page.types), 1e-15
    assert arrived.differences(page) == {}


async def is_whole(url: str, page: Page) -> bool:
    """Return whether as many series have been written as there are: they come in several blocks."""
    return len(await query(url, '{__name__!="", job="vmagent"}')) >= len(page.samples)


@pytest.mark.parametrize("latest", [False, True], ids=["text", "openmetrics"])
async def test_datadog(reader, page, latest):
    """The OpenMetrics check, with either format, and without its limit on contexts."""
    async with served(page) as url:
        command = [reader("datadog/bin/python"), CHECK, f"{url}/metrics", json.dumps({"use_latest_spec": latest})]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert in_datadog(json.loads(done.stdout), page).differences(page) == {}
