"""What the tests of the event log share."""

import pytest
from structlog.testing import capture_logs


@pytest.fixture
def logged():
    """Return what is logged."""
    with capture_logs() as lines:
        yield lines
