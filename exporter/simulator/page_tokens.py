"""Page tokens: opaque to the client, and valid for one list with one set of arguments."""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from exporter.simulator.aws_error import invalid
from exporter.simulator.resources import Key


def token(position: Key, arguments: Mapping[str, Any]) -> str:
    """Return the token for the page after a position."""
    created, name = position
    packed = _FORMAT.pack(created, bytes.fromhex(name), _digest(position, arguments))
    return base64.b64encode(packed).decode()


def position(text: str, arguments: Mapping[str, Any]) -> Key:
    """Return the position in a token; raises AwsError for a token that was made for other arguments."""
    try:
        created, name, digest = _FORMAT.unpack(base64.b64decode(text, validate=True))
    except (binascii.Error, struct.error, ValueError):
        created, name, digest = 0.0, b"", b""
    if digest != _digest((created, name.hex()), arguments):
        raise invalid("The pagination token is not valid")
    return created, name.hex()


def is_past_empty_page(start: Key | None) -> bool:
    """Whether the page after a position has items; without any quirk nobody asks."""
    return start is not None and int(start[1], 16) % 2 == 1


def past_empty_page(start: Key | None, *, newest_first: bool) -> Key:
    """Return where an empty page after a position ends: before the next item, whatever that is."""
    if start is None:
        return math.inf if newest_first else -math.inf, f"{1:032x}"
    # The names of positions are hashes: no other one is next to them. Made odd, they lead on to items.
    created, name = start
    return created, f"{int(name, 16) + (-1 if newest_first else 1):032x}"


def _digest(position: Key, arguments: Mapping[str, Any]) -> bytes:
    text = json.dumps([position, arguments], sort_keys=True, default=repr)
    return blake2b(text.encode(), digest_size=60).digest()


_FORMAT = struct.Struct(">d16s60s")
"""Makes tokens of 112 characters: some operations' models set a maximum length, others a minimum."""
