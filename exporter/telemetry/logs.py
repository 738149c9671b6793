"""The log: to stderr, in logfmt or JSON, with the keys that Prometheus' own programs write."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor

from exporter.text.printable import printable
from exporter.text.redaction import redacted

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
    # What they warn of fails a poll, which is logged once; they would do so with a traceback for each source. Their
    # debugging holds whole requests and answers, with the keys that STS hands out: nobody gets to see it.
    for library in ("aiobotocore", "botocore"):
        logging.getLogger(library).setLevel(logging.INFO if level == "debug" else logging.ERROR)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_CHAIN,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _logfmt(_logger: object, _method: str, event: EventDict) -> str:
    """Render a record on one line, whatever its values hold: what is not plain is quoted as JSON quotes it."""
    first = [key for key in ("time", "level", "source", "msg") if key in event]
    keys = [*first, *(key for key in event if key not in first)]
    return " ".join(f"{key}={_quoted(event[key])}" for key in keys)


def _quoted(value: object) -> str:
    text = str(value).lower() if value is None or isinstance(value, bool) else str(value)
    return (
        text if text == printable(text) and _PLAIN.fullmatch(text) else printable(json.dumps(text, ensure_ascii=False))
    )


_PLAIN = re.compile(r"[^\s\"=]*")


def _upper_level(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {**event, "level": "WARN" if event["level"] == "warning" else event["level"].upper()}


def _headed(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Begin with when, how grave and where, as promslog does: `source=loop.py:120`."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    source = f"{event.pop('filename')}:{event.pop('lineno')}"
    return {"time": now, "level": event.pop("level"), "source": source, **event}


def _discreet(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Take out what looks like a secret, whoever logged it."""
    return {
        key: value if isinstance(value, int | float | None) else redacted(str(value)) for key, value in event.items()
    }


_PLACE = structlog.processors.CallsiteParameter

_CHAIN: list[Processor] = [
    structlog.stdlib.add_log_level,
    _upper_level,
    structlog.processors.CallsiteParameterAdder({_PLACE.FILENAME, _PLACE.LINENO}),
    _headed,
    structlog.processors.format_exc_info,
    structlog.processors.EventRenamer("msg"),
    _discreet,
]
"""Gives a record the keys of Prometheus' promslog."""

_RENDERERS: Mapping[str, Processor] = {
    "json": structlog.processors.JSONRenderer(lambda event, **options: printable(json.dumps(event, **options))),
    "logfmt": _logfmt,
}
