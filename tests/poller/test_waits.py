"""Why a job waits, from AWS's answer to the scrape: by its status, by a second field, or by what AWS writes of it."""

from tests.support.harness import BEDROCK, CATALOG, NOW, configured, running

HOUR = 3600.0
BATCH = CATALOG["batch"].kinds["job"]
RUN = CATALOG["glue"].kinds["job_run"]
TRAINING = CATALOG["sagemaker"].kinds["training_job"]
NO_CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity requested for p5.48xlarge"
NO_FIT = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job needs more than any compute environment has"


def pending(exporter):
    """Return the pending jobs by their status and why they wait."""
    found = exporter.samples("aws_jobs", "status", "reason", state="pending").items()
    return {words: count for words, count in found if count}


def say(job, **fields):
    """Have AWS list a job with other members from now on; None leaves one out."""
    job.fields.update(fields)
    job.encoded = None


async def test_a_blocked_queue_says_why_minutes_later(aws, clock, tmp_path):
    """The first job of the queue has AWS's reason once AWS has written it, over a restart, and until it runs."""
    queue = aws.world.add_scope("batch", "job_queue", name="gpu")
    path = [(0, "RUNNABLE"), (HOUR, "RUNNING"), (2 * HOUR, "SUCCEEDED")]
    job, *_ = [aws.world.add_job(BATCH, scope=queue, created=NOW - 60 + n, path=path) for n in range(3)]
    services = {"batch": {"kinds": [BATCH.key]}}
    settings = configured(aws.endpoint_url, services, storage={"path": str(tmp_path)})
    async with running(settings, clock) as exporter:
        assert pending(exporter) == {("RUNNABLE", ""): 3}
        say(job, statusReason=NO_CAPACITY)
        await exporter.turn(330)
        assert pending(exporter) == {("RUNNABLE", "capacity"): 1, ("RUNNABLE", ""): 2}
    async with running(settings, clock, settled=False) as exporter:
        await exporter.settle()
        assert pending(exporter) == {("RUNNABLE", "capacity"): 1, ("RUNNABLE", ""): 2}
        say(job, statusReason=NO_FIT)
        await exporter.turn(330)
        assert pending(exporter) == {("RUNNABLE", "invalid_input"): 1, ("RUNNABLE", ""): 2}
        say(job, statusReason=None)
        await exporter.turn(HOUR)
        assert pending(exporter) == {}
        assert exporter.by("reason", "aws_jobs", state="running") == {"": 3}
        await exporter.turn(HOUR)
        assert exporter.by("state", "aws_jobs_finished_total") == {"succeeded": 3, "failed": 0, "stopped": 0}
        assert sum(exporter.by("reason", "aws_jobs_failed_total").values()) == 0


async def test_sagemaker_waits_for_capacity_though_its_job_is_in_progress(aws, clock):
    """`InProgress` says nothing of it; the job is late as a waiting one, and its whole time is its run time."""
    waits, starts = ({"SecondaryStatus": word} for word in ("Pending", "Starting"))
    path = [(0, "InProgress"), (4 * HOUR, "Completed")]
    job = aws.world.add_job(TRAINING, created=NOW - HOUR, path=path, fields=waits)
    aws.world.add_job(TRAINING, created=NOW - 60, path=path, fields=starts)
    settings = configured(aws.endpoint_url, {"sagemaker": {"kinds": [TRAINING.key]}})
    async with running(settings, clock) as exporter:
        assert pending(exporter) == {("InProgress", "capacity"): 1, ("InProgress", ""): 1}
        oldest = exporter.samples("aws_job_oldest_active_timestamp_seconds", "status", "state")
        assert oldest == {("InProgress", "pending"): NOW - HOUR}
        say(job, SecondaryStatus="Training")
        await exporter.turn(330)
        assert pending(exporter) == {("InProgress", ""): 1}
        assert exporter.value("aws_jobs", state="running", status="InProgress", reason="") == 1


async def test_glue_says_it_in_words_or_by_the_status(aws, clock):
    """Words that tell a reason come first; others leave it to the status."""
    load = aws.world.add_scope("glue", "job", name="load")
    for words in (None, "Concurrent runs exceeded for load", "Something new"):
        fields = {"StateDetail": words}
        aws.world.add_job(RUN, scope=load, created=NOW - 60, path=[(0, "WAITING")], fields=fields)
    aws.world.add_job(RUN, scope=load, created=NOW - 60, path=[(0, "STARTING")], fields={"StateDetail": None})
    settings = configured(aws.endpoint_url, {"glue": {"kinds": [RUN.key]}})
    async with running(settings, clock) as exporter:
        assert pending(exporter) == {("WAITING", "capacity"): 2, ("WAITING", "quota_exceeded"): 1, ("STARTING", ""): 1}


async def test_a_status_alone_may_tell(aws, clock):
    """Bedrock's scheduled job is behind others, and one that is validated has begun what it can."""
    for status in ("Submitted", "Validating", "Scheduled"):
        aws.world.add_job(BEDROCK, created=NOW - 60, path=[(0, status)])
    settings = configured(aws.endpoint_url, {"bedrock": {"kinds": [BEDROCK.key]}}, metrics={"per_job": True})
    async with running(settings, clock) as exporter:
        assert pending(exporter) == {("Submitted", "queue"): 1, ("Validating", ""): 1, ("Scheduled", "queue"): 1}
        assert sorted(exporter.samples("aws_job_info", "status", "reason")) == sorted(pending(exporter))
        assert {*exporter.by("reason", "aws_jobs_failed_total")}.isdisjoint({"queue", "schedule", "approval"})


async def test_an_array_that_runs_is_no_dependency(aws, clock):
    """Batch calls the parent of an array pending until its children have ended: of it, the word tells nothing."""
    queue = aws.world.add_scope("batch", "job_queue", name="gpu")
    for array in (None, {"size": 100}):
        fields = {"arrayProperties": array}
        aws.world.add_job(BATCH, scope=queue, created=NOW - 60, path=[(0, "PENDING")], fields=fields)
    settings = configured(aws.endpoint_url, {"batch": {"kinds": [BATCH.key]}})
    async with running(settings, clock) as exporter:
        assert pending(exporter) == {("PENDING", "dependency"): 1, ("PENDING", ""): 1}
