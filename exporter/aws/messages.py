"""The messages of a queue (SQS): received, and deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from exporter.aws.clients import LONGEST_WAIT, Clients, Place
from exporter.aws.items import text
from exporter.aws.poll import PollRun
from exporter.aws.poll_error import BadResponseError, PollError, error_reason

_MOST = 10
"""Messages that SQS hands out, or deletes, at once."""


class Message(NamedTuple):
    """A message that nobody else is shown for the moment."""

    receipt: str
    """By which it is deleted."""
    body: str


class Messages:
    """The messages of one queue. Every error is raised."""

    def __init__(self, clients: Clients, place: Place, url: str) -> None:
        self._clients = clients
        self._place = place
        self._url = url

    async def receive(self, poll: PollRun, wait: int = LONGEST_WAIT) -> list[Message]:
        """Return some messages, at most ten, as soon as there are any; none if none came for `wait` seconds."""
        response = await self._call(poll, "ReceiveMessage", MaxNumberOfMessages=_MOST, WaitTimeSeconds=wait)
        return [Message(text(each.get("ReceiptHandle")), text(each.get("Body"))) for each in _listed(response)]

    async def delete(self, poll: PollRun, messages: Sequence[Message]) -> None:
        """Delete messages; raises PollError if SQS keeps one, which it will hand out again."""
        entries = [{"Id": str(number), "ReceiptHandle": each.receipt} for number, each in enumerate(messages)]
        response = await self._call(poll, "DeleteMessageBatch", Entries=entries)
        if failed := response.get("Failed"):
            code, words = text(failed[0].get("Code")), text(failed[0].get("Message"))
            reason = error_reason({"Error": {"Code": code}})
            raise PollError(
                reason, f"DeleteMessageBatch left {len(failed)} of {len(entries)} messages: {words} ({code})"
            )

    async def probe(self, poll: PollRun) -> None:
        """Try both operations, and take no message away from whoever else reads the queue."""
        await self._call(poll, "ReceiveMessage", MaxNumberOfMessages=1, WaitTimeSeconds=0, VisibilityTimeout=0)
        # There is no such message, which SQS says only to those who may delete one.
        await self._call(poll, "DeleteMessageBatch", Entries=[{"Id": "0", "ReceiptHandle": "none"}])

    async def _call(self, poll: PollRun, operation: str, **arguments: Any) -> dict[str, Any]:
        return await self._clients.call(poll, self._place, "sqs", operation, {"QueueUrl": self._url, **arguments})


def _listed(response: dict[str, Any]) -> list[dict[str, Any]]:
    listed = response.get("Messages") or []
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise BadResponseError("ReceiveMessage returned Messages that is not a list of messages")
    return listed
