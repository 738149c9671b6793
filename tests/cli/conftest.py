"""What all tests of commands share."""

import pytest


@pytest.fixture(autouse=True)
def commands_take_over_logging(restored_logging: None) -> None:
    """Restore the logging of the process after each test."""
