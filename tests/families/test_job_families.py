"""A small ledger as Prometheus reads it: the golden text of every family."""

import re

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.catalog import Kind
from exporter.exposition import Exposition, Format
from exporter.families import AS_OF, JOB_FAMILIES, Family, job_families, job_views, metrics
from exporter.jobs import FAILURES, Job, SourceKey, State
from exporter.settings import Metrics
from tests.support.ledgers import LedgerOfATest as Ledger

KIND = Kind.model_validate(
    {
        "service": "things",
        "key": "thing",
        "title": "Thing",
        "operation": "ListThings",
        "items": "things",
        "id": "thingId",
        "status": "status",
        "states": {
            "pending": ["Waiting"],
            "running": ["Running"],
            "succeeded": ["Done"],
            "failed": ["Broken"],
            "deleting": ["Deleting"],
        },
        "times": {"created": "created", "started": "started", "ended": "ended", "deadline": "deadline"},
        "records": {"total": "total", "failed": "failed"},
    }
)
SOURCE_LABEL = re.compile(rf'(?<=[{{,])(?:{"|".join(SourceKey._fields)})="[^"]*",?')
KEY = SourceKey("1", "r", "s", "k", "x")
START, NOW = 10_000.0, 20_000.0
DEFAULT = Metrics()
BUCKETS = Metrics.model_validate({"duration_buckets": ["1m", "1h"]})
FILLED = Metrics(zero_fill="all")
SINGLE = DEFAULT.model_copy(update={"per_job": True, "per_job_finished": 2})

JOBS = [
    Job(id="w", name="waits", status="Waiting", state=State.PENDING, created=19_000.0, deadline=29_000.0),
    Job(id="r", status="Running", state=State.RUNNING, created=18_000.0, started=18_030.0, records={"total": 7}),
    Job(
        id="d",
        status="Done",
        state=State.SUCCEEDED,
        created=11_000.0,
        started=11_060.0,
        ended=11_120.0,
        used={"dpu/G.1X": 1200.5, "vcpu": 60.0, "bytes": 1e12},
    ),
    Job(id="e", status="Done", state=State.SUCCEEDED, created=11_000.0, started=12_000.0, ended=19_000.0),
    Job(
        id="b",
        name="breaks",
        status="Broken",
        state=State.FAILED,
        created=17_000.0,
        ended=18_000.0,
        message="capacity",
        records={"total": 10, "failed": 3},
    ),
    Job(id="x", status="Deleting", state=State.DELETING, created=11_000.0, updated=19_500.0),
    Job(id="p", status="Pondering", state=State.UNKNOWN, created=19_800.0),
]


@pytest.fixture
def ledger():
    """Return a ledger that saw all of these jobs appear."""
    ledger = Ledger(lookback=86_400.0, classify=lambda job: job.message, bounds=BUCKETS.duration_buckets)
    ledger.take([], START)
    ledger.take(JOBS, NOW)
    return ledger


def exposed(ledger, settings=DEFAULT, kind=KIND, form=Format.TEXT, dimensions=()):
    """Return the exposition of a ledger whose jobs are grouped by dimensions."""
    exposition = Exposition(CollectorRegistry(), lambda: NOW)
    per_job = ledger.newest(settings.per_job_finished, settings.per_job_active) if settings.per_job else []
    found = job_views(kind, ledger.sums, per_job, settings)
    views = [((*KEY, *view.dimensions), view) for view in found]
    exposition.publish("it", metrics(job_families(settings), [*SourceKey._fields, *dimensions], views))
    return exposition.render(form).decode()


def samples(text, family):
    """Return the lines of one family without its head and without the labels of the source."""
    blocks = {part.partition(" ")[0]: part.splitlines()[2:] for part in text.split("# HELP ")}
    own = (SOURCE_LABEL.sub("", line) for line in blocks.get(family, ()))
    return "\n".join(line.replace(",}", "}").replace("{}", "") for line in own)


GOLDEN = {
    "aws_jobs": """
aws_jobs{reason="",state="pending",status="Waiting"} 1.0
aws_jobs{reason="",state="running",status="Running"} 1.0
aws_jobs{reason="",state="succeeded",status="Done"} 2.0
aws_jobs{reason="",state="failed",status="Broken"} 0.0
aws_jobs{reason="",state="deleting",status="Deleting"} 1.0
aws_jobs{reason="",state="partial",status="Done"} 0.0
aws_jobs{reason="",state="failed",status="Done"} 0.0
aws_jobs{reason="",state="unknown",status="unknown"} 1.0
aws_jobs{reason="capacity",state="failed",status="Broken"} 1.0
""",
    "aws_job_duration_seconds": """
aws_job_duration_seconds{quantile="0.5",state="succeeded"} 60.0
aws_job_duration_seconds{quantile="0.9",state="succeeded"} 7000.0
aws_job_duration_seconds{quantile="0.99",state="succeeded"} 7000.0
aws_job_duration_seconds_count{state="succeeded"} 2.0
aws_job_duration_seconds_sum{state="succeeded"} 7060.0
aws_job_duration_seconds{quantile="0.5",state="failed"} 1000.0
aws_job_duration_seconds{quantile="0.9",state="failed"} 1000.0
aws_job_duration_seconds{quantile="0.99",state="failed"} 1000.0
aws_job_duration_seconds_count{state="failed"} 1.0
aws_job_duration_seconds_sum{state="failed"} 1000.0
""",
    "aws_job_queue_duration_seconds": """
aws_job_queue_duration_seconds{quantile="0.5"} 60.0
aws_job_queue_duration_seconds{quantile="0.9"} 1000.0
aws_job_queue_duration_seconds{quantile="0.99"} 1000.0
aws_job_queue_duration_seconds_count 2.0
aws_job_queue_duration_seconds_sum 1060.0
""",
    "aws_job_last_duration_seconds": """
aws_job_last_duration_seconds{state="failed"} 1000.0
aws_job_last_duration_seconds{state="succeeded"} 7000.0
""",
    "aws_job_last_finished_timestamp_seconds": """
aws_job_last_finished_timestamp_seconds{reason="capacity",state="failed"} 18000.0
aws_job_last_finished_timestamp_seconds{reason="",state="succeeded"} 19000.0
aws_job_last_finished_timestamp_seconds{reason="",state="deleting"} 19500.0
""",
    "aws_job_last_created_timestamp_seconds": """
aws_job_last_created_timestamp_seconds 19800.0
""",
    "aws_job_oldest_active_timestamp_seconds": """
aws_job_oldest_active_timestamp_seconds{state="running",status="Running"} 18030.0
aws_job_oldest_active_timestamp_seconds{state="pending",status="Waiting"} 19000.0
""",
    "aws_job_next_deadline_timestamp_seconds": """
aws_job_next_deadline_timestamp_seconds 29000.0
""",
    "aws_job_records": """
aws_job_records{result="succeeded"} 14.0
aws_job_records{result="failed"} 3.0
aws_job_records{result="remaining"} 0.0
""",
    "aws_jobs_finished_total": """
aws_jobs_finished_total{state="succeeded"} 2.0
aws_jobs_finished_total{state="failed"} 1.0
aws_jobs_finished_total{state="deleting"} 1.0
""",
    "aws_jobs_failed_total": """
aws_jobs_failed_total{reason="capacity"} 1.0
""",
    "aws_job_resource_seconds_total": """
aws_job_resource_seconds_total{resource="dpu",type="G.1X"} 1200.5
aws_job_resource_seconds_total{resource="vcpu",type=""} 60.0
""",
    "aws_job_processed_total": """
aws_job_processed_total{unit="bytes"} 1e+12
""",
    "aws_job_info": """
aws_job_info{job_id="r",job_name="",reason="",state="running",status="Running"} 1.0
aws_job_info{job_id="w",job_name="waits",reason="",state="pending",status="Waiting"} 1.0
aws_job_info{job_id="p",job_name="",reason="",state="unknown",status="unknown"} 1.0
aws_job_info{job_id="x",job_name="",reason="",state="deleting",status="Deleting"} 1.0
aws_job_info{job_id="e",job_name="",reason="",state="succeeded",status="Done"} 1.0
""",
    "aws_job_created_timestamp_seconds": """
aws_job_created_timestamp_seconds{job_id="r",job_name=""} 18000.0
aws_job_created_timestamp_seconds{job_id="w",job_name="waits"} 19000.0
aws_job_created_timestamp_seconds{job_id="p",job_name=""} 19800.0
aws_job_created_timestamp_seconds{job_id="x",job_name=""} 11000.0
aws_job_created_timestamp_seconds{job_id="e",job_name=""} 11000.0
""",
    "aws_job_finished_timestamp_seconds": """
aws_job_finished_timestamp_seconds{job_id="x",job_name=""} 19500.0
aws_job_finished_timestamp_seconds{job_id="e",job_name=""} 19000.0
""",
}


@pytest.mark.parametrize("family", GOLDEN)
def test_a_family_matches_its_golden_text(ledger, family):
    """Names, labels and values are a contract with every user's dashboards."""
    assert samples(exposed(ledger, SINGLE), family) == GOLDEN[family].strip()


def test_every_sample_carries_the_labels_of_its_source(ledger):
    """Without them, two sources would be one series."""
    families = parse_text(exposed(ledger, SINGLE))
    labels = [sample.labels for family in families for sample in family.samples]
    assert labels
    assert all(KEY._asdict().items() <= found.items() for found in labels)


def test_every_family_has_a_golden_text():
    """A new family needs its golden text."""
    assert {family.name for family in JOB_FAMILIES} <= GOLDEN.keys()


def test_help_says_how_old_the_numbers_are():
    """The numbers are as old as the last success of the source."""
    assert all(family.help.endswith(AS_OF) for family in JOB_FAMILIES)


def test_openmetrics_can_be_parsed_too(ledger):
    """Its parser is stricter about names and types."""
    text = exposed(ledger, SINGLE, form=Format.OPENMETRICS)
    families = {family.name: family.type for family in parse_openmetrics(text)}
    assert families["aws_jobs"] == "gauge"
    assert families["aws_job_duration_seconds"] == "summary"
    assert families["aws_jobs_failed"] == families["aws_jobs_finished"] == "counter"


def test_single_jobs_are_left_out_unless_requested(ledger):
    """The number of jobs is up to the users, so the exporter cannot keep these series few."""
    text = exposed(ledger)
    assert "job_id" not in text
    assert "aws_job_info" not in text


def test_finished_jobs_can_be_left_out(ledger):
    """A limit of zero leaves the active ones."""
    lines = samples(exposed(ledger, SINGLE.model_copy(update={"per_job_finished": 0})), "aws_job_info")
    assert [line.split('job_id="')[1][0] for line in lines.split("\n")] == ["r", "w", "p"]


def test_run_times_can_be_histograms(ledger):
    """Cumulative ones, in which Prometheus can add up many sources: what a quantile cannot."""
    text = exposed(ledger, BUCKETS)
    expected = """
aws_job_duration_seconds_bucket{le="60.0",state="succeeded"} 1.0
aws_job_duration_seconds_bucket{le="3600.0",state="succeeded"} 1.0
aws_job_duration_seconds_bucket{le="+Inf",state="succeeded"} 2.0
aws_job_duration_seconds_count{state="succeeded"} 2.0
aws_job_duration_seconds_sum{state="succeeded"} 7060.0
aws_job_duration_seconds_bucket{le="60.0",state="failed"} 0.0
aws_job_duration_seconds_bucket{le="3600.0",state="failed"} 1.0
aws_job_duration_seconds_bucket{le="+Inf",state="failed"} 1.0
aws_job_duration_seconds_count{state="failed"} 1.0
aws_job_duration_seconds_sum{state="failed"} 1000.0
"""
    assert samples(text, "aws_job_duration_seconds") == expected.strip()
    families = {family.name: family.type for family in parse_text(text)}
    assert families["aws_job_duration_seconds"] == families["aws_job_queue_duration_seconds"] == "histogram"


@pytest.mark.parametrize("settings", [DEFAULT, BUCKETS], ids=["summary", "histogram"])
def test_run_times_are_of_the_states_that_the_user_chose(ledger, settings):
    """Of a hundred sources, the run times of what was stopped are series that nobody reads."""
    chosen = settings.model_copy(update={"duration_states": (State.FAILED,)})
    lines = samples(exposed(ledger, chosen), "aws_job_duration_seconds").splitlines()
    assert lines
    assert all('state="failed"' in line for line in lines)


def test_a_reason_that_was_seen_stays_at_zero(ledger):
    """A series that disappears would keep its last value in a query."""
    for now in (NOW, NOW + 60):
        ledger.take([], now)
    assert 'aws_jobs{reason="capacity",state="failed",status="Broken"} 0.0' in samples(exposed(ledger), "aws_jobs")


def test_a_source_without_a_job_shows_nothing():
    """In 200 accounts, most lists of jobs stay empty for ever."""
    assert "aws_job" not in exposed(Ledger(86_400.0, classify=str))


def test_a_source_that_had_a_job_shows_every_status(ledger):
    """A status that goes to 0 does not end: its last value would stay in a query."""
    for now in (NOW, NOW + 60):
        ledger.take([], now)
    assert samples(exposed(ledger), "aws_jobs").count(" 0.0") == 9


def test_everything_can_be_shown_from_the_start():
    """For those who want the zeros of what never happened."""
    text = exposed(Ledger(86_400.0, classify=str), FILLED)
    # Its statuses, what the counts of records can make of `Done`, and `unknown`.
    assert samples(text, "aws_jobs").count(" 0.0") == 5 + 2 + 1
    assert samples(text, "aws_jobs_failed_total").count(" 0.0") == len(FAILURES)
    assert samples(text, "aws_jobs_finished_total").count(" 0.0") == 4


RECORDS = {
    "nothing": ({}, {}, {}),
    "only a total": ({"total": 9}, {"total": "t"}, {}),
    "parts": (
        {"succeeded": 5, "failed": 3},
        {"succeeded": "s", "failed": "f"},
        {"succeeded": 5, "failed": 3},
    ),
    "a total and its parts": (
        {"total": 10, "processed": 8, "succeeded": 5, "failed": 3},
        {"total": "t", "processed": "p", "succeeded": "s", "failed": "f"},
        {"succeeded": 5, "failed": 3, "remaining": 2},
    ),
    "what was processed": (
        {"total": 10, "processed": 8, "failed": 3},
        {"total": "t", "processed": "p", "failed": "f"},
        {"succeeded": 5, "failed": 3, "remaining": 2},
    ),
    "processed and failed": (
        {"processed": 8, "failed": 3},
        {"processed": "p", "failed": "f"},
        {"succeeded": 5, "failed": 3},
    ),
    "a total that is behind its parts": (
        {"total": 0, "succeeded": 5, "failed": 3},
        {"total": "t", "succeeded": "s", "failed": "f"},
        {"succeeded": 5, "failed": 3, "remaining": 0},
    ),
}
"""What AWS counts, where a list has it, and what is shown."""


@pytest.mark.parametrize("case", RECORDS)
def test_records_add_up(case):
    """A total beside its parts would double every sum."""
    counts, paths, shown = RECORDS[case]
    ledger = Ledger(86_400.0, classify=str)
    ledger.take([Job(id="r", status="Running", state=State.RUNNING, records=counts)], NOW)
    kind = KIND.model_copy(update={"records": paths})
    lines = samples(exposed(ledger, kind=kind), "aws_job_records").splitlines()
    assert {line.split('"')[1]: float(line.split()[-1]) for line in lines} == shown


def test_families_that_a_kind_cannot_fill_are_left_out(ledger):
    """There is no queue time without a start, and no record count where AWS has none."""
    times = KIND.times.model_copy(update={"started": None})
    text = exposed(ledger, kind=KIND.model_copy(update={"records": {}, "times": times}))
    for family in ("aws_job_queue_duration_seconds", "aws_job_records"):
        assert family not in text


def test_dimensions_distinguish_jobs():
    """Each combination of their values is counted separately."""
    ledger = Ledger(lookback=86_400.0, classify=str)
    names = ["nova", "nova", "titan"]
    jobs = [Job(id=str(n), status="Running", state=State.RUNNING, dimensions=(name,)) for n, name in enumerate(names)]
    ledger.take(jobs, NOW)
    lines = samples(exposed(ledger, dimensions=["model"]), "aws_jobs").splitlines()
    assert 'aws_jobs{model="nova",reason="",state="running",status="Running"} 2.0' in lines
    assert 'aws_jobs{model="titan",reason="",state="running",status="Running"} 1.0' in lines
    assert 'aws_jobs{model="titan",reason="",state="pending",status="Waiting"} 0.0' in lines


@pytest.mark.parametrize("values", [(), ("one",), ("one", "two", "three")])
def test_a_wrong_number_of_label_values_raises(values):
    """Without the error, prometheus_client would silently lose a label."""
    family = Family[None]("things", "gauge", "Things.", ("first", "second"), lambda _: [(values, 1.0)])
    with pytest.raises(ValueError, match="things"):
        family.metric(SourceKey._fields, [(KEY, None)])


def test_a_job_whose_end_is_unknown_is_not_shown_as_the_last_one():
    """It had ended before it was first seen, nobody knows when: it must not take the place of one that just ended."""
    ledger = Ledger(lookback=86_400.0, classify=lambda job: job.message)
    ledger.take([Job(id="u", name="old", status="Done", state=State.SUCCEEDED, details={"id": "u"})], NOW)
    assert len(ledger) == 1
    assert "aws_job_info{" not in exposed(ledger, SINGLE)
