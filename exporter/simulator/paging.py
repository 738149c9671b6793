"""Page tokens: opaque to the client, and good for one list with one set of arguments."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from exporter.simulator.aws_error import invalid
from exporter.simulator.shelf import Key


def token(position: Key, arguments: Mapping[str, Any]) -> str:
    """Return the token for what comes after a position."""
    created, name = position
    packed = _FORM.pack(created, bytes.fromhex(name), _seal(position, arguments))
    return base64.b64encode(packed).decode()


def position(text: str, arguments: Mapping[str, Any]) -> Key:
    """Return the position in a token; raises AwsError for one that was not made for these arguments."""
    try:
        created, name, seal = _FORM.unpack(base64.b64decode(text, validate=True))
    except (binascii.Error, struct.error, ValueError):
        created, name, seal = 0.0, b"", b""
    if seal != _seal((created, name.hex()), arguments):
        raise invalid("The pagination token is not valid")
    return created, name.hex()


def _seal(position: Key, arguments: Mapping[str, Any]) -> bytes:
    text = json.dumps([position, arguments], sort_keys=True, default=repr)
    return blake2b(text.encode(), digest_size=60).digest()


_FORM = struct.Struct(">d16s60s")
"""Makes 112 characters: some operations take no longer ones, some no shorter ones."""
