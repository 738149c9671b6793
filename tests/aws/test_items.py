"""One listed item becomes one job: paths, arguments and times of the catalog's language, and what may be missing."""

import time
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

import pytest

from exporter.aws.items import at, job_reader, resolve, scope_of, seconds, text
from exporter.aws.poll_error import BadResponseError
from exporter.catalog.kind import Refinement
from exporter.jobs import Job, State
from exporter.reasons import Classifier
from tests.support.harness import BEDROCK, CATALOG, CUSTOMIZATION, INFERENCE, LOOKOUT, NOW, TRAINED

CLASSIFIER = Classifier.built_in()


def job_of(kind, item, scopes=MappingProxyType({}), **options):
    """Return the job that one item is read as."""
    (job,) = job_reader(kind, **options)([item], scopes)
    return job


ITEM = {"a": 1, "b": {"c": {"d": 2}}, "list": [{"x": 3}, {"x": 4}], "empty": [], "nothing": None}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a", 1),
        ("b.c.d", 2),
        ("b.c", {"d": 2}),
        ("list[0].x", 3),
        ("list[0]", {"x": 3}),
        ("missing", None),
        ("b.missing.d", None),
        ("a.b", None),
        ("list.x", None),
        ("empty[0]", None),
        ("empty[0].x", None),
        ("nothing.x", None),
        ("a[0]", None),
    ],
)
def test_a_path_finds_its_value(path, value):
    """It follows structures and the first element of a list, and finds nothing where there is nothing."""
    assert at(ITEM, path) == value


def test_arguments_take_the_values_that_they_name():
    """`$name` is replaced, everything else stays as it is."""
    arguments = {"membershipIdentifier": "$membership", "sortBy": "CreationTime", "limit": 5, "flags": ["$x"]}
    assert resolve(arguments, {"membership": "m-1"}) == {**arguments, "membershipIdentifier": "m-1"}


def test_an_argument_without_a_value_is_left_out():
    """The base version of a trained model has no identifier."""
    assert resolve({"arn": "$arn", "version": "$version"}, {"arn": "a", "version": None}) == {"arn": "a"}
    assert resolve({"arn": "$arn", "version": "$version"}, {"arn": "a"}) == {"arn": "a"}


def test_a_scope_that_may_have_any_value_has_one():
    """A function without a durable configuration has no durable executions."""
    function = CATALOG["lambda"].scopes["function"]
    named = {"FunctionArn": "arn", "FunctionName": "name"}
    assert scope_of(function, {**named, "DurableConfig": {"RetentionPeriodInDays": 14}}) == ("arn", "name")
    assert scope_of(function, {**named, "DurableConfig": {}}) is None
    assert scope_of(function, named) is None


NO_TIMES = [
    "0001-01-01T00:00:00Z",
    -1,
    0,
    "1970-01-01T00:00:00Z",
    "2004-12-31T23:59:59+00:00",
    float("nan"),
    float("inf"),
    -(10**400),
    10**400,
    1e300,
    "9999-12-31T24:00:00",
    True,
]


@pytest.mark.parametrize("value", NO_TIMES)
def test_an_impossible_time_is_none(value):
    """Nobody could calculate with a NaN or an infinity, and AWS had no jobs before 2005."""
    assert seconds(value) is None
    assert job_of(BEDROCK, {"jobArn": "a", "submitTime": value}).created is None


def test_record_counts_are_plausible_numbers():
    """No negative number, no Boolean, and nothing larger than AWS's types hold."""
    for count in (-1, True, 1 << 40, 10**400, 1.5, "7"):
        assert not job_of(BEDROCK, {"jobArn": "a", "status": "Completed", "totalRecordCount": count}).records


NOON = datetime(2026, 9, 21, 12, tzinfo=UTC)

TIMES = [
    (NOON, NOON.timestamp()),
    (NOON.astimezone(timezone(timedelta(hours=-7))), NOON.timestamp()),
    (1_790_000_000, 1_790_000_000.0),
    (1_790_000_000.25, 1_790_000_000.25),
    (1_790_000_000_250, 1_790_000_000.25),
    (1104537600, 1104537600.0),
    ("1790000000125", 1_790_000_000.125),
    ("20260921", NOON.timestamp() - 12 * 3600),
    ("2026-09-21T12:00:00Z", NOON.timestamp()),
    ("2026-09-21T12:00:00.500000Z", NOON.timestamp() + 0.5),
    ("2026-09-21T14:00:00+02:00", NOON.timestamp()),
    ("2026-09-21T12:00:00", NOON.timestamp()),
    (None, None),
    ("", None),
    ("yesterday", None),
    ("21/09/2026", None),
    (True, None),
    ([], None),
    ({}, None),
]


@pytest.mark.parametrize(("value", "expected"), TIMES, ids=str)
def test_every_notation_of_a_time_is_read(value, expected):
    """Datetimes, epoch seconds and milliseconds (as text, too), ISO with a zone or as UTC; nothing else is a time."""
    assert seconds(value) == expected
    assert job_of(BEDROCK, {"jobArn": "a", "submitTime": value}).created == expected


def test_a_time_without_a_zone_is_in_utc_wherever_the_exporter_runs(monkeypatch):
    """Not in the zone of the machine, whether or not others of its page are marked."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        items = [{"jobArn": "a", "submitTime": f"2026-09-21T12:00:00{mark}"} for mark in ("", "Z", "+00:00")]
        assert [job.created for job in job_reader(BEDROCK)(items, {})] == [NOON.timestamp()] * 3
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("arn:aws:batch:us-east-1:111122223333:job-definition/nightly:3", "nightly:3"),
        ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-5-v2:0", "anthropic.claude-3-5-v2:0"),
        ("arn:aws-cn:states:cn-north-1:111122223333:stateMachine:orders", "orders"),
        ("arn:aws:s3:::bucket", "bucket"),
        ("arn:aws:batch:us-east-1:111122223333:job-definition/", "job-definition/"),
        ("arn:aws", "arn:aws"),
        ("nightly", "nightly"),
    ],
)
def test_a_dimension_shows_the_name_of_a_resource(value, label):
    """People group by what they named, and know nobody by an ARN."""
    kind = BEDROCK.model_copy(update={"dimensions": {"model": "modelId"}})
    item = {"jobArn": "a", "status": "Completed", "modelId": value}
    assert job_of(kind, item, dimensions=("model",)).dimensions == (label,)


def test_texts_of_a_job_can_be_exposed_and_dimensions_are_read():
    """Half a character becomes a question mark, and what an item lacks the empty text."""
    kind = BEDROCK.model_copy(update={"dimensions": {"model": "modelId", "role": "roleArn"}})
    item = {"jobArn": "a", "status": "half \ud800", "message": None, "jobName": 7, "modelId": "claude \udfff"}
    job = job_of(kind, item, dimensions=("role", "model"))
    assert (job.status, job.message, job.name, job.dimensions) == ("half ?", "", "7", ("", "claude ?"))


def test_a_page_of_many_items_is_read_as_each_of_them_is():
    """Whatever their times and texts are among."""
    values = [value for value, _ in TIMES] + NO_TIMES + ["x" * 300, "half \ud800"]
    texts = [value for value in values if isinstance(value, str)]
    for chosen in (values, texts, [None, *texts[:3]], []):
        items = [
            {"jobArn": f"arn:{n}", "status": "Failed", "submitTime": value, "message": value, "totalRecordCount": n}
            for n, value in enumerate(chosen)
        ]
        each = [job_of(BEDROCK, item, longest=200) for item in items]
        assert job_reader(BEDROCK, longest=200)(items, {}) == each


def test_values_become_text():
    """A time becomes ISO text, and None stays None."""
    assert [text(None), text(""), text(7), text("x"), text(NOON)] == ["", "", "7", "x", "2026-09-21T12:00:00+00:00"]


def test_text_that_utf8_cannot_encode_becomes_a_question_mark():
    """JSON can hold half a character, which no exposition can be written with; every other text stays."""
    assert [text("half \ud800"), text("\udfff\ud800"), text("Zürich 🚀")] == ["half ?", "??", "Zürich 🚀"]


def test_an_item_becomes_a_job():
    """Every field that the catalog names is read, under the exporter's own names."""
    item = {
        "jobArn": "arn:1",
        "jobName": "nightly",
        "status": "PartiallyCompleted",
        "message": "some records failed",
        "submitTime": NOON,
        "lastModifiedTime": NOON + timedelta(hours=2),
        "endTime": NOON + timedelta(hours=1),
        "jobExpirationTime": NOON + timedelta(hours=24),
        "totalRecordCount": 10,
        "errorRecordCount": 2,
    }
    assert job_of(BEDROCK, item) == Job(
        id="arn:1",
        name="nightly",
        status="PartiallyCompleted",
        state=State.PARTIAL,
        message="some records failed",
        created=NOON.timestamp(),
        updated=NOON.timestamp() + 7200,
        ended=NOON.timestamp() + 3600,
        deadline=NOON.timestamp() + 86_400,
        records={"total": 10, "failed": 2},
    )


def test_optional_fields_may_be_missing():
    """An id and a status are enough for a job."""
    job = job_of(BEDROCK, {"jobArn": "arn:1", "status": "Validating"})
    assert job == Job(id="arn:1", status="Validating", state=State.PENDING)


def test_several_fields_identify_a_job_together():
    """A scheduler's executions differ by their time."""
    item = {"InferenceSchedulerArn": "arn:pump", "ScheduledStartTime": NOON, "Status": "SUCCESS"}
    job = job_of(LOOKOUT, item)
    assert job.id == "arn:pump/2026-09-21T12:00:00+00:00"
    assert job.created == NOON.timestamp()


def test_a_part_of_an_id_may_be_missing():
    """The base version of a trained model is known by the model alone."""
    base = job_of(TRAINED, {"trainedModelArn": "arn:m", "status": "ACTIVE"})
    second = job_of(TRAINED, {"trainedModelArn": "arn:m", "versionIdentifier": "v2", "status": "ACTIVE"})
    assert (base.id, second.id) == ("arn:m", "arn:m/v2")


@pytest.mark.parametrize("kind", [BEDROCK, TRAINED], ids=str)
@pytest.mark.parametrize("item", [{}, {"status": "ACTIVE"}, {"jobArn": None, "trainedModelArn": ""}, None, "x", []])
def test_an_item_that_nothing_identifies_is_a_bad_response(kind, item):
    """Two such items would be indistinguishable; the message names the operation and the field."""
    with pytest.raises(BadResponseError, match=rf"{kind.operation}.*{kind.id[0]}"):
        job_of(kind, item)


@pytest.mark.parametrize("status", ["Pondering", "", None, "submitted"])
def test_a_status_that_the_catalog_does_not_know_is_unknown(status):
    """It is kept for the log, and does no harm."""
    job = job_of(BEDROCK, {"jobArn": "arn:1", "status": status})
    assert (job.status, job.state) == (status or "", State.UNKNOWN)


def test_a_very_long_id_is_shortened_and_stays_unique():
    """Truncated, two jobs would become one; untouched, it would become a label of metrics."""
    ids = [job_of(BEDROCK, {"jobArn": "x" * 100_000 + end, "status": "Failed"}).id for end in ("a", "b", "b")]
    assert ids[0] != ids[1] == ids[2]
    assert max(map(len, ids)) < 10_000


def test_a_failed_job_without_a_message_carries_the_arguments_of_its_detail_request():
    """They are taken from the item and from the scopes that it was listed in."""
    failed = {"trainedModelArn": "arn:m", "membershipIdentifier": "m-1", "status": "CREATE_FAILED"}
    job = job_of(TRAINED, {**failed, "versionIdentifier": "v2"}, {"membership": "m-1", "trained_model": "arn:m"})
    assert job.details == {
        "membershipIdentifier": "m-1",
        "trainedModelArn": "arn:m",
        "versionIdentifier": "v2",
    }
    assert job_of(TRAINED, failed).details == {"membershipIdentifier": "m-1", "trainedModelArn": "arn:m"}


@pytest.mark.parametrize("status", ["InProgress", "Completed", "Stopped", "Pondering"])
def test_details_are_requested_only_for_a_failed_job(status):
    """Every detail request counts against the quota."""
    assert job_of(CUSTOMIZATION, {"jobArn": "arn:1", "status": status}).details is None


def test_no_details_are_requested_if_the_list_has_the_reason():
    """The message is there already, and kinds without details have nothing to request."""
    kind = INFERENCE.model_copy(update={"reason": "message"})
    item = {"trainedModelInferenceJobArn": "arn:1", "membershipIdentifier": "m-1", "status": "CREATE_FAILED"}
    assert job_of(kind, {**item, "message": "out of memory"}).details is None
    assert job_of(kind, item).details is not None
    kind = BEDROCK.model_copy(update={"details": None})
    assert job_of(kind, {"jobArn": "arn:1", "status": "Failed"}).details is None


def test_times_are_requested_of_what_ended_and_of_no_deleted_record():
    """What is deleted may no longer be described, and when it was deleted is no end of its work."""
    kind = CATALOG["neptune-graph"].kinds["import_task"]
    asked = {each: job_of(kind, {"taskId": "t-1", "status": each}).details is not None for each in kind.state_of}
    assert asked == {each: state.is_final and state is not State.DELETING for each, state in kind.state_of.items()}


def test_records_that_are_not_numbers_are_left_out():
    """Anything but a number is dropped from the record counts."""
    item = {"jobArn": "arn:1", "status": "Completed", "totalRecordCount": "many", "processedRecordCount": None}
    assert job_of(BEDROCK, {**item, "successRecordCount": 0}).records == {"succeeded": 0}


def test_times_in_any_form_are_read_from_an_item():
    """One kind writes milliseconds, another ISO strings."""
    item = {"jobArn": "arn:1", "status": "Submitted", "submitTime": NOW * 1000, "endTime": "rubbish"}
    job = job_of(BEDROCK, item)
    assert (job.created, job.ended) == (NOW, None)


def test_a_message_of_any_length_keeps_its_start_and_its_end():
    """An exception says what was wrong at its end, AWS at its start."""
    item = {"jobArn": "arn:1", "status": "Failed", "message": "AccessDenied" + 100_000 * "x" + "OutOfMemory"}
    message = job_of(BEDROCK, item, longest=200).message
    assert len(message) == 200
    assert message.startswith("AccessDenied")
    assert message.endswith("OutOfMemory")
    assert "99823 characters" in message


def test_a_message_that_is_just_short_enough_stays_as_it_is():
    """The limit itself is allowed."""
    item = {"jobArn": "arn:1", "status": "Failed", "message": 200 * "x"}
    assert job_of(BEDROCK, item, longest=200).message == 200 * "x"
    assert job_of(BEDROCK, item, longest=199).message != 200 * "x"


REFINED = BEDROCK.model_copy(
    update={
        "refine": (
            Refinement.model_validate({"from": "failed", "to": "stopped", "when": "isTerminated"}),
            Refinement.model_validate({"from": "succeeded", "to": "partial", "when": "failures"}),
            Refinement.model_validate({"from": "succeeded", "to": "stopped", "when": "isTerminated"}),
        )
    }
)


@pytest.mark.parametrize(
    ("status", "fields", "state"),
    [
        ("Failed", {}, "failed"),
        ("Failed", {"isTerminated": True}, "stopped"),
        ("Failed", {"isTerminated": False}, "failed"),
        ("Failed", {"failures": 3}, "failed"),
        ("Completed", {"failures": 1}, "partial"),
        ("Completed", {"failures": 0.5}, "partial"),
        ("Completed", {"failures": 0}, "succeeded"),
        ("Completed", {"failures": "3 records"}, "partial"),
        ("Completed", {"failures": ""}, "succeeded"),
        ("Completed", {"failures": {"count": 3}}, "succeeded"),
        ("Completed", {"failures": 1, "isTerminated": True}, "partial"),
        ("Completed", {"failures": 0, "isTerminated": True}, "stopped"),
        ("InProgress", {"failures": 1, "isTerminated": True}, "running"),
        ("Pondering", {"failures": 1, "isTerminated": True}, "unknown"),
    ],
)
def test_a_field_that_says_more_than_the_status_refines_the_state(status, fields, state):
    """The first field that holds for its status decides; so does a text."""
    job = job_of(REFINED, {"jobArn": "arn:1", "status": status, **fields})
    assert job.state == State(state)


def read_as(service, key, item):
    """Return the job that an item of a kind of the catalog is read as."""
    kind = CATALOG[service].kinds[key]
    return job_of(kind, {**dict.fromkeys(kind.id, "i"), **item})


@pytest.mark.parametrize(
    ("service", "key", "item", "state", "reason"),
    [
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html, SecondaryStatus
        ("sagemaker", "training_job", ("Stopped", {"SecondaryStatus": "MaxRuntimeExceeded"}), "failed", "timeout"),
        ("sagemaker", "training_job", ("Stopped", {"SecondaryStatus": "MaxWaitTimeExceeded"}), "failed", "timeout"),
        ("sagemaker", "training_job", ("Stopped", {"SecondaryStatus": "Stopped"}), "stopped", None),
        ("sagemaker", "training_job", ("Stopped", {}), "stopped", None),
        ("sagemaker", "training_job", ("Completed", {"SecondaryStatus": "Completed"}), "succeeded", None),
        ("sagemaker", "job", ("Stopped", {"JobSecondaryStatus": "MaxRuntimeExceeded"}), "failed", "timeout"),
        ("sagemaker", "job", ("Stopped", {"JobSecondaryStatus": "Stopped"}), "stopped", None),
        ("sagemaker", "automl_job", ("Stopped", {"AutoMLJobSecondaryStatus": "Stopped"}), "stopped", None),
        (
            *("sagemaker", "automl_job"),
            ("Stopped", {"AutoMLJobSecondaryStatus": "MaxAutoMLJobRuntimeReached"}),
            *("partial", None),
        ),
        (
            *("sagemaker", "automl_job"),
            ("Completed", {"PartialFailureReasons": [{"PartialFailureMessage": "No explainability report"}]}),
            *("partial", None),
        ),
        ("batch", "job", ("FAILED", {"isTerminated": True, "statusReason": "by hand"}), "stopped", None),
        (
            *("batch", "job"),
            ("FAILED", {"isTerminated": True, "statusReason": "Job attempt duration exceeded timeout"}),
            *("failed", "timeout"),
        ),
        (
            *("batch", "job"),
            ("FAILED", {"isCancelled": True, "statusReason": "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Every one"}),
            *("failed", "capacity"),
        ),
        (
            *("batch", "job"),
            (
                "FAILED",
                {
                    "isCancelled": True,
                    "statusReason": "Canceled by JobStateTimeLimit action due to reason: "
                    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
                },
            ),
            *("failed", "capacity"),
        ),
        (
            *("batch", "service_job"),
            (
                "FAILED",
                {
                    "isTerminated": True,
                    "statusReason": "Terminated by JobStateTimeLimit action due to reason: "
                    "MISCONFIGURATION:QUOTA_MANAGEMENT_LIMIT_EXCEEDED",
                },
            ),
            *("failed", "quota_exceeded"),
        ),
        # The parent of an array.
        ("batch", "job", ("PENDING", {"arrayProperties": {"statusSummary": {"RUNNING": 2}}}), "running", None),
        ("batch", "job", ("PENDING", {"arrayProperties": {"statusSummary": {"RUNNING": 0}}}), "pending", None),
        ("batch", "job", ("PENDING", {"arrayProperties": {"statusSummary": {}}}), "pending", None),
        # https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListBackupJobs.html, ByState
        ("backup", "backup_job", ("COMPLETED", {"MessageCategory": "SUCCESS"}), "succeeded", None),
        ("backup", "backup_job", ("COMPLETED", {"MessageCategory": "VSS_ERROR"}), "partial", None),
        ("backup", "backup_job", ("COMPLETED", {}), "succeeded", None),
        ("backup", "restore_job", ("COMPLETED", {"ValidationStatus": "TIMED_OUT"}), "partial", None),
        ("backup", "restore_job", ("COMPLETED", {"ValidationStatus": "VALIDATING"}), "succeeded", None),
        ("rds", "export_task", ("COMPLETE", {"WarningMessage": "Left out: 3 tables"}), "partial", None),
        ("translate", "parallel_data", ("ACTIVE", {"LatestUpdateAttemptStatus": "ACTIVE"}), "succeeded", None),
        (
            *("translate", "parallel_data"),
            ("ACTIVE", {"LatestUpdateAttemptStatus": "FAILED", "Message": "Access denied"}),
            *("failed", "access_denied"),
        ),
    ],
)
def test_the_cause_beside_a_status_is_read_too(service, key, item, state, reason):
    """A limit is no stop by somebody, and a success with a warning is a partial one; a failure has a reason."""
    status, more = item
    kind = CATALOG[service].kinds[key]
    job = read_as(service, key, {kind.status: status, **more})
    assert job.state == State(state)
    if reason:
        classified = CLASSIFIER.classify(job.message, status=job.status, code=job.code, service=service)
        assert classified.reason == reason
    # AWS has nothing to say of the others, so it is not asked.
    assert job.details is None


@pytest.mark.parametrize(
    ("service", "key", "item", "state"),
    [
        ("bedrock", "model_invocation_job", {"successRecordCount": 9, "errorRecordCount": 0}, "succeeded"),
        ("bedrock", "model_invocation_job", {"successRecordCount": 9, "errorRecordCount": 1}, "partial"),
        ("bedrock", "model_invocation_job", {"successRecordCount": 0, "errorRecordCount": 9}, "failed"),
        ("bedrock", "model_invocation_job", {"successRecordCount": 0, "errorRecordCount": 0}, "succeeded"),
        # Neither how many there were nor how many succeeded: some did, as far as anybody knows.
        ("bedrock", "model_invocation_job", {"errorRecordCount": 9}, "partial"),
        ("bedrock", "model_invocation_job", {"totalRecordCount": 9, "errorRecordCount": 9}, "failed"),
        ("sagemaker", "labeling_job", {"LabelCounters": {"TotalLabeled": 0, "FailedNonRetryableError": 4}}, "failed"),
        (
            *("bedrock-agentcore", "batch_evaluation"),
            {"evaluationResults": {"numberOfSessionsCompleted": 0, "numberOfSessionsFailed": 4}},
            "failed",
        ),
        # Counts of successes are not in this list.
        (
            *("bedrock-agent", "ingestion_job"),
            {"statistics": {"numberOfDocumentsScanned": 9, "numberOfDocumentsFailed": 3}},
            "partial",
        ),
        (
            *("bedrock-agent", "ingestion_job"),
            {"statistics": {"numberOfDocumentsScanned": 9, "numberOfDocumentsFailed": 9}},
            "failed",
        ),
        # Several numbers are one count.
        ("glue", "workflow_run", {"Statistics": {"SucceededActions": 1, "TimeoutActions": 1}}, "partial"),
        ("glue", "workflow_run", {"Statistics": {"SucceededActions": 0, "ErroredActions": 1}}, "failed"),
        ("glue", "workflow_run", {"Statistics": {"SucceededActions": 3, "FailedActions": 0}}, "succeeded"),
        ("appflow", "flow_execution", {"executionResult": {"errorInfo": {"putFailuresCount": 2}}}, "partial"),
    ],
)
def test_a_success_is_what_became_of_its_records(service, key, item, state):
    """Where some records failed it is partial, where none succeeded it failed, whatever its status says."""
    kind = CATALOG[service].kinds[key]
    job = read_as(service, key, {kind.status: kind.states[State.SUCCEEDED][0], **item})
    assert job.state == State(state)
    reason = CLASSIFIER.classify(job.message, status=job.status, service=service).reason
    assert (reason == "records_failed") == (state == "failed")


def test_a_partial_success_without_a_success_failed():
    """AWS says that some records were not processed; none of the others succeeded."""
    item = {"jobArn": "arn:1", "status": "PartiallyCompleted", "successRecordCount": 0, "errorRecordCount": 5}
    assert job_of(BEDROCK, item).state is State.FAILED
    assert job_of(BEDROCK, {**item, "status": "Stopped"}).state is State.STOPPED


def test_what_aws_says_of_records_that_failed_comes_first():
    """A message tells more than a count."""
    item = {"jobArn": "arn:1", "status": "Completed", "successRecordCount": 0, "errorRecordCount": 5}
    assert job_of(BEDROCK, item).message == "All 5 records failed"
    assert job_of(BEDROCK, {**item, "message": "Throttled"}).message == "Throttled"


def test_an_item_from_before_there_was_a_status_has_the_one_that_its_absence_meant():
    """ListCustomModels listed only models that were ready to use."""
    kind = CATALOG["bedrock"].kinds["custom_model"]
    item = {"modelArn": "arn:1", "modelName": "n"}
    assert (job_of(kind, item).status, job_of(kind, item).state) == ("Active", State.SUCCEEDED)
    assert job_of(kind, {**item, "modelStatus": "Creating"}).state is State.RUNNING
    assert job_of(BEDROCK, {"jobArn": "arn:1"}).state is State.UNKNOWN


PATHS = {"created": "submitTime", "started": "startTime", "ended": "endTime", "updated": "lastModifiedTime"}
TIMED = BEDROCK.model_copy(update={"times": BEDROCK.times.model_copy(update={"started": "startTime"})})


@pytest.mark.parametrize(
    ("listed", "left"),
    [
        ({"created": 0, "started": 10, "ended": 20, "updated": 30}, {"created", "started", "ended", "updated"}),
        # Whole seconds beside milliseconds.
        ({"created": 0.9, "started": 0, "ended": 0, "updated": 0}, {"created", "started", "ended", "updated"}),
        ({"created": 100, "ended": 20, "updated": 130}, {"created", "updated"}),
        ({"created": 100, "started": 90, "ended": 120}, {"created", "ended"}),
        ({"created": 100, "updated": 90}, {"created"}),
        ({"created": 0, "started": 50, "ended": 20}, {"created", "ended"}),
        ({"started": 50, "ended": 20}, {"ended"}),
    ],
)
def test_times_that_contradict_each_other_are_no_times(listed, left):
    """Nothing ends, starts or changes before it was created, and nothing starts after its end."""
    item = {PATHS[name]: datetime.fromtimestamp(NOW + time, UTC) for name, time in listed.items()}
    job = job_of(TIMED, {"jobArn": "arn:1", "status": "Completed", **item})
    assert {name for name in PATHS if getattr(job, name) is not None} == left
