"""Links to the AWS console: every pattern of the catalog can be filled, and nothing breaks out of it."""

from urllib.parse import unquote, urlsplit

import pytest
from botocore.loaders import Loader

from exporter.catalog import Catalog
from exporter.catalog.models import regions
from exporter.jobs import Job, SourceKey, State

CATALOG = Catalog()
KINDS = {str(kind): kind for kind in CATALOG.kinds()}
WITH_CONSOLE = {name: kind for name, kind in KINDS.items() if kind.console}
WITH_LOGS = {name: kind for name, kind in KINDS.items() if kind.logs}


def source(kind, region="us-east-1", scope="arn:aws:service:us-east-1:1:scope/orders"):
    """Return the key of a source of a kind."""
    return SourceKey("111122223333", region, kind.service, kind.key, scope if kind.scopes else "")


def job(kind, **fields):
    """Return a job whose id has as many parts as its kind's."""
    parts = [f"part{number}" for number, _ in enumerate(kind.id)]
    identifier = "/".join(parts) if len(parts) > 1 else "arn:aws:service:us-east-1:1:task/t-1/job/abc-1"
    return Job(**{"id": identifier, "name": "nightly", "status": "Failed", "state": State.FAILED, **fields})


@pytest.mark.parametrize("kind", WITH_CONSOLE.values(), ids=str)
def test_every_pattern_can_be_filled(kind):
    """No placeholder is left, and the link is in the job's region."""
    url = kind.console_url(source(kind, "eu-west-1"), job(kind))
    assert urlsplit(url).hostname == "eu-west-1.console.aws.amazon.com"
    assert "{" not in url


@pytest.mark.parametrize("kind", WITH_LOGS.values(), ids=str)
def test_every_log_group_can_be_filled(kind):
    """The name of the group, and of the streams, has no placeholder left."""
    url = kind.log_url(source(kind, "eu-west-1"), job(kind))
    assert url.startswith("https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:")
    assert "7B" not in url


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("sagemaker/training_job", "sagemaker/home?region=us-east-1#/jobs/nightly"),
        ("batch/job", "batch/home?region=us-east-1#jobs/detail/abc-1"),
        ("glue/job_run", "gluestudio/home?region=us-east-1#/job/part0/run/part1"),
        (
            "stepfunctions/execution",
            "states/home?region=us-east-1#/v2/executions/details/arn:aws:service:us-east-1:1:task/t-1/job/abc-1",
        ),
        ("bedrock/model_invocation_job", "bedrock/home?region=us-east-1#/batch-inference"),
        ("emr/step", "emr/home?region=us-east-1#/clusterDetails/orders"),
    ],
)
def test_a_job_links_to_its_page(kind, url):
    """The link uses its name, its id, the end of its id, or a part of it, or the end of the scope's."""
    found = KINDS[kind].console_url(source(KINDS[kind]), job(KINDS[kind]))
    assert found == f"https://us-east-1.console.aws.amazon.com/{url}"


def test_the_link_says_whose_build_it_is():
    """CodeBuild's pages have the account in their path."""
    build = KINDS["codebuild/build"]
    url = build.console_url(source(build, scope="web"), job(build, id="web:0a1b"))
    assert str(url).endswith("/codesuite/codebuild/111122223333/projects/web/build/web:0a1b/?region=us-east-1")


def test_a_task_is_found_in_the_id_of_its_execution():
    """DataSync's list has nothing but the ARN of the execution."""
    execution = KINDS["datasync/task_execution"]
    arn = "arn:aws:datasync:us-east-1:1:task/task-1/execution/exec-2"
    assert str(execution.console_url(source(execution), job(execution, id=arn))).endswith("#/history/task-1/exec-2")
    assert execution.console_url(source(execution), job(execution, id="exec-2")) is None


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("eu-west-1", "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1"),
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn/cloudwatch/home?region=cn-north-1"),
    ],
)
def test_a_job_links_to_its_log_streams(region, url):
    """As in sagemaker-ssh-helper of aws-samples, which opens these pages."""
    group = "$252Faws$252Fsagemaker$252FTrainingJobs"
    link = KINDS["sagemaker/training_job"].log_url(source(KINDS["sagemaker/training_job"], region), job_named("a-1"))
    assert link == f"{url}#logsV2:log-groups/log-group/{group}$3FlogStreamNameFilter$3Da-1$252F"


def job_named(name):
    """Return a training job."""
    return job(KINDS["sagemaker/training_job"], name=name)


def test_a_log_group_of_a_scope_has_no_filter():
    """The name of the group is all that is known of a build's log."""
    build = KINDS["codebuild/build"]
    assert str(build.log_url(source(build, scope="web"), job(build))).endswith(
        "/log-group/$252Faws$252Fcodebuild$252Fweb"
    )


@pytest.mark.parametrize("name", ["a/b", "100% $5", '"><script>', "#?&=", "é", "$252F"])
def test_the_console_reads_the_name_that_aws_has(name):
    """It decodes twice, with percents for dollars; nothing in a name is left that it would take for its own."""
    link = str(KINDS["sagemaker/training_job"].log_url(source(KINDS["sagemaker/training_job"]), job_named(name)))
    escaped = link.rpartition("$3D")[2]
    assert unquote(unquote(escaped.replace("$", "%"))) == f"{name}/"
    assert not set('%#?&/"<>') & set(escaped)


def test_there_is_no_log_where_it_is_not_known():
    """No log group in the catalog, no name, or no public console: a link would lead nowhere."""
    kind = next(kind for kind in KINDS.values() if not kind.logs)
    training = KINDS["sagemaker/training_job"]
    assert kind.log_url(source(kind), job(kind)) is None
    assert training.log_url(source(training), job_named("")) is None
    assert training.log_url(source(training, "us-iso-east-1"), job_named("a")) is None


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
    assert (
        urlsplit(KINDS["batch/job"].console_url(source(KINDS["batch/job"], region), job(KINDS["batch/job"]))).hostname
        == host
    )


def test_no_partition_gets_the_link_of_another():
    """Where a partition's console is not known, there is no link: it would lead to a login that nobody there has."""
    partitions = Loader().load_data("partitions")["partitions"]
    kind = KINDS["batch/job"]
    for partition in partitions:
        # Without pseudo regions such as `aws-cn-global`, where no job is.
        for region in partition["regions"].keys() & regions():
            is_commercial = "console.aws.amazon.com" in str(kind.console_url(source(kind, region), job(kind)))
            assert is_commercial == (partition["id"] == "aws"), region


def test_a_link_that_names_another_host_is_kept():
    """A kind of one's own may link to what only its owner knows."""
    kind = KINDS["batch/job"].model_copy(update={"console": "https://jobs.example.com/{name}"})
    assert str(kind.console_url(source(kind, "us-iso-east-1"), job(kind))).startswith("https://jobs.example.com/")


def test_a_hostile_name_is_quoted():
    """Whatever does not belong in an address is quoted."""
    kind = KINDS["sagemaker/training_job"]
    url = kind.console_url(source(kind), job(kind, name='"><script>#?&{id}'))
    assert str(url).endswith("#/jobs/%22%3E%3Cscript%3E%23%3F%26%7Bid%7D")


def test_without_a_pattern_there_is_no_link():
    """The same holds where the id lacks the parts that the pattern needs, or the job has no name."""
    kind = next(kind for kind in KINDS.values() if not kind.console)
    assert kind.console_url(source(kind), job(kind)) is None
    run = KINDS["glue/job_run"]
    assert run.console_url(source(run), job(run, id="only-one")) is None
    training = KINDS["sagemaker/training_job"]
    assert training.console_url(source(training), job_named("")) is None
