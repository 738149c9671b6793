"""Credentials that come late: an exporter that started before them reads AWS as soon as they are there."""

import pytest
from botocore.exceptions import NoCredentialsError

from exporter import app
from tests.harness import ACCOUNT, CATALOG, REGION, HandClock, configured, simulated

ROLE = f"arn:aws:iam::{ACCOUNT}:role/aws-job-exporter"


@pytest.fixture
def appear(monkeypatch):
    """Return a function that puts credentials into the environment."""

    def put():
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")

    return put


@pytest.mark.parametrize("account", [{}, {"role_arn": ROLE}], ids=["default chain", "role"])
async def test_an_exporter_that_starts_before_its_credentials_recovers(appear, account):
    """Neither a client nor the session of a role is kept that was made without them."""
    clock = HandClock()
    async with simulated(clock) as aws:
        settings = configured(aws.endpoint_url, {"bedrock": None}, accounts=[account])
        async with app.assembled(settings, CATALOG, REGION, clock=clock) as parts:
            (root,) = parts.roots
            assert await parts.poller.poll(root) is None
            assert root.status.reason == "expired_credentials"
            assert root.status.error == str(NoCredentialsError())
            appear()
            assert await parts.poller.poll(root)
            assert root.status.is_up
