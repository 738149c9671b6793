"""The command that shows the catalog."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from exporter.catalog import Kind
from exporter.catalog.spelling import did_you_mean
from exporter.cli.invocation import Invocation, table
from exporter.settings import ConfigurationError


async def kinds(invocation: Invocation) -> int:
    """Print the catalog, or the part of it that is named."""
    names = invocation.options.names
    chosen = [kind for kind in invocation.catalog.kinds() if not names or {kind.service, str(kind)} & set(names)]
    for name in names:
        if not any(name in (kind.service, str(kind)) for kind in chosen):
            known = {*invocation.catalog.names, *map(str, invocation.catalog.kinds())}
            raise ConfigurationError([f"kinds: the catalog has no {name!r}{did_you_mean(name, known)}"])
    if invocation.options.output == "yaml":
        print("\n".join(map(_entry, chosen)), end="")
    else:
        print(table(_KIND_COLUMNS, map(_kind_row, chosen)))
    return 0


_KIND_COLUMNS, map(_kind_row, chosen)))
    return 0


async def demo(invocation: Invocation) -> int:
    """Serve against the embedded simulator until SIGTERM or SIGINT."""
    catalog = invocation.catalog
    settings = invocation.settings(
        services=dict.fromkeys(catalog.names),
        poll={"interval": "10s", "discovery_interval": "1m"},
        accounts=[{"regions": ["us-east-1"]}],
    )
    world = World(catalog)
    populate(world, catalog, seed=invocation.options.seed, now=time.time())
    async with Simulator(world) as simulator:
        aws = Aws.model_validate({**settings.aws.model_dump(), "endpoint_url": simulator.endpoint_url})
        await _serve(
            settings.model_copy(update={"aws": aws}),
            catalog,
            "us-east-1",
            Credentials("AKIADEMO", "demo"),
            lambda address: print(_DEMO.format(address=address), flush=True),
        )
    return 0


_DEMO = """
The demo runs against a simulated AWS with a week of jobs behind it.

  Metrics:  {address}/metrics
  Sources:  {address}/

Let a Prometheus scrape it and ask, for instance, how many jobs are where:

  sum by (aws_service, kind, state) (aws_jobs)

Stop it with Ctrl-C.
"""

_SOURCE_COLUMNS = ("ACCOUNT", "REGION", "SERVICE", "KIND", "SCOPE", "STATE", "JOBS", "REASON")


def _source_row(status: SourceStatus) -> Sequence[str]:
    state = "up" if status.is_up else f"down ({status.reason})"
    return (*status.key, state, "" if status.jobs is None else str(status.jobs), status.error)


_KIND_COLUMNS = ("SERVICE", "KIND", "TITLE", "SCOPE", "REASON FROM", "FILTERS")


def _kind_row(kind: Kind) -> Sequence[str]:
    reason = kind.details.operation if kind.details else "list" if kind.reason else ""
    filters = ", ".join(name for name, path in kind.filters.model_dump().items() if path)
    return kind.service, kind.key, kind.title, " / ".join(name for name, _ in kind.scopes), reason, filters


def _entry(kind: Kind) -> str:
    """Return a kind in the catalog's own language."""
    entry = kind.model_dump(mode="json", exclude={"service", "key", "scopes"}, exclude_defaults=True)
    entry["id"] = entry["id"][0] if len(kind.id) == 1 else entry["id"]
    return yaml.safe_dump({kind.key: entry}, sort_keys=False, width=100)


