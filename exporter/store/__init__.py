"""What is known of each source's jobs: merges what was listed, forgets what left the lookback, keeps the sums."""

from exporter.store.ledger import EVERYTHING, Ledger
from exporter.store.record import Dimensions, Record
from exporter.store.tally import Histogram, Tally, duration, status_label
from exporter.store.wanted import Wanted

__all__ = [
    "EVERYTHING",
    "Dimensions",
    "Histogram",
    "Ledger",
    "Record",
    "Tally",
    "Wanted",
    "duration",
    "status_label",
]
