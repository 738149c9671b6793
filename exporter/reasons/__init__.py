"""A failure message to one of a short closed list of reasons, with its rules as data."""

from exporter.reasons.classifier import LONGEST, Classification, Classifier, Rule

__all__ = ["LONGEST", "Classification", "Classifier", "Rule"]
