"""What was asked of AWS and what it responded, as it came over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from aiobotocore.session import AioSession
from botocore.model import OperationModel

_ARGUMENTS = "aws_job_exporter_arguments"
"""Key of a request's context."""

_OK = 300
"""The first HTTP status that is none of a success."""


class Taped(NamedTuple):
    """A request that succeeded, and the body of the response."""

    service: str
    operation: str
    arguments: Mapping[str, Any]
    body: bytes


class Tape:
    """Keeps every successful request of a session's clients, in the order of the responses."""

    def __init__(self) -> None:
        self.taped: list[Taped] = []

    def watch(self, session: AioSession) -> None:
        """Register for each call of the clients that the session makes from now on."""
        session.register("provide-client-params", self._note)
        session.register("after-call", self._keep)

    @staticmethod
    def _note(params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        context[_ARGUMENTS] = dict(params)

    async def _keep(self, http_response: Any, model: OperationModel, context: Mapping[str, Any], **_: Any) -> None:
        if http_response.status_code < _OK:
            # Read before: aiobotocore keeps it.
            body = await http_response.content
            self.taped.append(Taped(model.service_model.service_name, model.name, context[_ARGUMENTS], body))
