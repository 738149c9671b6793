"""Links to the AWS console: every pattern of the catalog can be filled, and nothing breaks out of it."""

from urllib.parse import urlsplit

import pytest
from botocore.loaders import Loader

from exporter.catalog import Catalog
from exporter.catalog.models import regions
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
        ("eusc-de-east-1", "eusc-de-east-1.console.amazonaws-eusc.eu"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
        ("us-west-2", "us-west-2.console.aws.amazon.com"),
    ],
)
def test_each_partition_has_its_own_console(region, host):
    """China, the European Sovereign Cloud and the US government have their own."""
    assert urlsplit(KINDS["batch/job"].console_url(region, job(KINDS["batch/job"]))).hostname == host


def test_no_partition_gets_the_link_of_another():
    """Where a partition's console is not known, there is no link: it would lead to a login that nobody there has."""
    partitions = Loader().load_data("partitions")["partitions"]
    kind = KINDS["batch/job"]
    for partition in partitions:
        # Without pseudo regions such as `aws-cn-global`, where no job is.
        for region in partition["regions"].keys() & regions():
            is_commercial = "console.aws.amazon.com" in str(kind.console_url(region, job(kind)))
            assert is_commercial == (partition["id"] == "aws"), region


def test_a_link_that_names_another_host_is_kept():
    """A kind of one's own may link to what only its owner knows."""
    kind = KINDS["batch/job"].model_copy(update={"console": "https://jobs.example.com/{name}"})
    assert str(kind.console_url("us-iso-east-1", job(kind))).startswith("https://jobs.example.com/")


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
