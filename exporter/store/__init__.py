"""What is known of each source's jobs: merges listings, drops what left the lookback, keeps the sums."""

from exporter.store.job_filter import JobFilter
from exporter.store.ledger import EVERYTHING, Ledger
from exporter.store.record import Dimensions, Record
from exporter.store.tally import Histogram, Tally, duration, status_label

__all__ = [
    "EVERYTHING",
    "Dimensions",
    "Histogram",
    "JobFilter",
    "Ledger",
    "Record",
    "Tally",
    "duration",
    "status_label",
]
