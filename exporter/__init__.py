"""Prometheus exporter for the status of asynchronous jobs in AWS."""

__version__ = "0.1.0"
