"""What the exporter exposes at one moment, read plainly, and served as it is to whoever reads it."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from exporter.exposition import Format
from exporter.simulator import populate
from exporter.web.negotiation import accepts_gzip, negotiate
from tests.support.harness import BEDROCK, CATALOG, HandClock, configured, running, simulated

Series = tuple[str, frozenset[tuple[str, str]]]
"""A name and labels, without those that are empty: to Prometheus' data model, an empty label is an absent one."""

HOSTILE = 'quote " backslash \\ newline \n brace } comma , equals = ünïcode ☃'

KINDS = ("bedrock/model_invocation_job", "sagemaker/compilation_job", "cleanroomsml/trained_model_version")

_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_NUMBERS = {"le", "quantile"}


def series(name: str, labels: Mapping[str, str]) -> Series:
    """Return a series as it can be compared: empty labels left out, `le` and `quantile` as numbers are written."""
    items = ((key, str(float(value)) if key in _NUMBERS else value) for key, value in labels.items())
    return name, frozenset((key, value) for key, value in items if value)


@dataclass(frozen=True)
class Page:
    """Everything that is exposed, in each format."""

    bodies: Mapping[Format, bytes]

    @cached_property
    def types(self) -> Mapping[str, str]:
        """The types of all families by their names in the text format."""
        lines = self.bodies[Format.TEXT].decode().split("\n")
        return dict(line.split(" ")[2:4] for line in lines if line.startswith("# TYPE "))

    @cached_property
    def samples(self) -> Mapping[Series, float]:
        """All samples, read without any of the libraries that readers use."""
        found: dict[Series, float] = {}
        for line in self.bodies[Format.TEXT].decode().split("\n"):
            if not line or line.startswith("#"):
                continue
            match = _SAMPLE.fullmatch(line)
            assert match, line
            labels = {key: _unescaped(value) for key, value in _LABEL.findall(match["labels"] or "")}
            key = series(match["name"], labels)
            assert key not in found, line
            found[key] = float(match["value"])
        return found


def _unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), value)


async def exposed(**metrics: Any) -> Page:
    """Return what an exporter exposes that has seen jobs of several kinds come and go, some with hostile names."""
    clock = HandClock()
    kinds = [kind for kind in CATALOG.kinds() if str(kind) in KINDS]
    services = {kind.service: {"kinds": [kind.key]} for kind in kinds}
    async with simulated(clock) as aws:
        populate(aws.world, kinds, now=clock.now, history=43_200)
        aws.world.add_job(BEDROCK, created=clock.now, path=[(0, "InProgress")], name=HOSTILE)
        settings = configured(
            aws.endpoint_url, services, metrics={"zero_fill": "seen", "per_job": True, "per_job_finished": 3, **metrics}
        )
        async with running(settings, clock) as exporter:
            for _ in range(6):
                await exporter.turn(600)
            # Both within a second of the clock, so that they share what is about the process.
            bodies = {form: await exporter.exposition.body(form, gzipped=False) for form in Format}
            return Page({form: b"".join(body.pieces) for form, body in bodies.items()})


@asynccontextmanager
async def served(page: Page) -> AsyncIterator[str]:
    """Serve a page at /metrics as the exporter would, and in one format alone at /text and /openmetrics."""

    async def metrics(request: web.Request) -> web.Response:
        forced = {"/text": Format.TEXT, "/openmetrics": Format.OPENMETRICS}.get(request.path)
        form, content_type = (forced, forced.value) if forced else negotiate(request.headers.get("Accept", ""))
        body, headers = page.bodies[form], {"Content-Type": content_type}
        if accepts_gzip(request.headers.get("Accept-Encoding", "")):
            body, headers = gzip.compress(body, 1), {**headers, "Content-Encoding": "gzip"}
        return web.Response(body=body, headers=headers)

    application = web.Application()
    application.add_routes([web.get(path, metrics) for path in ("/metrics", "/text", "/openmetrics")])
    async with TestServer(application) as server:
        yield str(server.make_url("")).rstrip("/")
