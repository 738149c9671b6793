"""The queues through which EventBridge tells that jobs have changed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator

from exporter.catalog.models import regions
from exporter.settings.accounts import Account, ExternalId, RoleArn
from exporter.settings.sections import Section

SHARD = "{shard}"
"""Stands for the index of the shard in the URL of a queue."""

_URL = re.compile(r"https?://[^/\s@?#]+/(?:[^/\s@?#]+/)*?(\d{12})/((?:[\w-]|\{shard\}){1,80}(?:\.fifo)?)", re.ASCII)


def _queue_url(url: str) -> str:
    if not _URL.fullmatch(url):
        raise ValueError(
            f"{url!r} is not the URL of a queue, such as https://sqs.us-east-1.amazonaws.com/111122223333/NAME"
        )
    return url


def one_or_more(value: object) -> object:
    """Return a list of one queue where there is only one."""
    return (value,) if isinstance(value, Mapping | EventQueue) else value


class EventQueue(Section):
    """One queue, and whose credentials it is read with."""

    sqs_queue_url: Annotated[str, AfterValidator(_queue_url)]
    """URL of an SQS queue that rules of EventBridge send the events of jobs to: the list that one names is polled at
    once. `{shard}` stands for the index of the shard, because each shard needs a queue of its own.
    """
    role_arn: RoleArn | None = None
    """ARN of the role to assume to read the queue. If unset, the default credentials are used as they are."""
    external_id: ExternalId | None = None
    """External id that the trust policy of the role requires."""

    @property
    def account(self) -> Account:
        """Whose credentials the queue is read with."""
        return Account(role_arn=self.role_arn, external_id=self.external_id)

    @property
    def account_id(self) -> str:
        """The account that the queue is in."""
        return self._parts[0]

    @property
    def name(self) -> str:
        """The name of the queue."""
        return self._parts[1]

    @property
    def region(self) -> str:
        """The region that the URL names; empty where it names none, as that of a local substitute may."""
        known = regions()
        return next((part for part in re.split(r"[./]", self.sqs_queue_url) if part in known), "")

    @property
    def _parts(self) -> tuple[str, str]:
        found = _URL.fullmatch(self.sqs_queue_url)
        return (found[1], found[2]) if found else ("", "")

    def of_shard(self, index: int) -> EventQueue:
        """Return the queue of a shard."""
        return self.model_copy(update={"sqs_queue_url": self.sqs_queue_url.replace(SHARD, str(index))})

    def arns(self, shards: int) -> Sequence[str]:
        """Return the ARN of the queue, or of that of each shard, as IAM takes it."""
        queues = [self.of_shard(index) for index in range(shards)]
        return [*dict.fromkeys(f"arn:*:sqs:{queue.region or '*'}:{queue.account_id}:{queue.name}" for queue in queues)]
