"""Metric families to bytes: rendered when a source changes, joined when someone scrapes."""

from exporter.exposition.blocks import Exposition
from exporter.exposition.format import Format
from exporter.exposition.turns import in_turns

__all__ = ["Exposition", "Format", "in_turns"]
