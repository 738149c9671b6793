"""Which of several exporters a source belongs to: a decision that each makes alone, and all make alike."""

from __future__ import annotations

from hashlib import blake2b

from exporter.jobs import SourceKey
from exporter.settings import Shard

QUEUE = "sqs", "queue"
"""Service and kind of a queue of events: each shard has queues of its own."""


def owns(shard: Shard, key: SourceKey) -> bool:
    """Return whether a source belongs to a shard.

    Rendezvous hashing: every shard draws a number for the source, and the highest wins. A shard that is added takes its
    part from all others, and nothing moves between those.
    """
    if shard.count == 1 or (key.aws_service, key.kind) == QUEUE:
        return True
    return shard.index == max(range(shard.count), key=lambda index: _draw(index, key))


def _draw(index: int, key: SourceKey) -> bytes:
    # Not hash(): Python's differs from process to process. No part of a key holds a zero byte.
    return blake2b("\0".join((str(index), *key)).encode(), digest_size=8).digest()
