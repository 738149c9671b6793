"""Counts and times what is asked of AWS."""

from __future__ import annotations

import logging
import time
from typing import Any

from aiobotocore.session import AioSession
from botocore.model import OperationModel, ServiceModel

from exporter.aws.poll import poll_of
from exporter.aws.poll_error import KNOWN_CODES
from exporter.telemetry import Telemetry

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
        session.register("after-call-error", self._failed)

    def _called(self, model: OperationModel, context: dict[str, Any], **_: Any) -> None:
        context[_MODEL] = model

    def _began(self, request: Any, **_: Any) -> None:
        request.context[_BEGAN] = time.monotonic()

    def _ended(self, context: dict[str, Any], exception: Any, parsed_response: Any, **_: Any) -> None:
        code = type(exception).__name__ if exception else _code(parsed_response, context[_MODEL].service_model)
        self._note(context, code)

    def _failed(self, context: dict[str, Any], exception: Exception, **_: Any) -> None:
        """Note an answer that could not be read: botocore does not tell that it was received."""
        if _BEGAN in context:
            self._note(context, type(exception).__name__)

    def _note(self, context: dict[str, Any], code: str) -> None:
        model, took = context[_MODEL], time.monotonic() - context.pop(_BEGAN)
        service, operation = model.service_model.service_name, model.name
        self._telemetry.request_duration.labels(service, operation).observe(took)
        self._telemetry.requests.labels(service, operation, code).inc()
        poll_of(context).requests += 1
        _LOG.debug("%s %s answered %s after %.3f s", service, operation, code, took)


_MODEL, _BEGAN = "aws_job_exporter_model", "aws_job_exporter_began"
"""Where a request's context keeps what the answer is measured by."""


def _code(answer: Any, model: ServiceModel) -> str:
    """Return the error code of AWS's, else the HTTP status."""
    code = str(answer.get("Error", {}).get("Code"))
    # A label of a metric: whoever answers in AWS's place may write anything there.
    is_known = code in KNOWN_CODES or model.shape_for_error_code(code) is not None
    return code if is_known else str(answer["ResponseMetadata"]["HTTPStatusCode"])
