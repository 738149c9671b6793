"""How often a service, and an operation with a quota, is requested under a configuration."""

import pytest

from exporter.catalog import Catalog
from exporter.settings import Rate, Rates, Settings, above_quotas

CATALOG = Catalog()


def rates(**sections):
    """Return the rates of a configuration."""
    return Rates(Settings.model_validate(sections), CATALOG)


def test_a_service_gets_one_request_a_second():
    """Unless the configuration says otherwise of all services, or of one of them, or of its burst alone."""
    assert rates().of_service("glue") == rates().of_service("sts") == Rate(1, 10)
    services = {"glue": {"requests_per_second": 5}, "batch": {"burst": 3}, "emr": None}
    configured = rates(aws={"requests_per_second": 0.5, "burst": 4}, services=services)
    assert configured.of_service("glue") == Rate(5, 4)
    assert configured.of_service("batch") == Rate(0.5, 3)
    assert configured.of_service("emr") == Rate(0.5, 4)


@pytest.mark.parametrize(
    ("service", "operation", "rate"),
    [
        ("emr", "ListSteps", Rate(0.125, 2)),
        ("emr", "ListClusters", Rate(0.125, 5)),
        ("emr-serverless", "ListJobRuns", Rate(0.25, 6)),
        ("mediaconvert", "ListJobs", Rate(0.5, 25)),
        ("stepfunctions", "ListExecutions", Rate(0.5, 25)),
        # Without a documented burst, a second's worth counts.
        ("translate", "ListTextTranslationJobs", Rate(2.5, 2)),
        ("glue", "GetJobRuns", None),
        ("sts", "GetCallerIdentity", None),
    ],
)
def test_an_operation_gets_a_quarter_of_its_quota(service, operation, rate):
    """Where AWS documents one that is lower than the service's rate, or its burst."""
    assert rates().of_operation(service, operation) == rate


def test_the_lower_rate_holds():
    """An operation with a high quota needs no limit of its own, and one with a low quota keeps it in a fast service."""
    assert rates(aws={"burst": 1}).of_operation("translate", "ListTextTranslationJobs") is None
    assert rates(aws={"requests_per_second": 100}).of_operation("emr", "ListSteps") == Rate(0.125, 2)
    assert rates(aws={"requests_per_second": 100}).of_operation("batch", "ListJobs") == Rate(12.5, 12)
    assert rates(aws={"requests_per_second": 12.5, "burst": 12}).of_operation("batch", "ListJobs") is None


def test_the_share_of_a_quota_can_be_another():
    """In an account of its own, the exporter may have all of it."""
    assert rates(aws={"quota_share": 1}).of_operation("emr", "ListSteps") == Rate(0.5, 10)
    assert rates(aws={"quota_share": 1000}).of_operation("emr", "ListSteps") is None


def test_a_services_own_rate_takes_the_place_of_quotas():
    """Who sets one knows the quotas of the account; a burst alone says nothing of the rate."""
    configured = rates(services={"emr": {"requests_per_second": 3}, "emr-serverless": {"burst": 2}})
    assert configured.of_operation("emr", "ListSteps") is None
    assert configured.of_operation("emr-serverless", "ListJobRuns") == Rate(0.25, 6)


def test_shards_share_what_there_is():
    """Each has its part of the rate, and of the burst at least one request."""
    configured = rates(shard={"count": 5, "index": 0})
    assert configured.of_service("emr") == Rate(0.2, 2)
    assert configured.of_operation("emr", "ListSteps") == Rate(0.025, 1)


def test_a_rate_that_uses_up_a_quota_is_told():
    """Exactly as much as AWS documents leaves nothing to others, either."""
    services = {
        "emr": {"requests_per_second": 0.5},
        "translate": {"requests_per_second": 5},
        "stepfunctions": {"burst": 1},
        "mediaconvert": None,
    }
    (sentence,) = above_quotas(Settings.model_validate({"services": services}), CATALOG)
    assert sentence == (
        "services.emr.requests_per_second: 0.5 leaves nothing for others of what AWS documents: "
        "ListClusters (0.5), ListSteps (0.5), DescribeStep (0.5)"
    )
    assert list(above_quotas(Settings(), CATALOG)) == []
