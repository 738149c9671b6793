"""The log: to stderr, in logfmt or JSON, with the keys of Prometheus's own programs (promslog)."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog
from structlog.processors import CallsiteParameter, CallsiteParameterAdder, JSONRenderer, LogfmtRenderer
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

from exporter.text.printable import printable
from exporter.text.redaction import redacted

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}


def configure_logging(level: str, form: str, stream: TextIO | None = None) -> None:
    """Send every log record of the process, those of libraries included, to `stream` (default: stderr)."""
    handler = logging.StreamHandler(stream or _Stderr())
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=_CHAIN,
            processors=[ProcessorFormatter.remove_processors_meta, _RENDERERS[form], _on_one_line],
        )
    )
    # By force, because a reload may configure the log again, and `basicConfig` does nothing if there is a handler.
    logging.basicConfig(handlers=[handler], level=LEVELS[level], force=True)
    # What botocore warns about fails a poll, which is logged once; botocore would add a traceback for each source.
    # Its debug records are never shown: they contain whole requests and responses, with the keys that STS hands out.
    for library in ("aiobotocore", "botocore"):
        logging.getLogger(library).setLevel(logging.INFO if level == "debug" else logging.ERROR)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_CHAIN, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


class _Stderr:
    """What stderr is at that moment: while the exporter serves, the queue of a thread."""

    def write(self, text: str) -> None:
        """Write text."""
        sys.stderr.write(text)

    def flush(self) -> None:
        """Write what is buffered."""
        sys.stderr.flush()


def _promslog(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Name and order the keys as promslog does: time, level, source (`loop.py:120`), msg, then everything else."""
    return {
        # TimeStamper of structlog writes microseconds, promslog milliseconds.
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": "WARN" if event["level"] == "warning" else event["level"].upper(),
        "source": f"{event.pop('filename')}:{event.pop('lineno')}",
        "msg": event.pop("event"),
        **{key: value for key, value in event.items() if key != "level"},
    }


def _without_secrets(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Redact every text, whoever logged it: errors of AWS and of libraries may repeat what they were sent."""
    return {
        key: value if isinstance(value, int | float | None) else redacted(str(value)) for key, value in event.items()
    }


def _on_one_line(_logger: object, _method: str, line: Any) -> str:
    """Escape what the renderers leave in: carriage returns and terminal sequences in the name of a job, say."""
    return printable(line)


_CHAIN: list[Processor] = [
    structlog.stdlib.add_log_level,
    CallsiteParameterAdder({CallsiteParameter.FILENAME, CallsiteParameter.LINENO}),
    structlog.processors.format_exc_info,
    _promslog,
    # After the traceback has become text, so that it is redacted as well.
    _without_secrets,
]

# promslog writes `key=true`; structlog would leave out the value.
_RENDERERS: Mapping[str, Processor] = {"json": JSONRenderer(), "logfmt": LogfmtRenderer(bool_as_flag=False)}
