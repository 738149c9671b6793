"""What is known of each source's jobs, in an embedded database: a listing is taken in as one transaction."""

from exporter.store.database import Database, GroupRow, StorageLostError
from exporter.store.denials import Denials, Denied
from exporter.store.directory import Contents, StorageError, contents
from exporter.store.finding import Finding
from exporter.store.group_sums import (
    Expectation,
    GroupSums,
    group_sums,
    keep_expectation,
    read_expectation,
    show_group,
)
from exporter.store.job_filter import JobFilter
from exporter.store.lapses import LATE, MISSED, note_late, note_missed
from exporter.store.ledger import EVERYTHING, SKEW, Ledger, Rules
from exporter.store.outbox import Outbox, Transition
from exporter.store.record import Dimensions, Record, status_label
from exporter.store.regrouping import Grouping
from exporter.store.staging import Listing
from exporter.store.sums import Newborn, RunTimes, Sums
from exporter.store.upkeep import maintain

__all__ = [
    "EVERYTHING",
    "LATE",
    "MISSED",
    "SKEW",
    "Contents",
    "Database",
    "Denials",
    "Denied",
    "Dimensions",
    "Expectation",
    "Finding",
    "GroupRow",
    "GroupSums",
    "Grouping",
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
    "group_sums",
    "keep_expectation",
    "maintain",
    "note_late",
    "note_missed",
    "read_expectation",
    "show_group",
    "status_label",
]
