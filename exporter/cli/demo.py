"""The command that serves against a simulated AWS."""

from __future__ import annotations

import time

from exporter import app
from exporter.aws import Credentials
from exporter.cli.environment import forget_aws
from exporter.cli.invocation import Invocation
from exporter.cli.serving import serve_until_stopped
from exporter.settings import Aws, Settings
from exporter.simulator import Simulator, World, populate


async def demo(invocation: Invocation) -> int:
    """Serve against the embedded simulator until SIGTERM or SIGINT; reload the configuration on SIGHUP."""
    forget_aws()
    catalog = invocation.catalog
    defaults = {
        "services": {**dict.fromkeys(catalog.names), **{name: {"tags": ["team"]} for name in _TAGGED}},
        # Whoever watches it wants to see a job as it starts.
        "poll": {"interval": "10s", "idle_interval": "10s", "discovery_interval": "1m"},
        # The simulator has no quota, and whoever tries the demo wants to see results at once.
        "aws": {"requests_per_second": 100, "burst": 100, "quota_share": 1000},
        # The region of the simulated world.
        "accounts": [{"regions": ["us-east-1"]}],
    }
    settings = invocation.settings(**defaults)
    world = World(catalog)
    populate(world, catalog, seed=invocation.options.seed, now=time.time())
    async with Simulator(world) as simulator:

        def simulated(settings: Settings) -> app.Configuration:
            aws = Aws.model_validate({**settings.aws.model_dump(), "endpoint_url": simulator.endpoint_url})
            return app.Configuration(settings.model_copy(update={"aws": aws}), catalog, "us-east-1")

        await serve_until_stopped(
            simulated(settings),
            lambda: simulated(invocation.read(**defaults)),
            Credentials("AKIADEMO", "demo"),
            lambda address: print(_DEMO.format(address=address, aws=simulator.endpoint_url), flush=True),
        )
    return 0


_TAGGED = ("batch", "bedrock", "glue")
"""Services whose jobs are counted by the tag that says whose they are."""

_DEMO = """
The demo runs against a simulated AWS with a week of jobs behind it.

  Pages:    {address}/
  Metrics:  {address}/metrics
  AWS:      {aws} (for --aws.endpoint-url, with any credentials)

Let Prometheus scrape it, then query how many jobs there are by service, kind and state, for example:

  sum by (aws_service, kind, state) (aws_jobs)

Press Ctrl-C to stop.
"""
