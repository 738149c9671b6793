"""What is known of each source's jobs, in an embedded database: a listing is taken in as one transaction."""

from exporter.store.database import Database, StorageLostError
from exporter.store.denials import Denials, Denied
from exporter.store.directory import Contents, StorageError, contents
from exporter.store.finding import Finding
from exporter.store.job_filter import JobFilter
from exporter.store.ledger import EVERYTHING, SKEW, Ledger, Rules
from exporter.store.outbox import Outbox, Transition
from exporter.store.record import Dimensions, Record, duration, status_label
from exporter.store.staging import Listing
from exporter.store.sums import Newborn, RunTimes, Sums

__all__ = [
    "EVERYTHING",
    "SKEW",
    "Contents",
    "Database",
    "Denials",
    "Denied",
    "Dimensions",
    "Finding",
    "JobFilter",
    "Ledger",
    "Listing",
    "Newborn",
    "Outbox",
    "Record",
    "Rules",
    "RunTimes",
    "StorageError",
    "StorageLostError",
    "Sums",
    "Transition",
    "contents",
    "duration",
    "status_label",
]
