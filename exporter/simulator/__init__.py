"""A small AWS over HTTP, for the demo, the tests and the benchmarks: derived from the catalog and botocore's models."""

from exporter.simulator.aws_error import AwsError
from exporter.simulator.operations import RequestContext
from exporter.simulator.population import populate
from exporter.simulator.quirks import Quirk
from exporter.simulator.resources import SimulatedJob, SimulatedScope
from exporter.simulator.server import Simulator
from exporter.simulator.world import World

__all__ = ["AwsError", "Quirk", "RequestContext", "SimulatedJob", "SimulatedScope", "Simulator", "World", "populate"]
