"""What every test of a command stands on."""

import logging

import pytest
import structlog


@pytest.fixture(autouse=True)
def restored_logging():
    """Give the process its logging back: a command takes it over."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
