"""Metric families to bytes: rendered when a source changes, joined when someone scrapes."""

from exporter.exposition.blocks import Exposition
from exporter.exposition.format import Format

__all__ = ["Exposition", "Format"]
