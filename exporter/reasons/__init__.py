"""A failure message to one of a short closed list of reasons, with its rules as data."""

from exporter.reasons.classifier import LONGEST, Classification, Classifier, Rule
from exporter.reasons.remedies import REMEDIES

__all__ = ["LONGEST", "REMEDIES", "Classification", "Classifier", "Rule"]
