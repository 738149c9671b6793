"""Counts and times the requests to AWS."""

from __future__ import annotations

import logging
import time
from typing import Any

from aiobotocore.session import AioSession
from botocore.model import OperationModel, ServiceModel

from exporter.aws.caller import caller_of
from exporter.aws.poll_error import KNOWN_CODES
from exporter.telemetry import Telemetry

_LOG = logging.getLogger(__name__)


class Meter:
    """Counts and times each request of a session's clients, retries included."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def watch(self, session: AioSession) -> None:
        """Register for each call, each attempt and each response of a session's clients."""
        session.register("before-call", self._note_model)
        session.register("request-created", self._start)
        session.register("response-received", self._end)
        session.register("after-call-error", self._fail)

    def _note_model(self, model: OperationModel, context: dict[str, Any], **_: Any) -> None:
        context[_MODEL] = model

    def _start(self, request: Any, **_: Any) -> None:
        # The limiter's hook comes before this one, so the wait for the rate limit does not count as AWS's time.
        request.context[_STARTED] = time.monotonic()

    def _end(self, context: dict[str, Any], exception: Any, parsed_response: Any, **_: Any) -> None:
        code = type(exception).__name__ if exception else _code(parsed_response, context[_MODEL].service_model)
        self._note(context, code)

    def _fail(self, context: dict[str, Any], exception: Exception, **_: Any) -> None:
        """Note a response that could not be read, for which botocore emits no `response-received`."""
        # botocore emits the event as well if it sent no request, or if `_end` has noted the response.
        if _STARTED in context:
            self._note(context, type(exception).__name__)

    def _note(self, context: dict[str, Any], code: str) -> None:
        model, took = context[_MODEL], time.monotonic() - context.pop(_STARTED)
        service, operation = model.service_model.service_name, model.name
        self._telemetry.requested(service, operation, code, took)
        caller_of(context).poll.requests[service, operation] += 1
        _LOG.debug("%s %s returned %s after %.3f s", service, operation, code, took)


_MODEL, _STARTED = "aws_job_exporter_model", "aws_job_exporter_started"
"""Keys of a request's context."""


def _code(response: Any, model: ServiceModel) -> str:
    """Return AWS's error code, or the HTTP status if there is none."""
    code = str(response.get("Error", {}).get("Code"))
    # The code becomes a label, and a proxy that responds in AWS's place may write anything there.
    is_known = code in KNOWN_CODES or model.shape_for_error_code(code) is not None
    return code if is_known else str(response["ResponseMetadata"]["HTTPStatusCode"])
