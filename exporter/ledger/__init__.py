"""What is known of each source's jobs: merges what was listed, forgets what left the lookback, keeps the sums."""

from exporter.ledger.ledger import EVERYTHING, Ledger
from exporter.ledger.record import Dimensions, Record
from exporter.ledger.tally import Histogram, Tally, duration, status_label
from exporter.ledger.wanted import Wanted

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
