"""A failure message to one of a short closed list of reasons, with its rules as data."""

from exporter.reasons.classifier import LONGEST, Classification, Classifier, Reason, Rule

__all__ = ["LONGEST", "Classification", "Classifier", "Reason", "Rule"]
