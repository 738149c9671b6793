"""The text of a failure message decides its reason; the status and the code take precedence."""

import itertools
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from exporter.jobs import FAILURES, Reason
from exporter.reasons import LONGEST, Classifier, Rule

MESSAGES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "failure_messages.jsonl").read_text().splitlines()
]
BUILT_IN = Classifier.built_in()
HOSTILE = [
    "a",
    "! ",
    "((a+)+)+$",
    "exceed",
    "insufficient",
    "_not_found",
    "unable to acquire ",
    "exit 13 ",
    "n't ",
    "\0",
]


def reason(message: str, **known: str) -> Reason:
    """Return just the reason, by the built-in rules."""
    return BUILT_IN.classify(message, **known).reason


def test_labeled_messages():
    """At least 85 of 100 labeled messages get their reason: people do not agree on more."""
    right = [reason(row["message"], service=row["service"]) == row["reason"] for row in MESSAGES]
    assert sum(right) / len(right) >= 0.85


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        # Said in public, and unknown to the rules until then.
        ("timeout", "the inspection of the container timed out after 30s"),
        ("timeout", "On the master instance (i-1), bootstrap action 1 timed out executing"),
        ("internal_error", "On the master instance (i-1), after bootstrap Hadoop failed to launch"),
        ("invalid_input", "YAML_FILE_ERROR: did not find expected ',' or ']' at line 19"),
        ("out_of_memory", "Query exhausted resources at this scale factor"),
        ("invalid_input", "the storage URI is not in ACTIVE state"),
        ("dependency", "States.TaskFailed: An attempt was made to invoke a function, with what result is unknown"),
        ("quota_exceeded", "Max concurrent runs exceed"),
        ("dependency", "HEALTH_CONSTRAINTS: too many individual instances failed deployment"),
        ("dependency", "Constraint 'default' requires a minimum of 1 healthy hosts"),
        ("records_failed", "Too many users have failed or been skipped"),
        ("invalid_input", "Subnet is required : type m4.large can only be used in a VPC."),
        ("invalid_input", "the subnet configuration was invalid: subnet-1 does not exist"),
        ("invalid_input", "The zones for subnets [subnet-1] are currently not supported."),
        ("dependency", "The following resource(s) failed to create: [Role]. Rollback requested by user."),
        # SageMaker's prefix names a side, not a cause.
        ("access_denied", "ClientError: ClientError: Data download failed: S3 said AccessDenied"),
        ("network", "ClientError: Data download failed: is there a route from the subnet to S3?"),
        ("not_found", "ClientError: Artifact download failed: (404): The key does not exist."),
        ("invalid_input", "ClientError: the ways of this job are strange"),
        # The words of user code prove nothing, except about memory, disk and hyperparameters.
        ("code_error", "AlgorithmError: Traceback ... ConnectTimeout: request timed out"),
        ("code_error", "AlgorithmError: PermissionError: [Errno 13] Permission denied: '/opt/model'"),
        ("code_error", "AlgorithmError: Traceback ... KeyError: 'hyperparameters'"),
        ("out_of_memory", "AlgorithmError: ExecuteUserScriptError: CUDA out of memory"),
        ("out_of_memory", "AlgorithmError: the script ended, exit code: 137"),
        ("resource_exhausted", "AlgorithmError: OSError: [Errno 28] No space left on device"),
        ("invalid_input", "AlgorithmError: Hyperparameter depth must be positive"),
        # A platform error may wrap anything, and its white space has changed over the years.
        ("internal_error", "InternalServerError: the pull of the image timed out"),
        ("internal_error", "  InternalServerError: \n\tWe hit an internal\n error."),
        # Exit code 137 has several causes.
        ("out_of_memory", "Task failed with exit code 137"),
        ("timeout", "Job attempt duration exceeded timeout; container exit code: 137"),
        ("code_error", "The container timed out on its own watchdog: exit code 137"),
        # Words that resemble another reason.
        ("other", "layer copy: context canceled"),
        ("network", "POST https://api.example: context deadline exceeded"),
        ("quota_exceeded", "No worker fits: the application is at its maximumCapacity"),
        ("other", "Please try again"),
        ("network", "A security group has to let in all ports, limited to the same security group if you like"),
        ("other", "Lost (Request ID: 403-137-429)"),
        ("access_denied", "Could not assume role r, which does not exist or is not set up"),
        ("not_found", "No S3 objects found under s3://b/p; see that the role has permissions to list it"),
        ("network", "Could not find a NAT gateway for subnet-1"),
        ("code_error", "ModuleNotFoundError: No module named 'pandas'"),
        # Message formats of particular services.
        ("capacity", "Canceled by JobStateTimeLimit action due to reason: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"),
        ("access_denied", "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS"),
        ("quota_exceeded", "Terminated by JobStateTimeLimit action: MISCONFIGURATION:QUOTA_MANAGEMENT_LIMIT_EXCEEDED"),
        ("invalid_input", "MISCONFIGURATION:SERVICE_ENVIRONMENT_MAX_RESOURCE - The capacity cannot be met"),
        ("invalid_input", "ACTION_REQUIRED - CE(s) of the queue are invalid."),
        ("throttled", '["Encountered error: Too many requests. Call to Embedding model did not succeed."]'),
        ("resource_exhausted", "Job failed, see the logs. ExitCode: 1. Last few exceptions: No space left on device"),
        ("invalid_input", "JobName:a and JobRunId:jr_1 failed to execute with exception GlueVersion is not valid"),
        ("access_denied", "LAUNCH ERROR | Access Denied (Status Code: 403)Please refer logs for details."),
        ("not_found", "org.apache.spark.sql.AnalysisException: Path does not exist: s3://b/p"),
    ],
)
def test_traps(expected, message):
    """A message that resembles several reasons gets the one that its sentence means."""
    assert reason(message) == expected


@pytest.mark.parametrize(
    "message", ["", " \n", "[]", "Unknown error", "Job failed.", "Please see the CloudWatch logs."]
)
def test_no_cause(message):
    """A message without a cause is `unspecified`, not `other`: AWS said nothing, the rules missed nothing."""
    assert reason(message) == Reason.UNSPECIFIED


@pytest.mark.parametrize(
    ("expected", "status"),
    [
        ("timeout", "MaxRuntimeExceeded"),
        ("timeout", "MaxWaitTimeExceeded"),
        ("timeout", "TIMEOUT"),
        ("timeout", "TIMED_OUT"),
        ("timeout", "Expired"),
        ("cancelled", "Stopped"),
        ("cancelled", "ABORTED"),
        ("cancelled", "CANCELLED"),
        ("unspecified", "CANCEL_FAILED"),
        ("unspecified", "FAILED"),
    ],
)
def test_status(expected, status):
    """A time-out and a stop are read from the whole status where the message is empty."""
    assert reason("", status=status) == expected


def test_status_before_text():
    """A job that was stopped is canceled, whatever its message goes on to say."""
    assert reason("Access Denied", status="STOPPED") == Reason.CANCELLED


@pytest.mark.parametrize(
    ("expected", "code"),
    [
        ("access_denied", "ACCESS_DENIED"),
        ("access_denied", "ASSUME_ROLE_FAILED"),
        ("invalid_input", "INVALID_MANIFEST"),
        ("not_found", "RESOURCE_NOT_FOUND"),
        ("throttled", "THROTTLED"),
        ("internal_error", "INTERNAL_ERROR"),
        ("internal_error", "InternalError"),
        ("timeout", "States.Timeout"),
        ("out_of_memory", "137"),
        ("code_error", "1"),
    ],
)
def test_code(expected, code):
    """A code decides where the message says nothing useful."""
    assert reason("The job is over.", code=code) == expected


def test_service():
    """A rule for one service leaves the others alone: Glue's exit code 10 is memory, no one else's is."""
    message = "Command failed with exit code 10"
    assert reason(message, service="glue") == Reason.OUT_OF_MEMORY
    assert reason(message, service="batch") == Reason.CODE_ERROR


def test_first_match_wins():
    """Where several rules match, the first decides and is named."""
    first, second = Rule(name="first", reason="capacity", text="x"), Rule(name="second", reason="network", text="x")
    assert Classifier([first, second]).classify("xyz") == (Reason.CAPACITY, first)


def test_custom_rules_win():
    """Rules of the user stand before the built-in ones."""
    own = Rule(name="our licence server", reason="dependency", text="FLEXLM")
    found = Classifier.built_in([own]).classify("AlgorithmError: flexlm: access denied")
    assert found == (Reason.DEPENDENCY, own)


def test_all_conditions_must_match():
    """A rule with a status and a text requires both."""
    both = Classifier([Rule(name="both", reason="capacity", status="FAILED", text=["a", "b"])])
    assert both.classify("b", status="failed").reason == Reason.CAPACITY
    assert both.classify("b", status="STOPPED").rule is None
    assert both.classify("c", status="FAILED").rule is None


def test_nothing_matches():
    """A cause that no rule knows becomes `other`, without a rule."""
    assert BUILT_IN.classify("Lorem ipsum dolor sit amet") == (Reason.OTHER, None)


def test_every_reason_has_a_message():
    """Each reason occurs among the labeled and empty messages, and those of the exporter."""
    said = ["", "All 9 records failed", *(row["message"] for row in MESSAGES)]
    assert {reason(message) for message in said} == set(FAILURES)


def test_rules_have_unique_names():
    """A name says which rule matched, so no two rules share one."""
    names = [rule.name for rule in BUILT_IN.rules]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("complaint", "rule"),
    [
        (r"rule 'bad': '\(' is not a regular expression: missing \)", {"reason": "network", "text": "("}),
        ("rule 'bad': 7 is not a regular expression", {"reason": "network", "text": ["x", 7]}),
        ("rule 'bad': an empty expression", {"reason": "network", "text": ""}),
        ("rule 'bad': an empty expression", {"reason": "network", "status": []}),
        ("rule 'bad' needs a status or a text", {"reason": "network"}),
        ("Input should be 'access_denied', 'not_found'", {"reason": "bad_luck", "text": "x"}),
        ("txt\n  Extra inputs are not permitted", {"reason": "network", "txt": "x"}),
    ],
)
def test_invalid_rules(complaint, rule):
    """A rule that cannot work is reported in one line."""
    with pytest.raises(ValidationError, match=complaint):
        TypeAdapter(list[Rule]).validate_python([{"name": "bad", **rule}])


def test_long_message_is_cut():
    """A cause within the examined length counts, one beyond it does not."""
    assert reason("x " * (LONGEST // 4) + "access denied") == Reason.ACCESS_DENIED
    assert reason("x " * LONGEST + "access denied") == Reason.OTHER


@pytest.mark.parametrize("seed", HOSTILE)
def test_hostile_message_is_cheap(seed):
    """100 kB written to trap regular expressions cost no more than trying all of them on two ordinary ones."""
    ordinary = ("The model returned no output for the record. " * LONGEST)[:LONGEST]
    start = time.process_time()
    assert not any(pattern.search(ordinary) for rule in BUILT_IN.rules for pattern in rule.text)
    assert cost(seed) < 2 * (time.process_time() - start)


NUMBERS = itertools.count()


def cost(seed):
    """Return the CPU time that a message of 100 kB takes, in seconds."""
    # Never the same message twice: what was classified before is remembered.
    message = f"{next(NUMBERS)} " + seed * (100_000 // len(seed))
    start = time.process_time()
    reason(message)
    return time.process_time() - start


def test_a_message_that_was_seen_before_is_not_examined_again():
    """Jobs that fail together fail with the same words: a hundred thousand of them must not take seconds."""
    new = sum(cost("another message of many kilobytes without cause ") for _ in range(100))
    message = "no rule knows this message " + "x" * 4000
    start = time.process_time()
    for _ in range(100):
        reason(message)
    assert time.process_time() - start < new / 5


@given(message=st.text(), status=st.text(), code=st.text())
def test_any_text_has_a_reason(message, status, code):
    """Whatever AWS sends, there is a reason and never an exception."""
    assert BUILT_IN.classify(message, status=status, code=code).reason in Reason


def test_rules_that_differ_anywhere_have_another_identity():
    """Reasons that were stored under other rules are determined anew: the user's own rules, or those of an update."""
    texts = ["x" * 500, "x" * 499 + "y"]
    rules = [Rule(name="own", reason=Reason.DEPENDENCY, text=text) for text in texts]
    classifiers = [Classifier.built_in(), *(Classifier.built_in([rule]) for rule in rules), Classifier(rules)]
    assert len({each.identity for each in classifiers}) == 4
    assert Classifier.built_in().identity == Classifier.built_in().identity
