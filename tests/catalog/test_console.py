"""Links to the AWS console: every pattern of the catalog can be filled, and nothing breaks out of it."""

from urllib.parse import urlsplit

import pytest

from exporter.catalog import Catalog
from exporter.jobs import Job, State

CATALOG = Catalog()
KINDS = {str(kind): kind for kind in CATALOG.kinds()}
WITH_CONSOLE = {name: kind for name, kind in KINDS.items() if kind.console}


def job(kind, **fields):
    """Return a job whose id has as many parts as its kind's."""
    parts = [f"part{number}" for number, _ in enumerate(kind.id)]
    identifier = "/".join(parts) if len(parts) > 1 else "arn:aws:service:us-east-1:1:job/abc-1"
    return Job(**{"id": identifier, "name": "nightly", "status": "Failed", "state": State.FAILED, **fields})


@pytest.mark.parametrize("kind", WITH_CONSOLE.values(), ids=str)
def test_every_pattern_can_be_filled(kind):
    """No placeholder is left, and the link is in the job's region."""
    url = kind.console_url("eu-west-1", job(kind))
    assert urlsplit(url).hostname == "eu-west-1.console.aws.amazon.com"
    assert "{" not in url


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("sagemaker/training_job", "sagemaker/home?region=us-east-1#/jobs/nightly"),
        ("batch/job", "batch/home?region=us-east-1#jobs/detail/abc-1"),
        ("glue/job_run", "gluestudio/home?region=us-east-1#/job/part0/run/part1"),
        (
            "stepfunctions/execution",
            "states/home?region=us-east-1#/v2/executions/details/arn:aws:service:us-east-1:1:job/abc-1",
        ),
        ("bedrock/model_invocation_job", "bedrock/home?region=us-east-1#/batch-inference"),
    ],
)
def test_a_job_links_to_its_page(kind, url):
    """The link uses its name, its id, the end of its id, or a part of it."""
    found = KINDS[kind].console_url("us-east-1", job(KINDS[kind]))
    assert found == f"https://us-east-1.console.aws.amazon.com/{url}"


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
        ("us-west-2", "us-west-2.console.aws.amazon.com"),
    ],
)
def test_each_partition_has_its_own_console(region, host):
    """China and the US government have their own."""
    assert urlsplit(KINDS["batch/job"].console_url(region, job(KINDS["batch/job"]))).hostname == host


def test_a_hostile_name_is_quoted():
    """Whatever does not belong in an address is quoted."""
    kind = KINDS["sagemaker/training_job"]
    url = kind.console_url("us-east-1", job(kind, name='"><script>#?&{id}'))
    assert str(url).endswith("#/jobs/%22%3E%3Cscript%3E%23%3F%26%7Bid%7D")


def test_without_a_pattern_there_is_no_link():
    """The same holds where the id lacks the parts that the pattern needs."""
    kind = next(kind for kind in KINDS.values() if not kind.console)
    assert kind.console_url("us-east-1", job(kind)) is None
    run = KINDS["glue/job_run"]
    assert run.console_url("us-east-1", job(run, id="only-one")) is None
