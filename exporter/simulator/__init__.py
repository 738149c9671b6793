"""A small AWS over HTTP, for the demo, the tests and the benchmarks: derived from the catalog and botocore's models."""

from exporter.simulator.aws_error import AwsError
from exporter.simulator.calls import Call
from exporter.simulator.faults import Fault
from exporter.simulator.population import populate
from exporter.simulator.residents import SimulatedJob, SimulatedScope
from exporter.simulator.server import Simulator
from exporter.simulator.world import World

__all__ = ["AwsError", "Call", "Fault", "SimulatedJob", "SimulatedScope", "Simulator", "World", "populate"]
