"""What a job used, as AWS tells it."""

import pytest

from exporter.aws.items import job_reader
from exporter.aws.usage import usage
from exporter.catalog.kind import Use
from tests.support.harness import CATALOG

GLUE = {"JobName": "load", "Id": "jr_1", "JobRunState": "SUCCEEDED"}
BATCH = {
    "jobArn": "arn:aws:batch:us-east-1:111122223333:job/1",
    "jobName": "load",
    "status": "SUCCEEDED",
    "createdAt": 1_750_000_000_000,
    "startedAt": 1_750_000_010_000,
    "stoppedAt": 1_750_000_040_000,
    "capacityUsage": [{"capacityUnit": "VCPU", "quantity": 2.0}],
}


def used(name, item):
    """Return what a listed job used."""
    service, _, key = name.partition("/")
    (job,) = job_reader(CATALOG[service].kinds[key])([item], {})
    return job.used


@pytest.mark.parametrize(
    ("kind", "item", "expected"),
    [
        ("glue/job_run", {**GLUE, "DPUSeconds": 1200.5, "WorkerType": "G.1X"}, {"dpu/G.1X": 1200.5}),
        ("glue/job_run", {**GLUE, "ExecutionTime": 60, "MaxCapacity": 0.0625}, {"dpu": 3.75}),
        ("glue/job_run", {**GLUE, "DPUSeconds": 5.0, "ExecutionTime": 60, "MaxCapacity": 10.0}, {"dpu": 5.0}),
        ("glue/job_run", {**GLUE, "ExecutionTime": 60}, {}),
        ("glue/job_run", {**GLUE, "JobRunState": "RUNNING", "DPUSeconds": 5.0}, {}),
        ("glue/crawl", {"CrawlId": "1", "State": "COMPLETED", "DPUHour": 0.5}, {"dpu": 1800.0}),
        ("batch/job", BATCH, {"vcpu": 60.0}),
        ("batch/job", {**BATCH, "startedAt": None}, {}),
        ("batch/job", {**BATCH, "capacityUsage": []}, {}),
        (
            "batch/service_job",
            {**BATCH, "capacityUsage": [{"capacityUnit": "ml.m5.xlarge", "quantity": 2.0}]},
            {"instance/ml.m5.xlarge": 60.0},
        ),
        (
            "athena/query_execution",
            {
                "QueryExecutionId": "1",
                "Status": {"State": "SUCCEEDED"},
                "Statistics": {"DataScannedInBytes": 10_000_000, "EngineExecutionTimeInMillis": 1500, "DpuCount": 4.0},
            },
            {"bytes": 10_000_000, "dpu": 6.0},
        ),
    ],
)
def test_a_job_used_what_aws_says(kind, item, expected):
    """In seconds of a resource, or in units of what was processed; once it has ended."""
    assert used(kind, item) == pytest.approx(expected)


@pytest.mark.parametrize("number", [True, "5", -1.0, float("nan"), float("inf"), 1e300, 10**400, [5], {}, None, 0])
def test_what_is_no_amount_is_none(number):
    """A counter never forgets, so nothing that AWS cannot mean may reach it."""
    assert used("glue/job_run", {**GLUE, "DPUSeconds": number, "WorkerType": "G.1X"}) == {}


@pytest.mark.parametrize("word", ["", "G 1X", 'G"1X', "x" * 65, "G/1X", "é", 7, None])
def test_what_is_no_type_is_no_label(word):
    """Free text would be a series for each job."""
    assert used("glue/job_run", {**GLUE, "DPUSeconds": 5.0, "WorkerType": word}) == {"dpu": 5.0}


def test_a_product_out_of_range_is_none():
    """Each factor may be possible, and all together not."""
    (job,) = job_reader(CATALOG["glue"].kinds["job_run"])([GLUE], {})
    read = usage({"vcpu": Use(amount=("a", "b"), times=3600)}, has_starts=False)
    assert read(job, {"a": 1e9, "b": 1e9}) == {}
    assert read(job, {"a": 2, "b": 3}) == {"vcpu": 21_600}
