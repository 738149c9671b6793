"""Counts and times what is asked of AWS."""

from __future__ import annotations

import logging
import re
import time
from typing import Any

from aiobotocore.session import AioSession
from botocore.model import OperationModel

from exporter.telemetry import POLLED, Telemetry

_LOG = logging.getLogger(__name__)


class Meter:
    """Counts and times each request of a session's clients, retries included."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def watch(self, session: AioSession) -> None:
        """Have botocore tell of each call, each attempt and each answer."""
        session.register("before-call", self._called)
        session.register("request-created", self._began)
        session.register("response-received", self._ended)

    def _called(self, model: OperationModel, context: dict[str, Any], **_: Any) -> None:
        context[_SERVICE] = model.service_model.service_name

    def _began(self, request: Any, **_: Any) -> None:
        request.context[_BEGAN] = time.monotonic()

    def _ended(self, event_name: str, context: dict[str, Any], exception: Any, parsed_response: Any, **_: Any) -> None:
        service, operation = context[_SERVICE], event_name.rpartition(".")[2]
        took, code = time.monotonic() - context[_BEGAN], _code(exception, parsed_response)
        self._telemetry.request_duration.labels(service, operation).observe(took)
        self._telemetry.requests.labels(service, operation, code).inc()
        if status := POLLED.get():
            status.calls += 1
        _LOG.debug("%s %s answered %s after %.3f s", service, operation, code, took)


_SERVICE, _BEGAN = "aws_job_exporter_service", "aws_job_exporter_began"
"""Where a request's context keeps what the answer is measured by."""


def _code(exception: Exception | None, answer: Any) -> str:
    """Return AWS's error code, else the HTTP status, else the name of what went wrong on the way."""
    if exception is not None or not answer:
        return type(exception).__name__
    code = str(answer.get("Error", {}).get("Code"))
    # A label of a metric: whoever answers in AWS's place may write anything there.
    return code if _CODE.fullmatch(code) else str(answer["ResponseMetadata"]["HTTPStatusCode"])


_CODE = re.compile(r"(?!None$)[A-Za-z0-9.:_-]{1,100}")
