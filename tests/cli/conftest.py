"""What every test of a command stands on."""

import pytest


@pytest.fixture(autouse=True)
def commands_take_over_logging(restored_logging: None) -> None:
    """Give the process its logging back after each."""
