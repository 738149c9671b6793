"""Queues of a simulated SQS, which answer at once: on a clock that a test turns, nobody waits for a message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from exporter.simulator import AwsError, RequestContext
from exporter.simulator.operations import Operation

_VISIBILITY = 30.0
"""Seconds for which a message that was handed out is not handed out again."""


class SimulatedQueues:
    """Queues by their URL, each with its messages."""

    def __init__(self) -> None:
        self._messages: dict[str, dict[str, tuple[str, float]]] = {}
        """Of each queue, by receipt: what a message says, and from when on it is handed out."""
        self._sent = 0

    def create(self, url: str) -> None:
        """Create a queue."""
        self._messages[url] = {}

    def send(self, url: str, *bodies: str) -> None:
        """Send messages to a queue."""
        for body in bodies:
            self._sent += 1
            self._messages[url][str(self._sent)] = body, 0.0

    def left(self, url: str) -> int:
        """Return how many messages were not deleted."""
        return len(self._messages[url])

    @property
    def operations(self) -> Mapping[str, Operation]:
        """What the exporter calls, by name."""
        return {"ReceiveMessage": self._receive, "DeleteMessageBatch": self._delete}

    def _receive(self, context: RequestContext) -> Mapping[str, Any]:
        messages, arguments = self._queue(context), context.arguments
        visible = (receipt for receipt, (_, since) in messages.items() if since <= context.now)
        found = list(islice(visible, arguments["MaxNumberOfMessages"]))
        listed = [{"MessageId": receipt, "ReceiptHandle": receipt, "Body": messages[receipt][0]} for receipt in found]
        for receipt in found:
            hidden = arguments.get("VisibilityTimeout", _VISIBILITY)
            messages[receipt] = messages[receipt][0], context.now + hidden
        return {"Messages": listed} if listed else {}

    def _delete(self, context: RequestContext) -> Mapping[str, Any]:
        messages, entries = self._queue(context), context.arguments["Entries"]
        known = [entry for entry in entries if messages.pop(entry["ReceiptHandle"], None)]
        invalid = {"Code": "ReceiptHandleIsInvalid", "Message": "The receipt handle isn't valid.", "SenderFault": True}
        failed = [{"Id": entry["Id"], **invalid} for entry in entries if entry not in known]
        return {"Successful": [{"Id": entry["Id"]} for entry in known], **({"Failed": failed} if failed else {})}

    def _queue(self, context: RequestContext) -> dict[str, tuple[str, float]]:
        url = context.arguments["QueueUrl"]
        if url not in self._messages:
            code = "AWS.SimpleQueueService.NonExistentQueue"
            raise AwsError(code, "The specified queue does not exist for this wsdl version.", 400)
        return self._messages[url]


def event(source: str, detail_type: str, happened: float, **more: Any) -> str:
    """Return an event as EventBridge sends it."""
    content = {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": detail_type,
        "source": source,
        "account": "111122223333",
        "time": datetime.fromtimestamp(happened, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "us-east-1",
        "resources": [],
        "detail": {},
    }
    return json.dumps(content | more)
