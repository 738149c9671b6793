"""The log: to stderr, in logfmt or JSON, with the keys that Prometheus' own programs write."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}


def configure_logging(level: str, form: str, stream: TextIO | None = None) -> None:
    """Send every log record of the process, those of libraries included, to `stream` (stderr) in one form."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_CHAIN,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _RENDERERS[form]],
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=LEVELS[level], force=True)
    # What they warn of fails a poll, which is logged once; they would do so with a traceback for each source.
    for library in ("aiobotocore", "botocore"):
        logging.getLogger(library).setLevel(logging.DEBUG if level == "debug" else logging.ERROR)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_CHAIN,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _upper_level(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {**event, "level": event["level"].upper()}


_CHAIN: list[Processor] = [
    structlog.stdlib.add_log_level,
    _upper_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.format_exc_info,
    structlog.processors.EventRenamer("msg"),
]
"""Gives a record the keys of Prometheus' promslog."""

_RENDERERS: Mapping[str, Processor] = {
    "json": structlog.processors.JSONRenderer(),
    "logfmt": structlog.processors.LogfmtRenderer(key_order=("time", "level", "msg"), drop_missing=True),
}
